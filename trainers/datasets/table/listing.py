"""From a table's rows to samples: their names, labels, groups, splits, and what is missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fdsweep.search_spaces.errors import DataError, clipped
from fdsweep.trainers.datasets.prepared import LABEL_MAP
from fdsweep.trainers.datasets.table.arrow import is_there
from fdsweep.trainers.datasets.table.columns import Column
from fdsweep.trainers.datasets.table.description import Described
from fdsweep.trainers.datasets.table.labels import Labelling, read_labels
from fdsweep.trainers.datasets.table.rows import Rows
from fdsweep.trainers.datasets.table.splitting import Sample, split_samples
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped

COLUMNS = "columns.json"
"""The file beside the shards that says how raw files become samples."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a table holds.

    Attributes:
        catalog: of its samples.
        columns: by modality, with what the training samples' files say of them.
        parts: of each group, where splits rotate with the seed.
        set_classes: those a sample may have several of, if it may.
    """

    catalog: Catalog
    columns: dict[str, Column]
    parts: dict[str, int]
    set_classes: tuple[str, ...] = ()


def list_samples(described: Described, rows: Rows, raw: Path) -> Listed:
    """The samples of `rows`, whose paths are relative to `raw`.

    Raises:
        DataError: ids, labels, groups or splits are not what they should be.
        ConfigError: the description does not fit the table or its files.
    """
    samples, labelling, notes = _samples(described, rows)
    splitting = split_samples(described, rows, samples, labelling.classes)
    items, missing = [], []
    for sample, own in zip(samples, splitting.splits, strict=True):
        lacking = _lacking(described, sample.cells, raw)
        if lacking:
            missing.append(Skipped(sample.sample_id, f"no {' and no '.join(lacking)}"))
            continue
        items.append(
            Item(
                sample_id=sample.sample_id,
                group=sample.group,
                label=sample.label,
                split=own,
                parts=dict(sample.cells),
            )
        )
    if not items:
        first = f"{missing[0].sample_id}: {missing[0].reason}"
        what = f"not one of {len(samples):,} samples has all its files ({first})"
        fix = f"Check the paths, which are relative to {raw}"
        raise DataError(what, str(rows.path), fix)
    learners = [item for item in items if splitting.parts or item.split == "train"]
    columns, assets = _settled(described, learners, raw)
    assets[COLUMNS] = json.dumps({name: one.spelling for name, one in columns.items()}).encode()
    catalog = Catalog(
        items=tuple(items),
        missing=tuple(missing),
        classes=labelling.names,
        notes=(*notes, *splitting.notes),
        assets=assets,
        split=splitting.said,
    )
    return Listed(
        catalog=catalog,
        columns=columns,
        parts=splitting.parts,
        set_classes=labelling.classes if described.said.labels is not None else (),
    )


def asset_name(modality: str) -> str:
    """The file beside the shards that holds what was learnt for `modality`."""
    return f"{modality}.learnt.json"


def _samples(described: Described, rows: Rows) -> tuple[list[Sample], Labelling, list[str]]:
    """The samples by their ids, their labels, and what is to be said of either."""
    notes = []
    ids = described.cells(rows, "sample_id")
    if ids is None:
        width = len(str(len(rows)))
        ids = [f"{number:0{width}d}" for number in range(1, len(rows) + 1)]
        notes.append("The table has no sample ids: samples are numbered in its order.")
    _check_ids(ids, rows)
    labelling = read_labels(described, rows)
    notes += labelling.notes
    groups = described.cells(rows, "group")
    if groups is None:
        groups = ids
    elif "" in groups:
        raise DataError("has no group", rows.place(groups.index("")), "Give each sample one")
    cells = {
        name: rows.column(column.column or name, f"modality {name}")
        for name, column in described.columns.items()
    }
    if described.said.mask is not None:
        cells[LABEL_MAP] = rows.column(described.said.mask, "mask")
    samples = [
        Sample(
            row=row,
            sample_id=ids[row],
            group=groups[row],
            label=labelling.labels[row],
            classes=labelling.of_samples[row],
            stratum=labelling.strata[row],
            cells={name: own[row] for name, own in cells.items()},
        )
        for row in range(len(rows))
    ]
    return sorted(samples, key=lambda sample: sample.sample_id), labelling, notes


def _check_ids(ids: Sequence[str], rows: Rows) -> None:
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if not name:
            raise DataError("has no sample id", rows.place(row), "Give each sample one")
        if name in first:
            raise DataError(
                f"names {clipped(name)!r} again, as {rows.called} {rows.numbers[first[name]]} does",
                rows.place(row),
                "Give each sample a name of its own",
            )
        first[name] = row


def _lacking(described: Described, cells: Mapping[str, str], raw: Path) -> list[str]:
    """What of a sample's `cells` is not there."""
    lacking = []
    for name, cell in cells.items():
        if not cell:
            lacking.append(name)
        elif (name == LABEL_MAP or described.columns[name].in_files) and not is_there(raw, cell):
            lacking.append(clipped(cell))
    return lacking


def _settled(
    described: Described, learners: Sequence[Item], raw: Path
) -> tuple[dict[str, Column], dict[str, bytes]]:
    """The columns with what is learnt from `learners`, and the files that hold it."""
    columns, assets = {}, {}
    for name, column in described.columns.items():
        cells = {item.sample_id: str(item.parts[name]) for item in learners}
        where = f"{described.table}, column {column.column or name}"
        columns[name], learnt = column.settled(cells, raw, where)
        if learnt is not None:
            assets[asset_name(name)] = learnt
    return columns, assets
