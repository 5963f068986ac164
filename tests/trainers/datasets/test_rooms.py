import pytest
import torch

from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import rooms
from fdsweep.trainers.rooms import KINDS, View, render

FEW = 20


@pytest.fixture
def folds(monkeypatch):
    """The folds of the first FEW rooms, by data set."""
    monkeypatch.setattr(rooms, "ROOMS", FEW)
    found = rooms.rendered.__wrapped__()
    monkeypatch.setattr(rooms, "rendered", lambda: found)
    return {name: datasets.find(name).folds() for name in ("rooms", "room-kinds")}


def test_modalities_are_the_views_from_minus_one_to_one(folds):
    fold = folds["room-kinds"](0)
    shapes = {name: tuple(x.values.shape[1:]) for name, x in fold.inputs.items()}
    assert shapes == {"rgb": (3, 48, 64), "depth": (1, 48, 64), "normals": (3, 48, 64)}
    view: View = render(7)
    rgb, depth, normals = (fold.inputs[name].values[7] for name in shapes)
    for x in (rgb, depth, normals):
        assert x.dtype == torch.float32
        assert x.is_contiguous()
        assert -1 <= x.min() < x.max() <= 1
    assert torch.equal(((rgb + 1) * 127.5).round().byte().permute(1, 2, 0), torch.tensor(view.rgb))
    millimetres = torch.tensor(view.depth.astype("int32"))
    assert torch.equal((depth[0] == -1), millimetres == 0)
    assert torch.equal(((depth[0] + 1) * 3000).round().int(), millimetres.clamp(max=6000))
    assert (normals[:, millimetres == 0] == 0).all()
    assert fold.labels[7] == 7 % 5 == view.kind
    assert fold.label_maps is None


def test_pixels_have_the_classes_of_what_is_seen(folds):
    fold = folds["rooms"](0)
    info = datasets.find("rooms").info
    assert set(fold.inputs) == {"rgb", "depth"}
    assert fold.inputs["rgb"].values is folds["room-kinds"](0).inputs["rgb"].values
    (maps,) = fold.label_maps.batches([torch.tensor([7, 3])])
    assert maps.dtype == torch.int64
    assert torch.equal(maps[0], torch.tensor(render(7).labels).long())
    every = fold.label_maps.values.unique()
    assert every.tolist() == list(range(len(info.classes)))  # all are there, and none is void
    assert info.scenes == KINDS
    assert fold.labels[7] == 7 % 5


@pytest.mark.parametrize("seed", [0, 3, 7, 123])
def test_splits_are_disjoint_and_hold_every_kind_equally(seed):
    parts = rooms.split_rooms(seed)
    assert sorted(torch.cat(parts).tolist()) == list(range(rooms.ROOMS))
    assert [len(part) / rooms.ROOMS for part in parts] == [0.6, 0.15, 0.25]
    for part in parts:
        assert (part % len(KINDS)).bincount().unique().numel() == 1


def test_test_rooms_are_fixed_and_five_seeds_validate_every_other_room_once():
    splits = [rooms.split_rooms(seed) for seed in range(10)]
    assert all(torch.equal(test, splits[0][2]) for _, _, test in splits)
    for first in (0, 5):
        validated = torch.cat([val for _, val, _ in splits[first : first + 5]])
        assert sorted(validated.tolist()) == sorted(torch.cat(splits[0][:2]).tolist())
    assert not torch.equal(splits[0][1], splits[5][1])


@pytest.mark.parametrize("name", ["rooms", "room-kinds"])
def test_it_says_that_it_is_synthetic(name):
    found = datasets.find(name)
    for text in (found.about, found.source, *found.info.notes):
        assert "synthetic" in text
