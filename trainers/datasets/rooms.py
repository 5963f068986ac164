"""`rooms` and `room-kinds`: rendered rooms. Synthetic: none was ever built or photographed.

takes   nothing: `trainers/rooms` draws room n and what a colour camera and a depth sensor see of it
yields  RGB [3, 48, 64], depth [1, 48, 64] and normals [3, 48, 64] from -1 to 1; `rooms` has a class
        for every pixel, `room-kinds` the kind of the room
splits  by the number of the room: a quarter is always test; validation, a fifth of the rest,
        rotates with the seed

Rendered in memory, once per process: 600 rooms take under five seconds, which a copy in the
storage would save at the price of one more thing that can be stale.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from functools import cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from typing_extensions import override

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.keys import content_key
from fdsweep.trainers import rng
from fdsweep.trainers.datasets import (
    HERE,
    DataLocation,
    Dataset,
    DatasetInfo,
    Fold,
    Modality,
    registry,
)
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.modalities import Inputs, Payload
from fdsweep.trainers.rooms import KINDS, LABELS, SEED, VERSION, render
from fdsweep.trainers.rooms.sensor import HEIGHT, WIDTH

if TYPE_CHECKING:
    from torch import Tensor

ROOMS = 600
TEST_IN = 4
"""One round of the kinds in this many is for testing."""
TURNS = 5
"""As many seeds in a row validate every other room once."""
FARTHEST = 6000
"""Millimetres that become 1; a hole, 0 millimetres, becomes -1."""

SYNTHETIC = (
    "{} is synthetic: a ray caster's pictures of rooms drawn at random; what helps there need not "
    "help on photographs."
)
SPLIT = "test rooms fixed"
SUITED = {
    "cirkd-v2": {
        "stride": 4, "pixel_entries": 1000, "region_entries": 200, "channel_pool": 2,
        "channel_entries": 1000, "pixel_samples": 1024, "region_samples": 256,
        "channels_per_step": 32, "channel_samples": 256,
    }
}  # fmt: skip
"""One position of features for 4 x 4 pixels, 12 x 16 in all, and queues that a checkpoint carries
easily; as published both are made for pictures of 512 x 512 and more."""
SOURCE = "synthetic: rendered by fdsweep's trainers/rooms"
LICENCE = "Apache-2.0, as fdsweep"


class Rendered(NamedTuple):
    """Every room: its `views` [ROOMS, channels, HEIGHT, WIDTH] by modality and its kind [ROOMS].

    `labels` [ROOMS, HEIGHT, WIDTH] are the classes of the pixels.
    """

    views: dict[str, Tensor]
    kinds: Tensor
    labels: Tensor


@cache
def rendered() -> Rendered:
    """What there is of every room."""
    views = [render(number) for number in range(ROOMS)]
    rgb = np.stack([view.rgb for view in views]).transpose(0, 3, 1, 2)
    depth = np.stack([view.depth for view in views])[:, None]
    normals = np.stack([view.normals for view in views]).transpose(0, 3, 1, 2)
    scaled = {
        "rgb": rgb / np.float32(127.5) - 1,
        "depth": np.minimum(depth / np.float32(FARTHEST / 2) - 1, 1),
        "normals": normals / np.float32(127),
    }
    values = {name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in scaled.items()}
    labels = torch.from_numpy(np.stack([view.labels for view in views]).astype(np.int64))
    return Rendered(values, torch.tensor([view.kind for view in views]), labels)


def split_rooms(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of the rooms as (train, val, test), each kind as often as every other.

    Rooms come in rounds, one of each kind. Every TEST_IN-th round is test whatever the seed; the
    others are dealt to TURNS parts, which seeds 0 to 4 validate in turn, seeds 5 to 9 otherwise
    dealt, and so on.
    """
    rounds = torch.arange(ROOMS).view(-1, len(KINDS))
    is_test = torch.arange(len(rounds)) % TEST_IN == TEST_IN - 1
    rest = rounds[~is_test]
    dealt = torch.randperm(len(rest), generator=rng.generator(seed // TURNS, "split"))
    is_val = dealt % TURNS == seed % TURNS
    return rest[~is_val].flatten(), rest[is_val].flatten(), rounds[is_test].flatten()


def _modalities(backbone: str, **channels: int) -> tuple[Modality, ...]:
    return tuple(
        Modality(name, count, backbone, Payload("raster", (count, HEIGHT, WIDTH)))
        for name, count in channels.items()
    )


def _fingerprint(**labelling: object) -> str:
    return content_key(
        rendering=VERSION, seed=SEED, rooms=ROOMS, size=[HEIGHT, WIDTH], farthest=FARTHEST,
        test_in=TEST_IN, turns=TURNS, version=1, **labelling,
    )  # fmt: skip


class _Rooms(Dataset):
    """What the data sets of rendered rooms share."""

    source: ClassVar = SOURCE
    licence: ClassVar = LICENCE
    url: ClassVar = "fdsweep itself; nothing is downloaded"

    def __init__(self, location: DataLocation = HERE) -> None:
        del location  # it is rendered

    @abstractmethod
    def label_maps(self, found: Rendered) -> Inputs | None:
        """The classes of the pixels, where they are to be learnt."""

    @override
    def view(self, modality: str) -> Tensor:
        # of every room's size, so that none must be rendered
        return torch.zeros(1, *self.info.modality(modality).payload.shape)

    @override
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        from fdsweep.trainers.loaders import Plain  # brings torch

        del modalities  # a ray's hit gives all
        found = rendered()
        numbers = tuple(f"{number:03d}" for number in range(ROOMS))

        def fold(seed: int) -> Fold:
            train, val, test = split_rooms(seed)
            return Fold(
                num_classes=len(self.info.classes),
                inputs={m.name: Plain(found.views[m.name]) for m in self.modalities},
                labels=found.kinds,
                groups=numbers,
                sample_ids=numbers,
                train=train,
                val=val,
                test=test,
                label_maps=self.label_maps(found),
            )

        return fold


@registry.register("rooms")
class Rooms(_Rooms):
    """The embedded, synthetic data set whose pixels have classes."""

    modalities: ClassVar = _modalities("unet", rgb=3, depth=1)
    about: ClassVar = f"what stands in {ROOMS} rooms, pictures of 48 x 64; synthetic, ray-cast"
    info = DatasetInfo(
        name="rooms",
        modalities=modalities,
        classes=LABELS,
        fingerprint=_fingerprint(labels=LABELS),
        optim=OptimConfig(epochs=12, batch_size=8, lr=0.2),
        source=SOURCE,
        licence=LICENCE,
        notes=(SYNTHETIC.format("rooms"),),
        task="segmentation",
        split=SPLIT,
        scenes=KINDS,
        suited=SUITED,
    )

    @override
    def label_maps(self, found: Rendered) -> Inputs:
        from fdsweep.trainers.loaders import Plain  # brings torch

        return Plain(found.labels)


@registry.register("room-kinds")
class RoomKinds(_Rooms):
    """The embedded, synthetic data set of kinds of room."""

    modalities: ClassVar = _modalities("cnn2d", rgb=3, depth=1, normals=3)
    about: ClassVar = f"five kinds of room, {ROOMS} pictures of 48 x 64; synthetic, ray-cast"
    info = DatasetInfo(
        name="room-kinds",
        modalities=modalities,
        classes=KINDS,
        fingerprint=_fingerprint(),
        optim=OptimConfig(epochs=8, batch_size=16),
        source=SOURCE,
        licence=LICENCE,
        notes=(SYNTHETIC.format("room-kinds"),),
        split=SPLIT,
    )

    @override
    def label_maps(self, found: Rendered) -> None:
        return None
