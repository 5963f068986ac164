"""`rooms`: five kinds of room, rendered. Synthetic: no such room was ever built or photographed.

takes   nothing: `trainers/rooms` draws room n and what a colour camera and a depth sensor see of it
yields  RGB [3, 48, 64], depth [1, 48, 64] and normals [3, 48, 64] from -1 to 1, the kind of room
splits  by the number of the room: a quarter is always test; validation, a fifth of the rest,
        rotates with the seed

Rendered in memory, once per process: 600 rooms take under five seconds, which a copy in the
storage would save at the price of one more thing that can be stale.
"""

from collections.abc import Callable, Collection
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
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
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.rooms import KINDS, SEED, VERSION, render
from fdsweep.trainers.rooms.sensor import HEIGHT, WIDTH

ROOMS = 600
TEST_IN = 4
"""One round of the kinds in this many is for testing."""
TURNS = 5
"""As many seeds in a row validate every other room once."""
FARTHEST = 6000
"""Millimetres that become 1; a hole, 0 millimetres, becomes -1."""


@cache
def rendered() -> tuple[dict[str, Tensor], Tensor]:
    """Every room's modalities [ROOMS, channels, HEIGHT, WIDTH] and its kind [ROOMS]."""
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
    return values, torch.tensor([view.kind for view in views])


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


@registry.register("rooms")
class Rooms(Dataset):
    """The embedded, synthetic data set."""

    modalities: ClassVar = tuple(
        Modality(name, channels, "cnn2d", Payload("raster", (channels, HEIGHT, WIDTH)))
        for name, channels in {"rgb": 3, "depth": 1, "normals": 3}.items()
    )
    about: ClassVar = f"five kinds of room, {ROOMS} pictures of 48 x 64; synthetic, ray-cast"
    source: ClassVar = "synthetic: rendered by fdsweep's trainers/rooms"
    licence: ClassVar = "Apache-2.0, as fdsweep"
    url: ClassVar = "fdsweep itself; nothing is downloaded"
    info = DatasetInfo(
        name="rooms",
        modalities=modalities,
        classes=KINDS,
        fingerprint=content_key(
            rendering=VERSION, seed=SEED, rooms=ROOMS, size=[HEIGHT, WIDTH], farthest=FARTHEST,
            test_in=TEST_IN, turns=TURNS, version=1,
        ),
        optim=OptimConfig(epochs=8, batch_size=16),
        source=source,
        notes=(
            "rooms is synthetic: a ray caster's pictures of rooms drawn at random; what helps "
            "there need not help on photographs.",
        ),
        split="test rooms fixed",
    )  # fmt: skip

    def __init__(self, location: DataLocation = HERE) -> None:
        del location  # it is rendered

    @override
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        del modalities  # a ray's hit gives all
        values, kinds = rendered()
        numbers = tuple(f"{number:03d}" for number in range(ROOMS))

        def fold(seed: int) -> Fold:
            train, val, test = split_rooms(seed)
            return Fold(
                num_classes=len(KINDS),
                inputs={name: Plain(x) for name, x in values.items()},
                labels=kinds,
                groups=numbers,
                sample_ids=numbers,
                train=train,
                val=val,
                test=test,
            )

        return fold
