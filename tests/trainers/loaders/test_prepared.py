"""A prepared data set from memory and from its shards: the same batches, the same numbers."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.trials import Loading
from fdsweep.trainers import distributed
from fdsweep.trainers.datasets import DataLocation, Modality
from fdsweep.trainers.loaders import Plain, resident
from fdsweep.trainers.loaders.streaming import Streamed
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.modalities.base import DRAWS
from fdsweep.trainers.modalities.picture import Clips
from fdsweep.trainers.preparation.catalog import Item, Options, Skipped

MODALITIES = ("sound", "sight", "words")


class Tiny(tiny.Tiny):
    """Three modalities, one of each kind of payload that the papers' data sets have."""

    modalities = (
        Modality("sound", 1, "cnn2d"),
        Modality("sight", 3, "cnn2d"),
        Modality("words", 20, "bert-small"),
    )
    payloads = {  # noqa: RUF012
        "sound": Payload("spectrogram", (33, 20)),
        "sight": Payload("frames", (50,)),
        "words": Payload("tokens", (6,)),
    }

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        rng = np.random.default_rng(int(item.sample_id[1:]))
        height, width = rng.integers(40, 90, 2)  # of every frame of the sample, as in a video
        frames = rng.integers(0, 256, (1 + rng.integers(3), height, width, 3), np.uint8)
        return {
            "sound": rng.normal(item.label, 1, (33, 20)).astype(np.float16),
            "sight": list(map(Image.fromarray, frames)),
            "words": rng.integers(1, 20, rng.integers(1, 7)).tolist(),
            "clean_text": f"words of {item.sample_id}",
        }


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("tiny"))
    tiny.store(Tiny(), place)
    return place


@pytest.fixture
def dataset(storage: str) -> Callable[..., Tiny]:
    return lambda **loading: Tiny(DataLocation(storage, Loading(**loading)))


ORDER = [torch.tensor([38, 0, 13, 12]), torch.tensor([5, 5, 26])]


@pytest.mark.parametrize("modality", MODALITIES)
def test_streamed_batches_are_those_from_memory_to_the_bit(
    dataset: Callable[..., Tiny], modality: str
) -> None:
    held, streamed = (dataset(mode=mode).folds()(0).inputs[modality] for mode in
                      ("resident", "streaming"))  # fmt: skip
    assert isinstance(held, Clips | Plain)
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


@pytest.mark.parametrize("cores", [1, 64])
def test_batches_do_not_depend_on_the_cores(
    dataset: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    expected = list(dataset(mode="streaming").folds()(0).inputs["sight"].batches(ORDER * 9))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(cores), raising=False)
    for mode in ("resident", "streaming"):
        found = dataset(mode=mode).folds()(0).inputs["sight"].batches(ORDER * 9)
        assert all(map(torch.equal, found, expected))


def test_a_person_is_shown_views_and_texts(dataset: Callable[..., Tiny]) -> None:
    made = dataset()
    fold, samples = made.folds()(0), torch.tensor([20, 3])
    assert made.samples_to_show(fold, "words", samples) == ["words of s20", "words of s03"]
    (views,) = fold.inputs["sound"].batches([samples])
    assert torch.equal(torch.stack(made.samples_to_show(fold, "sound", samples)), views)


def test_samples_are_what_the_importer_decoded(dataset: Callable[..., Tiny]) -> None:
    held = dataset(mode="resident")
    fold = held.folds()(0)
    items = held.catalog(Path(), Options()).items
    decoded = held.decode(Path(), items[20], {})
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


def test_every_shard_that_is_loaded_is_a_sign_of_life(
    dataset: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    beats: list[str] = []
    monkeypatch.setattr(distributed, "beat", lambda: beats.append("beat"))
    dataset(mode="resident").folds(["words"])
    assert len(beats) == tiny.SHARDS


def test_auto_streams_what_does_not_fit_beside_the_reading(
    dataset: Callable[..., Tiny], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, fold = dataset().manifest, dataset().folds()(0)
    sight = resident.nbytes(manifest, "sight")
    assert isinstance(fold.inputs["sight"], Clips)
    assert fold.inputs["sight"].pixels.nbytes == sight
    assert len(set(map(tuple, fold.inputs["sight"].sizes.tolist()))) > 10
    assert resident.nbytes(manifest, "sound") == fold.inputs["sound"].values.nbytes
    assert resident.nbytes(manifest, "words") == fold.inputs["words"].values.nbytes
    monkeypatch.setattr(resident, "nbytes", lambda manifest, modality: 500_000_000)
    small = dataset(memory_gb=1.5)
    assert isinstance(small.folds(["sight"])(0).inputs["sight"], Clips)
    assert isinstance(small.folds(["sight", "sound"])(0).inputs["sight"], Streamed)


def test_only_the_modalities_asked_for_are_read(dataset: Callable[..., Tiny]) -> None:
    assert set(dataset().folds(["words"])(0).inputs) == {"words"}


def test_a_report_hears_of_shared_groups_skips_and_the_task(dataset: Callable[..., Tiny]) -> None:
    made = dataset()
    assert made.info.notes == ()
    assert (made.info.split, made.info.labelling, made.info.variant) == ("", "", "own")
    made.manifest = made.manifest.model_copy(
        update={
            "shared_groups": {"train/val": 0, "train/test": 91},
            "missing": (Skipped("s99", "no picture"),),
            "options": {"task": "damage"},
            "variant": "somebody's",
            "split": "groups apart",
        }
    )
    assert (made.info.split, made.info.variant) == ("groups apart", "somebody's")
    assert made.info.labelling == "damage"
    assert made.info.notes == (
        "Labels of the task damage.",
        "Splits train and test share 91 groups (speakers or videos).",
        "1 listed samples were missing or damaged and are left out.",
    )


def test_what_is_not_prepared_says_how(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiny is not prepared in .*fdsweep prepare tiny RAW_DIR"):
        _ = Tiny(DataLocation(str(tmp_path))).info


def test_a_replicate_has_the_same_numbers_either_way(
    dataset: Callable[..., Tiny], storage: str
) -> None:
    """The teacher's pictures are augmented, so it runs on every batch and is not kept."""
    held, streamed = (
        tiny.train(dataset(mode=mode), storage, "sound", "sight")
        for mode in ("resident", "streaming")
    )
    assert held["curves"] == streamed["curves"]
