"""Prepared data sets in a storage, local or remote.

    data/<name>/manifest.json                     what is there; written last
    data/<name>/<folder>/shard-00000.parquet      samples, one row each
    data/<name>/<folder>/shard-00000.json         what became of the shard's items: it is finished
    data/<name>/<folder>/<asset>                  such as a tokenizer

The folder is named by the key of everything that decides the shards, so another preparation never
touches them. Every file is written to a hidden name and moved. Equal samples give equal bytes.
"""

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.storage import Storage, first_line
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped
from fdsweep.trainers.preparation.payload import Payload
from fdsweep.trainers.preparation.splits import SPLITS, shared_groups

SCHEMA = "fdsweep.data/1"
TEXT = "clean_text"
"""The column of what the tokens were made from."""

ROWS_PER_GROUP = 8
"""Few, so that one sample can be read without reading many."""

COLUMN_TYPES = {
    "frames": pa.list_(pa.binary()),
    "spectrogram": pa.binary(),
    "tokens": pa.list_(pa.int32()),
}


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished shard: the name of its file, its rows, bytes and sha256.

    `frames` counts the pictures of each modality that consists of them.
    """

    name: str
    rows: int
    bytes: int
    sha256: str
    frames: dict[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a shard's items; `files` is the key of the raw files they were read from."""

    shard: Shard
    damaged: tuple[Skipped, ...]
    notes: tuple[str, ...]
    files: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A prepared data set; sample i is row i of the shards in their order.

    Attributes:
        name: of the data set.
        classes: in the order of the labels.
        payloads: how each modality lies in the shards.
        counts: samples per split and class.
        groups: speakers, subjects or events per split.
        shared_groups: how many stand in both of two splits, by names such as "train/test".
        shards: in the order of the samples.
        folder: that holds the shards and assets.
        fingerprint: key of the content; see `fingerprint`.
        version: of the importer.
        decoders: name and version of the libraries that decoded.
        options: that the user chose; None where nothing was.
        missing: samples that are listed but not there, or lack a partner.
        damaged: samples that are there but could not be decoded.
        notes: whole sentences for people.
        assets: names of the files beside the shards, with their sha256.
    """

    name: str
    classes: tuple[str, ...]
    payloads: dict[str, Payload]
    counts: dict[str, dict[str, int]]
    groups: dict[str, int]
    shared_groups: dict[str, int]
    shards: tuple[Shard, ...]
    folder: str
    fingerprint: str
    version: int
    decoders: dict[str, str]
    options: dict[str, str | None]
    missing: tuple[Skipped, ...]
    damaged: tuple[Skipped, ...]
    notes: tuple[str, ...]
    assets: dict[str, str]

    @property
    def rows(self) -> int:
        """Number of samples."""
        return sum(shard.rows for shard in self.shards)


def make_manifest(
    name: str,
    catalog: Catalog,
    payloads: dict[str, Payload],
    outcomes: Sequence[Outcome],
    *,
    folder: str,
    version: int,
    decoders: dict[str, str],
    options: dict[str, str | None],
) -> Manifest:
    """The manifest of the shards that `outcomes` tell of, in the order of the samples."""
    damaged = tuple(skipped for outcome in outcomes for skipped in outcome.damaged)
    lost = {skipped.sample_id for skipped in damaged}
    kept = [item for item in catalog.items if item.sample_id not in lost]
    groups = {split: {item.group for item in kept if item.split == split} for split in SPLITS}
    both = shared_groups([item.split for item in kept], [item.group for item in kept])
    shards = tuple(outcome.shard for outcome in outcomes)
    assets = {name: _digest(content) for name, content in sorted(catalog.assets.items())}
    return Manifest(
        name=name,
        classes=catalog.classes,
        payloads=payloads,
        counts={
            split: _count(catalog.classes, (item for item in kept if item.split == split))
            for split in SPLITS
        },
        groups={split: len(members) for split, members in groups.items()},
        shared_groups={f"{one}/{other}": count for (one, other), count in both.items()},
        shards=shards,
        folder=folder,
        fingerprint=fingerprint(shards, catalog.classes, payloads, version, assets),
        version=version,
        decoders=decoders,
        options=options,
        missing=catalog.missing,
        damaged=damaged,
        notes=(*catalog.notes, *(note for outcome in outcomes for note in outcome.notes)),
        assets=assets,
    )


def fingerprint(
    shards: Sequence[Shard],
    classes: Sequence[str],
    payloads: Mapping[str, Payload],
    version: int,
    assets: Mapping[str, str],
) -> str:
    """Key of what is in the shards and what it means."""
    return content_key(
        shards=[shard.sha256 for shard in shards],
        classes=tuple(classes),
        payloads=dict(payloads),
        version=version,
        assets=dict(assets),
    )


def load_manifest(storage: str, name: str) -> Manifest:
    """The manifest of the prepared data set `name`.

    Raises:
        DataError: it is not prepared in `storage`, or by another version of fdsweep.
    """
    again = f"Type: fdsweep prepare {name} RAW_DIR"
    kept, place = Storage(storage), layout.data_manifest(name)
    path = kept.uri(place)
    if not kept.exists(place):
        raise DataError(f"{name} is not prepared in {storage}", "", again)
    try:
        fields = json.loads(kept.read(place))
        if fields.pop("schema") != SCHEMA:
            raise DataError("was written by another version of fdsweep", path, again)
        return Manifest(
            **{
                **fields,
                "classes": tuple(fields["classes"]),
                "payloads": {
                    modality: Payload(payload["kind"], tuple(payload["shape"]))
                    for modality, payload in fields["payloads"].items()
                },
                "shards": tuple(Shard(**shard) for shard in fields["shards"]),
                "missing": _skipped(fields["missing"]),
                "damaged": _skipped(fields["damaged"]),
                "notes": tuple(fields["notes"]),
            }
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError("is no manifest that can be read", path, again) from None


def save_manifest(storage: str, manifest: Manifest) -> None:
    """Put `manifest` in its place; StorageError if it cannot be written."""
    text = json.dumps({"schema": SCHEMA, **asdict(manifest)}, indent=1)
    Storage(storage).write(layout.data_manifest(manifest.name), text.encode())


def schema(payloads: Mapping[str, Payload]) -> pa.Schema:
    """Columns of a shard: the sample, then each modality, then `clean_text` beside tokens."""
    fields = [
        pa.field("sample_id", pa.string()),
        pa.field("group", pa.string()),
        pa.field("label", pa.int32()),
        pa.field("split", pa.string()),
        *(pa.field(modality, COLUMN_TYPES[p.kind]) for modality, p in payloads.items()),
    ]
    if any(payload.kind == "tokens" for payload in payloads.values()):
        fields.append(pa.field(TEXT, pa.string()))
    return pa.schema(fields)


def row(item: Item, decoded: Mapping[str, Any], payloads: Mapping[str, Payload]) -> dict[str, Any]:
    """A shard's row of `item` from what its importer decoded.

    Raises:
        ValueError: a payload has another shape than the importer declares.
    """
    cells = {modality: _cell(decoded[modality], payload) for modality, payload in payloads.items()}
    text = {TEXT: decoded[TEXT]} if TEXT in decoded else {}
    return {
        "sample_id": item.sample_id,
        "group": item.group,
        "label": item.label,
        "split": item.split,
        **cells,
        **text,
    }


def size(cells: Mapping[str, object]) -> int:
    """About how many bytes a row takes in a shard."""
    return sum(
        sum(map(len, cell)) if _is_frames(cell) else len(cell)
        for cell in cells.values()
        if isinstance(cell, bytes | str | list)
    )


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
    count = 0
    frames = {modality: 0 for modality, p in payloads.items() if p.kind == "frames"}
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
            for modality in frames:
                frames[modality] += sum(len(cells[modality]) for cells in batch)
    content = sink.getvalue().to_pybytes()
    shard = Shard(f"shard-{number:05d}.parquet", count, len(content), _digest(content), frames)
    Storage(storage).write(layout.data_file(name, folder, shard.name), content)
    return shard


def write_outcome(storage: str, name: str, folder: str, outcome: Outcome) -> None:
    """Say that a shard is finished; StorageError if that cannot be written."""
    text = json.dumps(asdict(outcome), indent=1)
    place = layout.data_file(name, folder, _outcome_of(outcome.shard.name))
    Storage(storage).write(place, text.encode())


def find_outcome(storage: str, name: str, folder: str, number: int) -> Outcome | None:
    """What became of the shard `number`; None if it is not finished."""
    file = f"shard-{number:05d}.parquet"
    kept, place = Storage(storage), layout.data_file(name, folder, _outcome_of(file))
    if not kept.exists(place):
        return None
    fields = json.loads(kept.read(place))
    shard = Shard(**fields["shard"])
    if kept.size(layout.data_file(name, folder, file)) != shard.bytes:
        return None
    return Outcome(
        shard=shard,
        damaged=_skipped(fields["damaged"]),
        notes=tuple(fields["notes"]),
        files=fields["files"],
    )


def write_assets(storage: str, name: str, folder: str, assets: Mapping[str, bytes]) -> None:
    """Put `assets` beside the shards; StorageError if they cannot be written."""
    for asset, content in assets.items():
        Storage(storage).write(layout.data_file(name, folder, asset), content)


def read_assets(storage: str, manifest: Manifest) -> dict[str, bytes]:
    """The files beside the shards, by name; StorageError if they cannot be read."""
    return {
        asset: Storage(storage).read(layout.data_file(manifest.name, manifest.folder, asset))
        for asset in manifest.assets
    }


def tidy(storage: str, name: str, folder: str) -> None:
    """Delete the hidden files that an interrupted preparation left in `folder`."""
    kept = Storage(storage)
    for info in kept.files(layout.data_file(name, folder)):
        if info.base_name.startswith("."):
            kept.delete_file(layout.data_file(name, folder, info.base_name))


def read_table(storage: str, manifest: Manifest, columns: Sequence[str]) -> pa.Table:
    """`columns` of every sample, in order.

    Raises:
        DataError: a shard is not there or cannot be read.
    """
    return pa.concat_tables(
        read_shard(storage, manifest, number, columns) for number in range(len(manifest.shards))
    )


def read_shard(storage: str, manifest: Manifest, number: int, columns: Sequence[str]) -> pa.Table:
    """`columns` of the samples of one shard; DataError if it is not there or cannot be read."""
    with _opened(storage, manifest, number) as file:
        return file.read(list(columns))


def read_rows(
    storage: str, manifest: Manifest, rows: Sequence[int], columns: Sequence[str]
) -> pa.Table:
    """`columns` of the samples `rows`, in the order given, reading little beside them.

    Raises:
        DataError: a shard is not there or cannot be read.
        IndexError: there is no such row.
    """
    starts = list(accumulate((shard.rows for shard in manifest.shards), initial=0))
    wanted: dict[int, dict[int, list[int]]] = {}
    for index in sorted(set(rows)):
        if not 0 <= index < starts[-1]:
            raise IndexError(f"row {index} of {starts[-1]}")
        number = bisect_right(starts, index) - 1
        group, row = divmod(index - starts[number], ROWS_PER_GROUP)
        wanted.setdefault(number, {}).setdefault(group, []).append(row)
    if not wanted:
        return schema(manifest.payloads).empty_table().select(list(columns))
    parts = []
    for number, groups in wanted.items():
        with _opened(storage, manifest, number) as file:
            parts += [  # a group is let go before the next is read
                file.read_row_group(group, list(columns), use_threads=False).take(own)
                for group, own in groups.items()
            ]
    places = {index: place for place, index in enumerate(sorted(set(rows)))}
    return pa.concat_tables(parts).take([places[index] for index in rows])


@contextmanager
def _opened(storage: str, manifest: Manifest, number: int) -> Iterator[pq.ParquetFile]:
    """The file of a shard; what goes wrong inside is a DataError."""
    shard = manifest.shards[number]
    kept, place = Storage(storage), layout.data_file(manifest.name, manifest.folder, shard.name)
    try:
        with kept.system.open_input_file(kept.inside(place)) as source:
            yield pq.ParquetFile(source, metadata=_footer(storage, place, shard.sha256))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(
            f"cannot be read ({first_line(error)})",
            kept.uri(place),
            f"Type: fdsweep prepare {manifest.name} RAW_DIR",
        ) from None


@lru_cache(maxsize=4096)
def _footer(storage: str, place: str, _sha256: str) -> pq.FileMetaData:
    kept = Storage(storage)
    with kept.system.open_input_file(kept.inside(place)) as source:
        return pq.read_metadata(source)


def _outcome_of(shard: str) -> str:
    return shard.removesuffix(".parquet") + ".json"


def _cell(value: Any, payload: Payload) -> object:
    if payload.kind == "spectrogram":
        array = np.asarray(value, "<f2")
        if array.shape != payload.shape:
            raise ValueError(f"a spectrogram of shape {array.shape}, not {payload.shape}")
        return array.tobytes()
    if payload.kind == "tokens" and len(value) > payload.shape[0]:
        raise ValueError(f"{len(value)} tokens, not at most {payload.shape[0]}")
    return list(value)


def _is_frames(cell: object) -> bool:
    return isinstance(cell, list) and bool(cell) and isinstance(cell[0], bytes)


def _batches(rows: Iterable[dict[str, Any]], most: int) -> Iterable[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for cells in rows:
        batch.append(cells)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch


def _count(classes: Sequence[str], items: Iterable[Item]) -> dict[str, int]:
    counts = Counter(item.label for item in items)
    return {name: counts[label] for label, name in enumerate(classes)}


def _skipped(fields: Iterable[Mapping[str, str]]) -> tuple[Skipped, ...]:
    return tuple(Skipped(**skipped) for skipped in fields)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
