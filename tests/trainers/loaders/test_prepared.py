"""A prepared data set from memory and from its shards: the same batches, the same numbers."""

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.trials import Loading, TrialConfig
from fdsweep.trainers.datasets import DataLocation, Modality
from fdsweep.trainers.datasets.prepared import Payload, Prepared
from fdsweep.trainers.loaders import DRAWS, Plain, resident
from fdsweep.trainers.loaders.pictures import Pictures
from fdsweep.trainers.loaders.streaming import Streamed
from fdsweep.trainers.preparation import shards
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options, Skipped
from fdsweep.trainers.replicate import run_replicate

SHARDS, PER_SHARD = 3, 13
MODALITIES = ("sound", "sight", "words")


class Tiny(Prepared):
    """Three modalities of 39 samples, one of each kind of payload."""

    name = "tiny"
    modalities = (
        Modality("sound", 1, "resnet18"),
        Modality("sight", 3, "resnet18"),
        Modality("words", 20, "bert-small"),
    )
    payloads = {  # noqa: RUF012
        "sound": Payload("spectrogram", (33, 20)),
        "sight": Payload("frames"),
        "words": Payload("tokens", (6,)),
    }
    optim = OptimConfig(epochs=1, batch_size=8)
    source = licence = url = expects = ""

    def catalog(self, raw: Path, options: Options) -> Catalog:
        splits = ["train", "train", "val", "test"]
        items = tuple(
            Item(sample_id=f"s{i:02d}", group=str(i), label=i % 2, split=splits[i % 4], parts={})
            for i in range(SHARDS * PER_SHARD)
        )
        return Catalog(items=items, missing=(), classes=("no", "yes"))

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        rng = np.random.default_rng(int(item.sample_id[1:]))
        jpegs = []
        for _ in range(1 + rng.integers(3)):
            file = io.BytesIO()
            size = (int(rng.integers(40, 60)), 40, 3)
            Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(file, "JPEG")
            jpegs.append(file.getvalue())
        return {
            "sound": rng.normal(item.label, 1, (33, 20)).astype(np.float16),
            "sight": jpegs,
            "words": rng.integers(1, 20, rng.integers(1, 7)).tolist(),
            "clean_text": "words",
        }


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("tiny"))
    tiny = Tiny()
    catalog = tiny.catalog(Path(), Options())
    outcomes = []
    for number in range(SHARDS):
        items = catalog.items[number * PER_SHARD : (number + 1) * PER_SHARD]
        rows = [shards.row(item, tiny.decode(Path(), item, {}), tiny.payloads) for item in items]
        shard = shards.write_shard(place, "tiny", "f", number, rows, tiny.payloads)
        outcomes.append(shards.Outcome(shard=shard, damaged=(), notes=(), files=""))
    manifest = shards.make_manifest(
        "tiny", catalog, tiny.payloads, outcomes, folder="f", version=1, decoders={}, options={}
    )
    shards.save_manifest(place, manifest)
    return place


@pytest.fixture
def tiny(storage: str) -> Callable[..., Tiny]:
    return lambda **loading: Tiny(DataLocation(storage, Loading(**loading)))


ORDER = [torch.tensor([38, 0, 13, 12]), torch.tensor([5, 5, 26])]


@pytest.mark.parametrize("modality", MODALITIES)
def test_streamed_batches_are_those_from_memory_to_the_bit(
    tiny: Callable[..., Tiny], modality: str
) -> None:
    held, streamed = (tiny(mode=mode).folds()(0).inputs[modality] for mode in
                      ("resident", "streaming"))  # fmt: skip
    assert isinstance(held, Pictures | Plain)
    assert isinstance(streamed, Streamed)
    assert (held.augmented, held.numbers) == (streamed.augmented, streamed.numbers)
    stream = torch.Generator().manual_seed(1)
    draws = [torch.rand(len(indices), DRAWS, generator=stream) for indices in ORDER]
    for given in (None, draws):
        pairs = zip(held.batches(ORDER, given), streamed.batches(ORDER, given), strict=True)
        for indices, (mine, theirs) in zip(ORDER, pairs, strict=True):
            assert len(mine) == len(indices)
            assert mine.dtype == theirs.dtype
            assert torch.equal(mine, theirs)


def test_samples_are_what_the_importer_decoded(tiny: Callable[..., Tiny]) -> None:
    dataset = tiny(mode="resident")
    fold = dataset.folds()(0)
    items = dataset.catalog(Path(), Options()).items
    decoded = dataset.decode(Path(), items[20], {})
    (sound,) = fold.inputs["sound"].batches([torch.tensor([20])])
    assert torch.equal(sound[0, 0], torch.tensor(decoded["sound"]).float())
    (words,) = fold.inputs["words"].batches([torch.tensor([20])])
    known = words[0][words[0] != 0].tolist()
    assert known == decoded["words"]
    assert fold.sample_ids[20] == "s20"
    assert int(fold.labels[20]) == items[20].label
    assert {fold.sample_ids[i] for i in fold.val.tolist()} == {
        item.sample_id for item in items if item.split == "val"
    }


def test_auto_streams_what_does_not_fit_beside_the_reading(
    tiny: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = tiny()
    sight = resident.nbytes(dataset.manifest, "sight")
    fold = dataset.folds()(0)
    assert isinstance(fold.inputs["sight"], Pictures)
    assert fold.inputs["sight"].frames.nbytes == sight
    assert resident.nbytes(dataset.manifest, "sound") == fold.inputs["sound"].values.nbytes
    assert resident.nbytes(dataset.manifest, "words") == fold.inputs["words"].values.nbytes
    monkeypatch.setattr(resident, "nbytes", lambda manifest, modality: 500_000_000)
    small = tiny(memory_gb=1.5)
    assert isinstance(small.folds(["sight"])(0).inputs["sight"], Pictures)
    assert isinstance(small.folds(["sight", "sound"])(0).inputs["sight"], Streamed)


def test_only_the_modalities_asked_for_are_read(tiny: Callable[..., Tiny]) -> None:
    assert set(tiny().folds(["words"])(0).inputs) == {"words"}


def test_a_report_hears_of_shared_groups_skips_and_the_task(tiny: Callable[..., Tiny]) -> None:
    dataset = tiny()
    assert dataset.info.notes == ()
    dataset.manifest = replace(
        dataset.manifest,
        shared_groups={"train/val": 0, "train/test": 91},
        missing=(Skipped("s99", "no picture"),),
        options={"task": "damage"},
    )
    assert dataset.info.notes == (
        "Labels of the task damage.",
        "Splits train and test share 91 groups (speakers or videos).",
        "1 listed samples were missing or damaged and are left out.",
    )


def test_what_is_not_prepared_says_how(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny is not prepared in .*fdsweep prepare tiny RAW_DIR"):
        _ = Tiny(DataLocation(str(tmp_path))).info


def replicate(dataset: Tiny, storage: str) -> dict[str, Any]:
    def network(modality: str) -> NetworkConfig:
        return NetworkConfig(
            dataset="tiny", data_fingerprint="", modality=modality, backbone="resnet18",
            backbone_version=1, loop_version=1, optim=dataset.optim,
        )  # fmt: skip

    config = StudentConfig(
        network=network("sound"), method="feat", method_version=1, options={"weight": 1.0},
        teachers=(network("sight"),), teacher_state="random",
    )  # fmt: skip
    trial = TrialConfig(
        kind="student", key="k", config=config, seeds=(0,), group="g", storage=storage
    )
    return run_replicate(trial, dataset.info, dataset.folds(config.modalities)(0), 0)


def test_a_replicate_has_the_same_numbers_either_way(
    tiny: Callable[..., Tiny], storage: str
) -> None:
    """The teacher's pictures are augmented, so it runs on every batch and is not kept."""
    held, streamed = (replicate(tiny(mode=m), storage) for m in ("resident", "streaming"))
    assert held["curves"] == streamed["curves"]
