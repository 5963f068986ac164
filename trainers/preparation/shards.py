"""Prepared data sets in a storage, local or remote: this module writes their shards.

    data/<name>/manifest.json                     what is there; written last (`manifest`)
    data/<name>/<folder>/shard-00000.parquet      samples, one row each
    data/<name>/<folder>/shard-00000.json         what became of the shard's items: it is finished
    data/<name>/<folder>/<asset>                  such as a tokenizer

The folder is named by the key of everything that decides the shards, so another preparation never
touches them. Every file is written to a hidden name and moved. Equal samples give equal bytes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.records import Record, UnreadableRecord
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.modalities import Extent, Kind, Payload, find_all
from fdsweep.trainers.preparation.catalog import Item, Skipped

ROWS_PER_GROUP = 8
"""Few, so that one sample can be read without reading many."""


class Shard(Record):
    """A finished shard: the name of its file, its rows, bytes and sha256.

    `extents` says what its samples hold of each modality.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    extents: dict[str, Extent]


class Outcome(Record):
    """What became of a shard's items; `files` is the key of the raw files they were read from."""

    shard: Shard
    damaged: tuple[Skipped, ...]
    notes: tuple[str, ...]
    files: str


def schema(payloads: Mapping[str, Payload]) -> pa.Schema:
    """Columns of a shard: the sample, then each modality, then what stands beside some of them."""
    kinds = find_all(payloads)
    return pa.schema(
        [
            pa.field("sample_id", pa.string()),
            pa.field("group", pa.string()),
            pa.field("label", pa.int32()),
            pa.field("split", pa.string()),
            *(pa.field(modality, kind.column) for modality, kind in kinds.items()),
            *(pa.field(name, column) for name, column in _beside(kinds).items()),
        ]
    )


def row(item: Item, decoded: Mapping[str, Any], payloads: Mapping[str, Payload]) -> dict[str, Any]:
    """A shard's row of `item` from what its importer decoded.

    Raises:
        ValueError: a payload has another shape than the importer declares.
    """
    kinds = find_all(payloads)
    return {
        "sample_id": item.sample_id,
        "group": item.group,
        "label": item.label,
        "split": item.split,
        **{modality: kind.encode(decoded[modality]) for modality, kind in kinds.items()},
        **{name: decoded[name] for name in _beside(kinds) if name in decoded},
    }


def size(cells: Mapping[str, Any], payloads: Mapping[str, Payload]) -> int:
    """About how many bytes a row takes in a shard."""
    kinds = find_all(payloads)
    texts = (cell for name, cell in cells.items() if name not in kinds and isinstance(cell, str))
    return sum(map(len, texts)) + sum(kind.size(cells[name]) for name, kind in kinds.items())


def write_shard(
    storage: str,
    name: str,
    folder: str,
    number: int,
    rows: Iterable[dict[str, Any]],
    payloads: Mapping[str, Payload],
) -> Shard:
    """Write `rows` as they come; the whole file is held in memory once.

    Raises:
        StorageError: the storage cannot be written.
    """
    columns = schema(payloads)
    sink = pa.BufferOutputStream()
    kinds = find_all(payloads)
    count, extents = 0, dict.fromkeys(kinds, Extent())
    with pq.ParquetWriter(
        sink,
        columns,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,  # smallest and largest JPEG would stand in every footer
    ) as writer:
        for batch in _batches(rows, ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_pylist(batch, columns))
            count += len(batch)
            for modality, kind in kinds.items():
                held = (kind.extent(cells[modality]) for cells in batch)
                extents[modality] = sum(held, extents[modality])
    content = sink.getvalue().to_pybytes()
    shard = Shard(
        name=_file(number), rows=count, bytes=len(content), sha256=digest(content), extents=extents
    )
    Storage(storage).write(layout.data_file(name, folder, shard.name), content)
    return shard


def write_outcome(storage: str, name: str, folder: str, outcome: Outcome) -> None:
    """Say that a shard is finished; StorageError if that cannot be written."""
    text = json.dumps(outcome.model_dump(mode="json"), indent=1)
    place = layout.data_file(name, folder, _outcome_of(outcome.shard.name))
    Storage(storage).write_text(place, text)


def find_outcome(storage: str, name: str, folder: str, number: int) -> Outcome | None:
    """What became of the shard `number`; None if it is not finished, or its files are damaged."""
    file = _file(number)
    kept, place = Storage(storage), layout.data_file(name, folder, _outcome_of(file))
    if not kept.exists(place):
        return None
    try:
        outcome = Outcome.from_fields(json.loads(kept.read(place)))
    except (ValueError, UnreadableRecord):
        return None
    whole = kept.size(layout.data_file(name, folder, file)) == outcome.shard.bytes
    return outcome if whole else None


def write_assets(storage: str, name: str, folder: str, assets: Mapping[str, bytes]) -> None:
    """Put `assets` beside the shards; StorageError if they cannot be written."""
    for asset, content in assets.items():
        Storage(storage).write(layout.data_file(name, folder, asset), content)


def tidy(storage: str, name: str, folder: str) -> None:
    """Delete the hidden files that an interrupted preparation left in `folder`."""
    kept = Storage(storage)
    for info in kept.files(layout.data_file(name, folder)):
        if info.base_name.startswith("."):
            kept.delete_file(layout.data_file(name, folder, info.base_name))


def digest(content: bytes) -> str:
    """The sha256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def _file(number: int) -> str:
    return f"shard-{number:05d}.parquet"


def _outcome_of(shard: str) -> str:
    return shard.removesuffix(".parquet") + ".json"


def _beside(kinds: Mapping[str, Kind]) -> dict[str, pa.DataType]:
    return {name: column for kind in kinds.values() for name, column in kind.beside.items()}


def _batches(rows: Iterable[dict[str, Any]], most: int) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for cells in rows:
        batch.append(cells)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch
