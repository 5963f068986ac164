"""From a table's rows to samples: their names, labels, groups, splits, and what is missing."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from fdsweep.search_spaces.errors import ConfigError, DataError, clipped
from fdsweep.trainers.datasets.prepared import LABEL_MAP
from fdsweep.trainers.datasets.table.columns import Column
from fdsweep.trainers.datasets.table.description import Described
from fdsweep.trainers.datasets.table.rows import Rows
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped, Split, of_lists
from fdsweep.trainers.preparation.splits import SPLITS, carve_val, shared_groups

WORDS: dict[str, Split] = {
    **{split: split for split in get_args(Split)},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
"""What tables call the splits."""

VAL, TEST = 0.15, 0.2
"""Shares of the samples that validate and test where nothing else is said."""

ALL = "all"
"""The one label of samples whose pixels have classes, where they have none of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sample:
    """A row: `row` counts from 0, `cells` are by modality."""

    row: int
    sample_id: str
    group: str
    label: int
    cells: dict[str, str]


def list_samples(described: Described, rows: Rows, raw: Path) -> tuple[Catalog, dict[str, Column]]:
    """The samples of `rows`, and the columns with what the training samples' files say of them.

    Paths are relative to `raw`.

    Raises:
        DataError: ids, labels, groups or splits are not what they should be.
        ConfigError: the description does not fit the table or its files.
    """
    samples, classes, notes = _samples(described, rows)
    splits, split, said = _splits(described, rows, samples, classes)
    items, missing = [], []
    for sample, own in zip(samples, splits, strict=True):
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
    columns, assets = _settled(described, items, raw)
    catalog = Catalog(
        items=tuple(items),
        missing=tuple(missing),
        classes=classes,
        notes=(*notes, *said),
        assets=assets,
        split=split,
    )
    return catalog, columns


def asset_name(modality: str) -> str:
    """The file beside the shards that holds what was learnt for `modality`."""
    return f"{modality}.learnt.json"


def _samples(described: Described, rows: Rows) -> tuple[list[_Sample], tuple[str, ...], list[str]]:
    """The samples by their ids, the classes, and what is to be said of either."""
    notes = []
    ids = _optional(described, rows, "sample_id")
    if ids is None:
        width = len(str(len(rows)))
        ids = [f"{number:0{width}d}" for number in range(1, len(rows) + 1)]
        notes.append("The table has no sample ids: samples are numbered in its order.")
    _check_ids(ids, rows)
    labels, classes = _labels(described, rows)
    groups = _optional(described, rows, "group")
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
        _Sample(
            row=row,
            sample_id=ids[row],
            group=groups[row],
            label=labels[row],
            cells={name: own[row] for name, own in cells.items()},
        )
        for row in range(len(rows))
    ]
    return sorted(samples, key=lambda sample: sample.sample_id), classes, notes


def _optional(described: Described, rows: Rows, role: str) -> list[str] | None:
    """The column of `role`; None if the table need not have it, and has not."""
    name: str | None = getattr(described.said, role)
    if name is None or (name not in rows.columns and not described.asked_for(role)):
        return None
    return rows.column(name, role.replace("_", " "))


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


def _splits(
    described: Described, rows: Rows, samples: Sequence[_Sample], classes: Sequence[str]
) -> tuple[list[Split], str, list[str]]:
    """The split of each sample, in a few words which samples train and test, and sentences."""
    cells = _optional(described, rows, "split")
    groups = [sample.group for sample in samples]
    labels = [sample.label for sample in samples]
    if cells is None:
        splits, split, notes = _our_splits(described, rows, samples, classes)
    else:
        splits = [_said(cells[sample.row], rows.place(sample.row)) for sample in samples]
        count = Counter(splits)
        split, notes = of_lists(count, "samples"), ["Splits are those of the table."]
        for name in ("train", "test"):
            if name not in count:
                fix = "Leave the column out for a split of fdsweep's own"
                raise DataError(f"no sample is in the {name} split", str(rows.path), fix)
        _check_groups(splits, groups, rows)
        if "val" not in count:
            splits = carve_val(splits, groups, labels, VAL)
            notes.append("Validation is carved from train.")
    _check_trained(splits, labels, classes, rows)
    for name in SPLITS[1:]:
        have = {label for label, where in zip(labels, splits, strict=True) if where == name}
        if lacking := [classes[label] for label in set(range(len(classes))) - have]:
            notes.append(f"No sample of {name} is of {', '.join(sorted(lacking))}.")
    return splits, split, notes


def _our_splits(
    described: Described, rows: Rows, samples: Sequence[_Sample], classes: Sequence[str]
) -> tuple[list[Split], str, list[str]]:
    """Whole groups test, then validate, so that each class keeps its share as far as that goes."""
    groups = [sample.group for sample in samples]
    labels = [sample.label for sample in samples]
    members: dict[int, set[str]] = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        members[label].add(group)
    is_grouped = len(set(groups)) < len(samples)
    for label, own in members.items():
        if len(own) < len(SPLITS) and described.said.mask is None:
            kinds = "groups" if is_grouped else "samples"
            raise DataError(
                f"the class {clipped(classes[label])!r} has {len(own)} {kinds}, too few to train, "
                "validate and test",
                str(rows.path),
                "Give three or more, leave the class out, or give a column `split`",
            )
    held = carve_val(["train"] * len(samples), groups, labels, TEST)
    splits = carve_val(
        ["test" if where == "val" else where for where in held], groups, labels, VAL / (1 - TEST)
    )
    count = Counter(splits)
    shares = " / ".join(f"{100 * count[split] / len(splits):.0f}" for split in SPLITS)
    if is_grouped:
        name = described.said.group
        notes = [
            f"Train, validation and test have different groups (column {name}), {shares} % of the "
            "samples; whole groups are placed so that classes keep their shares as far as they can."
        ]
        return splits, f"groups apart, {shares} %", notes
    notes = [
        f"{shares} % of the samples train, validate and test, of each class alike; the table names "
        "no groups, so samples of one person or recording may stand in two splits."
    ]
    return splits, f"samples at random, {shares} %", notes


def _said(cell: str, place: str) -> Split:
    if cell.lower() not in WORDS:
        what = f"{clipped(cell)!r} is no split" if cell else "has no split"
        raise DataError(what, place, f"Write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return WORDS[cell.lower()]


def _check_groups(splits: Sequence[Split], groups: Sequence[str], rows: Rows) -> None:
    for pair, count in shared_groups(splits, groups).items():
        if count:
            own = {
                split: {
                    group for group, where in zip(groups, splits, strict=True) if where == split
                }
                for split in pair
            }
            name = min(own[pair[0]] & own[pair[1]])
            more = f", and {count - 1:,} more do" if count > 1 else ""
            raise DataError(
                f"the group {clipped(name)!r} stands in both {pair[0]} and {pair[1]}{more}",
                str(rows.path),
                "Keep a group in one split, or say `group: null` where that is meant",
            )


def _check_trained(
    splits: Sequence[Split], labels: Sequence[int], classes: Sequence[str], rows: Rows
) -> None:
    trained = {label for label, split in zip(labels, splits, strict=True) if split == "train"}
    for label, name in enumerate(classes):
        if label not in trained:
            what = f"no training sample is of the class {clipped(name)!r}"
            raise DataError(what, str(rows.path), "Give some, or leave the class out")


def _lacking(described: Described, cells: Mapping[str, str], raw: Path) -> list[str]:
    """What of a sample's `cells` is not there."""
    lacking = []
    for name, cell in cells.items():
        if not cell:
            lacking.append(name)
        elif (name == LABEL_MAP or described.columns[name].in_files) and not _is_file(raw, cell):
            lacking.append(clipped(cell))
    return lacking


def _is_file(raw: Path, cell: str) -> bool:
    try:
        return (raw / cell).is_file()
    except (OSError, ValueError):  # no name that a file can have
        return False


def _settled(
    described: Described, items: Sequence[Item], raw: Path
) -> tuple[dict[str, Column], dict[str, bytes]]:
    columns, assets = {}, {}
    for name, column in described.columns.items():
        cells = {i.sample_id: cast(str, i.parts[name]) for i in items if i.split == "train"}
        where = f"{described.table}, column {column.column or name}"
        columns[name], learnt = column.settled(cells, raw, where)
        if learnt is not None:
            assets[asset_name(name)] = learnt
    return columns, assets
