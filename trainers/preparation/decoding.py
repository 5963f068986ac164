"""One shard from raw files: what a worker of `fdsweep prepare` does."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation import media, shards
from fdsweep.trainers.preparation.catalog import Damaged, Item, Skipped


class Importer(Protocol):
    """What is asked of a data set while it is decoded."""

    name: ClassVar[str]

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        """What `item` holds of each modality; Damaged if one of its files is of no use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What all shards of a preparation have in common; `folder` is the plan's key."""

    dataset: Importer
    payloads: dict[str, Payload]
    raw: Path
    storage: str
    folder: str
    assets: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """One shard to be: its number, its items, and the key of the raw files they are read from."""

    number: int
    items: tuple[Item, ...]
    files: str


def make_shard(job: Job, part: Part) -> None:
    """Decode the items of `part` and write its shard; damaged ones are left out and told of.

    Raises:
        StorageError: the storage cannot be written.
    """
    damaged: list[Skipped] = []
    notes: list[str] = []
    name, rows = job.dataset.name, decoded_rows(job, part.items, damaged, notes)
    shard = shards.write_shard(job.storage, name, job.folder, part.number, rows, job.payloads)
    outcome = shards.Outcome(
        shard=shard, damaged=tuple(damaged), notes=tuple(sorted(set(notes))), files=part.files
    )
    shards.write_outcome(job.storage, name, job.folder, outcome)


def decoded_rows(
    job: Job, items: Sequence[Item], damaged: list[Skipped], notes: list[str]
) -> Iterator[dict[str, Any]]:
    """A row of each item that can be decoded; what is wrong with others goes to the two lists."""
    for item in items:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", media.ShortWarning)
                decoded = job.dataset.decode(job.raw, item, job.assets)
        except Damaged as error:
            damaged.append(Skipped(item.sample_id, str(error)))
            continue
        notes += [f"{item.sample_id}: {warning.message}." for warning in caught]
        yield shards.row(item, decoded, job.payloads)


def find_outcome(job: Job, part: Part) -> shards.Outcome | None:
    """What became of `part`; None if it is yet to be made, or its raw files have changed."""
    found = shards.find_outcome(job.storage, job.dataset.name, job.folder, part.number)
    return found if found and found.files == part.files else None
