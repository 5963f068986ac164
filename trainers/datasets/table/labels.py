"""What a table says of its samples' classes: one of each, or several, or one for all."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fdsweep.search_spaces.errors import ConfigError, DataError, clipped
from fdsweep.trainers.datasets.prepared import NO_LABEL, spell_set
from fdsweep.trainers.datasets.table.arrow import SEPARATOR
from fdsweep.trainers.datasets.table.description import Described
from fdsweep.trainers.datasets.table.rows import Rows

ALL = "all"
"""The one label of samples that have none of their own: pixels have, or it is a retrieval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelling:
    """The labels of the rows.

    Attributes:
        labels: of each row, the number of its name.
        names: of the labels: classes, or the sets of classes that occur.
        classes: what a network tells apart.
        of_samples: the numbers of each row's classes.
        strata: of each row the class whose share all splits should have, the rarest that it has;
            one more than all classes where it has none.
        notes: whole sentences for people.
    """

    labels: list[int]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    of_samples: list[tuple[int, ...]]
    strata: list[int]
    notes: tuple[str, ...] = ()


def read_labels(described: Described, rows: Rows) -> Labelling:
    """The labels of `rows`; classes that are whole numbers stand by size, others by name.

    Raises:
        DataError: a label is missing or unknown, or there are too few.
        ConfigError: the description names no column of labels.
    """
    said = described.said
    if said.labels is not None:
        return _sets(said.labels, described, rows)
    if said.task or (said.mask is not None and not described.asked_for("label")):
        return _single([0] * len(rows), (ALL,))
    if said.label is None:
        fix = "Name one, or give `task: retrieval` for pairs without labels"
        raise ConfigError("neither a label nor a mask is named", str(described.path), fix)
    cells = rows.column(said.label, "label")
    if "" in cells:
        fix = "Give each sample one, or leave the row out"
        raise DataError("has no label", rows.place(cells.index("")), fix)
    if said.mask is None:
        classes = _classes([(cell,) for cell in cells], described, rows)
    else:
        classes = _in_order(set(cells))
    if said.mask is None and len(classes) < 2:
        what = f"all samples have the label {clipped(classes[0])!r}"
        raise DataError(what, str(rows.path), "Two classes or more are needed")
    numbers = {name: number for number, name in enumerate(classes)}
    return _single([numbers[cell] for cell in cells], classes)


def _single(labels: list[int], classes: tuple[str, ...]) -> Labelling:
    return Labelling(
        labels=labels,
        names=classes,
        classes=classes,
        of_samples=[(label,) for label in labels],
        strata=labels,
    )


def _sets(column: str, described: Described, rows: Rows) -> Labelling:
    """Labels of which a sample has any number: "a;b", each once, an empty cell for none."""
    cells = [_parts(cell) for cell in rows.column(column, "labels")]
    if any(NO_LABEL in cell for cell in cells):
        row = next(i for i, cell in enumerate(cells) if NO_LABEL in cell)
        what = f"has the label {NO_LABEL!r}, which is fdsweep's name for no label"
        raise DataError(what, rows.place(row), "Leave the cell empty")
    classes = _classes(cells, described, rows)
    if not classes:
        raise DataError("no sample has a label", str(rows.path), "Give some")
    numbers = {name: number for number, name in enumerate(classes)}
    of_samples = [tuple(sorted(numbers[label] for label in cell)) for cell in cells]
    sizes = Counter(label for own in of_samples for label in own)
    sets = sorted(set(of_samples))
    places = {own: place for place, own in enumerate(sets)}
    bare = sum(not own for own in of_samples)
    most = max(map(len, sets))
    note = f"A sample has up to {most} of {len(classes)} labels; {bare:,} have none."
    return Labelling(
        labels=[places[own] for own in of_samples],
        names=tuple(spell_set([classes[label] for label in own]) for own in sets),
        classes=classes,
        of_samples=of_samples,
        strata=[
            min(own, key=lambda label: (sizes[label], label), default=len(classes))
            for own in of_samples
        ],
        notes=(note,),
    )


def _parts(cell: str) -> tuple[str, ...]:
    """The labels in a cell, each once."""
    parts = (part.strip() for part in cell.split(SEPARATOR))
    return tuple(dict.fromkeys(part for part in parts if part))


def _classes(cells: Sequence[tuple[str, ...]], described: Described, rows: Rows) -> tuple[str, ...]:
    """Those that the description names, which must be those of the rows, or else the rows'."""
    found, named = {label for cell in cells for label in cell}, described.said.classes
    if not named:
        return _in_order(found)
    if strange := sorted(found.difference(named)):
        row = next(i for i, cell in enumerate(cells) if strange[0] in cell)
        what = f"has the label {clipped(strange[0])!r}, which is none of the classes"
        raise DataError(what, rows.place(row), f"Add it to them in {described.path}")
    if unused := [name for name in named if name not in found]:
        what = f"no sample is of the class {clipped(unused[0])!r}"
        raise DataError(what, str(rows.path), f"Take it out of {described.path}")
    return named


def _in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Whole numbers by size, else by name."""
    found = sorted(names)
    whole = all(name.removeprefix("-").isdecimal() for name in found)
    return tuple(sorted(found, key=lambda name: (int(name) if whole else 0, name)))
