"""What a raw tree holds: the samples to decode, and what is listed but not there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from fdsweep.search_spaces.errors import ConfigError, DataError

Split = Literal["train", "val", "test"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a user may choose when preparing a data set; importers ignore the rest.

    `split_dir` holds published lists, `task` names one of several labellings, `tokenizer` is a
    checkpoint (folder or hub name) in place of a vocabulary of our own, `frame_side` the most that
    the short side of a kept picture may be.
    """

    split_dir: Path | None = None
    task: str | None = None
    tokenizer: str | None = None
    frame_side: int | None = None

    def __post_init__(self) -> None:
        if self.frame_side is not None and self.frame_side < 1:
            what = f"pictures of {self.frame_side} pixels asked for"
            raise ConfigError(what, "--frame-side", "Give 1 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A sample to decode.

    `sample_id` holds the file's stem, `group` is what must not stand in two splits (speaker,
    subject, video), `parts` what the importer needs to find and cut the sample: paths relative to
    the raw folder, seconds, text.
    """

    sample_id: str
    group: str
    label: int
    split: Split
    parts: dict[str, str | float | int]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A sample that is left out, and why, in a few words."""

    sample_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """What was found before anything is decoded.

    `items` are sorted by `sample_id`, which is unique. `missing` are listed but not on disk, or
    without a partner. `classes` are in the order of the labels. `notes` are whole sentences for
    the manifest (where the splits come from, what was unusual). `assets` are files that are kept
    beside the shards and handed to the decoder, such as a tokenizer. `split` says in a few words
    which samples train and test, for who compares numbers (`of_lists`).
    """

    items: tuple[Item, ...]
    missing: tuple[Skipped, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    assets: dict[str, bytes] = field(default_factory=dict)
    split: str = ""


def of_lists(counts: Mapping[Split, int], samples: str) -> str:
    """The `split` of a catalog whose lists have so many lines for each split.

    Example:
        >>> of_lists({"train": 6698, "test": 744}, "clips")
        'lists of 6,698 train and 744 test clips'
    """
    said = [f"{counts[split]:,} {split}" for split in get_args(Split) if counts.get(split)]
    before = f"{', '.join(said[:-1])} and " if len(said) > 1 else ""
    return f"lists of {before}{said[-1]} {samples}"


class Damaged(Exception):  # noqa: N818
    """A sample's file is there but of no use: empty, a pointer, cut off, not decodable."""


def wrong_tree(raw: Path, looked_for: str, expected: str) -> DataError:
    """The error for a folder that does not hold the data set: what was looked for and found.

    `expected` draws the tree that the importer reads.
    """
    found = ", ".join(_shown(raw)) or "nothing"
    return DataError(
        f"{looked_for} was looked for and not found, only: {found}", str(raw),
        f"The folder should look like this:\n{expected}\n",
    )  # fmt: skip


def _shown(raw: Path, most: int = 8) -> Iterable[str]:
    if not raw.is_dir():
        return [] if not raw.exists() else ["a file"]
    names = sorted(p.name + "/" * p.is_dir() for p in raw.iterdir())
    return [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
