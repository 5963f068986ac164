"""Which items make which shard, decided before any is written."""

import os
import stat
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import mean

from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.keys import content_key
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.modalities import with_frame_side
from fdsweep.trainers.preparation import media, shards
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options, Skipped
from fdsweep.trainers.preparation.decoding import Job, Part, decoded_rows

SAMPLED = 8
"""Rows whose size says how many make a shard."""


def make_plan(
    dataset: Prepared,
    raw: Path,
    storage: str,
    options: Options,
    catalog: Catalog,
    shard_mb: float,
) -> tuple[Job, list[Part]]:
    """What all shards have in common, and each of them.

    The plan's key does not hold where the raw tree or the published lists lie: the items say what
    was read there.

    Raises:
        DataError: not one item can be decoded.
    """
    payloads = with_frame_side(dataset.payloads, options.frame_side)
    sampled = Job(
        dataset=dataset, payloads=payloads, raw=raw, storage=storage, folder="",
        assets=catalog.assets,
    )  # fmt: skip
    per_shard = max(1, round(shard_mb * 2**20 / _mean_size(sampled, catalog)))
    count = -(-len(catalog.items) // per_shard)
    folder = content_key(
        items=catalog.items,
        shards=count,
        classes=catalog.classes,
        payloads=payloads,
        version=dataset.version,
        decoders=media.versions(),
        assets={name: sha256(content).hexdigest() for name, content in catalog.assets.items()},
        task=options.task,
        tokenizer=options.tokenizer,
        dataset=dataset.name,
    )
    bounds = [len(catalog.items) * number // count for number in range(count + 1)]
    parts = []
    for number in range(count):
        items = catalog.items[bounds[number] : bounds[number + 1]]
        parts.append(Part(number, items, _files_key(raw, items)))
    return replace(sampled, folder=folder), parts


def _mean_size(job: Job, catalog: Catalog) -> float:
    """Mean bytes of the first rows that can be made."""
    damaged: list[Skipped] = []
    rows = decoded_rows(job, catalog.items, damaged, [])
    sizes = [shards.size(row, job.payloads) for row in islice(rows, SAMPLED)]
    if not sizes:
        raise DataError(
            f"not one of {len(catalog.items):,} samples can be decoded; "
            f"the first, {damaged[0].sample_id}: {damaged[0].reason}",
            str(job.raw),
        )
    return mean(sizes)


def _files_key(raw: Path, items: Sequence[Item]) -> str:
    """Key of the sizes of the files that `items` name: a repaired file gives another key."""
    parts = [str(part) for item in items for part in item.parts.values() if isinstance(part, str)]
    return content_key(sizes=[_size(raw, part) for part in parts])


def _size(raw: Path, part: str) -> int | None:
    try:
        found = os.stat(raw / part)
    except (OSError, ValueError):  # not a file's name but text, too long or with null characters
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
