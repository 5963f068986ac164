"""Put a trained student into the storage, where it stays while it is among those to keep."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import safetensors.torch
from torch import Tensor

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError, first_line
from fdsweep.search_spaces.keys import canonical
from fdsweep.search_spaces.storage import Storage, tell_once
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import backbones, distillers, tasks
from fdsweep.trainers.datasets import DatasetInfo, Scaling
from fdsweep.trainers.loop import Chosen
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.students.record import SCHEMA, Head, Network, StudentRecord, drop, records

NETWORK, METHOD, SCALING = "network.", "method.", "scaling."
"""How the names of a student's tensors begin: what they are part of."""


def keep(
    storage: str, record: StudentRecord, chosen: Chosen, scaling: Scaling | None = None
) -> None:
    """Keep a student, unless it is the best that is wanted and a better one is there.

    Nothing needs it: where it cannot be written, that is told and no more. Of several processes
    each writes before it looks who is the best, so that the best stays and no other.

    Args:
        storage: where to.
        record: what is known of it; its `size` is found here.
        chosen: its weights.
        scaling: what its inputs were standardised with, if they were.
    """
    tensors = {
        **{f"{NETWORK}{name}": x for name, x in chosen.student.items()},
        **{f"{METHOD}{name}": x for name, x in chosen.method.items()},
        **_scaling(scaling),
    }
    try:
        _put(Storage(storage), record, safetensors.torch.save(tensors))
    except (OSError, StorageError) as error:
        tell_once(f"The student {record.name} is not kept: {first_line(error)}.")


def _put(kept: Storage, record: StudentRecord, content: bytes) -> None:
    others = [one for one in records(kept, record.key) if one.seed != record.seed]
    if record.keep == "best" and any(one.rank > record.rank for one in others):
        return
    kept.write(layout.student_weights(record.key, record.seed), content)
    text = record.replace(size=len(content)).to_text(SCHEMA)
    kept.write_text(layout.student_record(record.key, record.seed), text)
    there = records(kept, record.key)
    best = max((one.rank for one in there), default=record.rank)
    for one in there:
        if one.keep == "best" and one.rank < best:
            drop(kept, one)


def describe(
    trial: TrialConfig, seed: int, info: DatasetInfo, history: History, sizes: Mapping[str, Any]
) -> StudentRecord:
    """What is known of the student of replicate `seed`; its size is 0 as long as it is not kept.

    `sizes` is what its method was built for beside the student.
    """
    config, network = trial.config, trial.config.network
    spelt = canonical(config)
    assert isinstance(spelt, dict)
    modality = info.modality(network.modality)
    head = Head(
        name=history.best_head,
        method=config.method,
        version=distillers.version(config.method),
        options=dict(config.options),
        sizes=dict(sizes),
        epoch=history.best_epoch,
        epochs=network.optim.epochs,
    )
    return StudentRecord(
        key=trial.key,
        seed=seed,
        keep=trial.keep,
        config=spelt,
        network=Network(
            backbone=network.backbone,
            version=backbones.version(network.backbone),
            channels=modality.channels,
            outputs=tasks.find(network.task).num_outputs(info),
            features=network.features,
            options=network.backbone_options,
        ),
        head=None if history.best_head == distillers.OWN_HEAD else head,
        dataset=info.name,
        data_fingerprint=info.fingerprint,
        modality=modality.name,
        payload=modality.payload,
        assets=dict(info.assets),
        task=network.task,
        metric=history.metric,
        classes=info.classes,
        best_score=history.best_score,
        val_score=history.val_score,
        test_score=history.test_score,
        licence=info.licence,
        source=info.source,
        size=0,
        fdsweep_version=version("fdsweep"),
    )


def _scaling(scaling: Scaling | None) -> dict[str, Tensor]:
    if scaling is None:
        return {}
    named = scaling._asdict().items()
    return {f"{SCALING}{name}": x.cpu().contiguous() for name, x in named}
