"""Teachers: trained once per content key and seed, kept as safetensors, frozen for students."""

import json
from collections.abc import Callable

import safetensors.torch
import torch
from torch import Tensor

from search_spaces import files
from search_spaces.configs import NetworkConfig, StudentConfig
from search_spaces.errors import DataError
from trainers import backbones, streams
from trainers.data import DatasetInfo, Fold
from trainers.outputs import Outputs
from trainers.precision import EVAL_BATCH, place, run


def missing(storage: str, key: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Those of `seeds` whose teacher `key` is not in the storage yet."""
    system, root = files.locate(storage)
    return tuple(s for s in seeds if not files.exists(system, _path(root, key, s, "safetensors")))


def save(
    storage: str, key: str, seed: int, weights: dict[str, Tensor], facts: dict[str, object]
) -> None:
    """Keep a trained teacher: its `facts` (accuracies) as JSON, then its weights."""
    system, root = files.locate(storage)
    text = json.dumps(facts, sort_keys=True, indent=1)
    files.write(system, _path(root, key, seed, "json"), text.encode())
    files.write(system, _path(root, key, seed, "safetensors"), safetensors.torch.save(weights))


def build(config: NetworkConfig, info: DatasetInfo, seed: int, stream: str) -> backbones.Backbone:
    """The untrained network of `config`, initialised from the stream (seed, `stream`)."""
    with streams.seeded(seed, stream):
        return backbones.build(
            config.backbone,
            channels=info.modality(config.modality).channels,
            num_classes=len(info.classes),
        )


def load(storage: str, config: StudentConfig, info: DatasetInfo, seed: int) -> backbones.Backbone:
    """The frozen teacher that the student of `config` learns from, in evaluation mode.

    Raises:
        DataError: the teacher is not in the storage.
    """
    assert config.teacher is not None
    network = build(config.teacher, info, seed, "teacher-init")
    if config.teacher_state == "trained":
        system, root = files.locate(storage)
        path = _path(root, config.teacher_key, seed, "safetensors")
        if not files.exists(system, path):
            raise DataError("the teacher is gone", path, "Run the same command again")
        network.load_state_dict(safetensors.torch.load(files.read(system, path)))
    return network.requires_grad_(False).eval()


@torch.no_grad()
def _all_outputs(network: backbones.Backbone, inputs: Tensor, train: Tensor) -> tuple[Tensor, ...]:
    parts = [run(network, inputs[indices]) for indices in train.split(EVAL_BATCH)]
    features = torch.cat([part.features for part in parts])
    logits = torch.cat([part.logits for part in parts])
    rows = torch.full([len(inputs)], -1, device=inputs.device)
    rows[train] = torch.arange(len(train), device=inputs.device)
    return features, logits, rows


def cached(
    network: backbones.Backbone, config: StudentConfig, fold: Fold, seed: int
) -> Callable[[Tensor], Outputs]:
    """The teacher's outputs for training samples [B], computed once: its input never changes.

    With `teacher_channels="permuted"` the channels of the features stand in a random order, the
    same for all samples.
    """
    assert config.teacher is not None
    inputs = fold.inputs[config.teacher.modality]
    features, logits, rows = _all_outputs(place(network, inputs.device), inputs, fold.train)
    if config.teacher_channels == "permuted":
        order = torch.randperm(features.shape[1], generator=streams.generator(seed, "channels"))
        features = features[:, order.to(features.device)]
    return lambda indices: Outputs(features[rows[indices]], logits[rows[indices]])


def _path(root: str, key: str, seed: int, kind: str) -> str:
    return f"{root}/teachers/{key}/{seed}.{kind}"
