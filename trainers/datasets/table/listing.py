"""From a table's rows to samples: their names, labels, groups, splits, and what is missing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fdsweep.search_spaces.errors import ConfigError, DataError, clipped
from fdsweep.trainers.datasets.prepared import LABEL_MAP
from fdsweep.trainers.datasets.table.arrow import is_there
from fdsweep.trainers.datasets.table.columns import Column
from fdsweep.trainers.datasets.table.description import Described
from fdsweep.trainers.datasets.table.rows import Rows
from fdsweep.trainers.datasets.table.splitting import Sample, split_samples
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped

COLUMNS = "columns.json"
"""The file beside the shards that says how raw files become samples."""

ALL = "all"
"""The one label of samples whose pixels have classes, where they have none of their own."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a table holds.

    Attributes:
        catalog: of its samples.
        columns: by modality, with what the training samples' files say of them.
        parts: of each group, where splits rotate with the seed.
    """

    catalog: Catalog
    columns: dict[str, Column]
    parts: dict[str, int]


def list_samples(described: Described, rows: Rows, raw: Path) -> Listed:
    """The samples of `rows`, whose paths are relative to `raw`.

    Raises:
        DataError: ids, labels, groups or splits are not what they should be.
        ConfigError: the description does not fit the table or its files.
    """
    samples, classes, notes = _samples(described, rows)
    splitting = split_samples(described, rows, samples, classes)
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
        classes=classes,
        notes=(*notes, *splitting.notes),
        assets=assets,
        split=splitting.said,
    )
    return Listed(catalog=catalog, columns=columns, parts=splitting.parts)


def asset_name(modality: str) -> str:
    """The file beside the shards that holds what was learnt for `modality`."""
    return f"{modality}.learnt.json"


def _samples(described: Described, rows: Rows) -> tuple[list[Sample], tuple[str, ...], list[str]]:
    """The samples by their ids, the classes, and what is to be said of either."""
    notes = []
    ids = described.cells(rows, "sample_id")
    if ids is None:
        width = len(str(len(rows)))
        ids = [f"{number:0{width}d}" for number in range(1, len(rows) + 1)]
        notes.append("The table has no sample ids: samples are numbered in its order.")
    _check_ids(ids, rows)
    labels, classes = _labels(described, rows)
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
            label=labels[row],
            cells={name: own[row] for name, own in cells.items()},
        )
        for row in range(len(rows))
    ]
    return sorted(samples, key=lambda sample: sample.sample_id), classes, notes


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


def _labels(described: Described, rows: Rows) -> tuple[list[int], tuple[str, ...]]:
    """The class of each sample, and the classes: of whole numbers by size, else by name."""
    said = described.said
    if said.mask is not None and not described.asked_for("label"):
        return [0] * len(rows), (ALL,)
    if said.label is None:
        raise ConfigError("neither a label nor a mask is named", str(described.path), "Name one")
    cells = rows.column(said.label, "label")
    if "" in cells:
        fix = "Give each sample one, or leave the row out"
        raise DataError("has no label", rows.place(cells.index("")), fix)
    found = set(cells)
    if said.mask is None and said.classes:
        if strange := sorted(found.difference(said.classes)):
            row = cells.index(strange[0])
            what = f"has the label {clipped(strange[0])!r}, which is none of the classes"
            raise DataError(what, rows.place(row), f"Add it to them in {described.path}")
        if unused := [name for name in said.classes if name not in found]:
            what = f"no sample is of the class {clipped(unused[0])!r}"
            raise DataError(what, str(rows.path), f"Take it out of {described.path}")
        classes = said.classes
    else:
        whole = all(name.removeprefix("-").isdecimal() for name in found)
        classes = tuple(sorted(found, key=lambda name: (int(name) if whole else 0, name)))
    if said.mask is None and len(classes) < 2:
        what = f"all samples have the label {clipped(classes[0])!r}"
        raise DataError(what, str(rows.path), "Two classes or more are needed")
    numbers = {name: number for number, name in enumerate(classes)}
    return [numbers[cell] for cell in cells], classes


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
