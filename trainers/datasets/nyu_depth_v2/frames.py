"""What both raw trees give: frames that are listed, and the classes of their pixels."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.preparation.catalog import Catalog, Damaged, Item, Skipped, Split, of_lists
from fdsweep.trainers.preparation.splits import carve_val

COUNT = 40
"""Classes, numbered from 1 in the raw files."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A frame that is listed and there; `kind` is that of its room, `scene` the place itself."""

    sample_id: str
    scene: str
    kind: str
    parts: dict[str, str | float | int]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a raw tree holds; `splits` has every frame of the published lists by its id."""

    frames: tuple[Frame, ...]
    splits: Mapping[str, Split]
    missing: tuple[Skipped, ...]
    notes: tuple[str, ...]
    assets: dict[str, bytes] = field(default_factory=dict)

    def catalog(self) -> Catalog:
        """The samples, labelled with the kinds of room that occur; some of train validate."""
        kinds = tuple(sorted({frame.kind for frame in self.frames}))
        frames = sorted(self.frames, key=lambda frame: frame.sample_id)
        labels = [kinds.index(frame.kind) for frame in frames]
        published = [self.splits[frame.sample_id] for frame in frames]
        splits = carve_val(published, [frame.scene for frame in frames], labels) if frames else []
        return Catalog(
            items=tuple(
                Item(
                    sample_id=frame.sample_id,
                    group=frame.scene,
                    label=label,
                    split=split,
                    parts=frame.parts,
                )
                for frame, label, split in zip(frames, labels, splits, strict=True)
            ),
            missing=self.missing,
            classes=kinds,
            notes=self.notes,
            assets=self.assets,
            split=of_lists(Counter(self.splits.values()), "frames"),
        )


def in_one_list(lists: Mapping[Split, list[str]], where: str) -> dict[str, Split]:
    """The split of every frame of `lists`; DataError if one is in two, or a list is empty."""
    splits: dict[str, Split] = {}
    for split, names in lists.items():
        if not names:
            raise DataError(f"lists no frame to {split} on", where, "Take the published lists")
        for name in names:
            if splits.setdefault(name, split) != split:
                raise DataError(f"{name} is in both lists", where, "Take the published lists")
    return splits


def classes(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Labels [H, W] of 1 to COUNT, void 0 or IGNORE, as classes from 0 and IGNORE.

    Raises:
        Damaged: another label, or nothing but void.
    """
    void = (labels == 0) | (labels == IGNORE)
    known = labels[~void]
    if not known.size:
        raise Damaged("no pixel has a class")
    if known.max() > COUNT or known.min() < 0:
        raise Damaged(f"labels from {known.min()} to {known.max()}, not 1 to {COUNT}")
    return np.where(void, IGNORE, labels.astype(np.int64) - 1).astype(np.uint8)
