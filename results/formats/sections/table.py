"""A table's part of a report: a grid of text cells for each direction."""

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fdsweep.results.compute.tables import ClassRow, Table, TableRow
from fdsweep.results.compute.words import MetricWords, of_metric
from fdsweep.results.formats.sections.grid import (
    NOTHING,
    Grid,
    Section,
    spell_difference,
    spell_number,
    spell_p,
    spell_time,
)
from fdsweep.results.formats.sections.lead import lead

IMPROVES = "improves"
WITHIN_NOISE = ", within the noise floor"
"""What stands behind a verdict on a difference that may be rounding alone."""

STRONG = ("mean", "verdict")
"""Columns that stand out in a row that improves by more than noise, and in no other."""

ON_VALIDATION = ("test_selected", "gap")
"""Columns that say something only where validation chooses."""

OF_SOME = ("pairing", "taught_by")
"""Columns that say something only where rows differ in it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of the rows as people read it; None is spelt for rows that have no such value.

    Columns that are not `always` there are left out where no row has a value.
    """

    name: str
    heading: str
    spell: Callable[[TableRow], str | None]
    words: bool = False
    always: bool = False


def table_section(table: Table, without: Collection[str] = ()) -> Section:
    """`table` as text; `without` names columns (fields of the rows) to leave out."""
    columns = _shown(table, without)
    groups = itertools.groupby(table.rows, lambda row: row.direction)
    grids = [_grid(direction, list(group), columns) for direction, group in groups]
    return Section(
        title=table.title, level=2, grids=tuple(grids), notes=table.notes, lead=lead(table)
    )


def headings(table: Table, names: Collection[str]) -> list[str]:
    """What stands above those columns called `names` that the whole of `table` has."""
    columns = _shown(table, ())
    return [_heading(column, columns) for column in columns if column.name in names]


def class_section(table: Table) -> Section | None:
    """Scores per class, a grid for each direction: a line per class, a column per row.

    None where nothing is known of classes.
    """
    groups = itertools.groupby(
        table.per_class, lambda one: (one.teacher_modality, one.student_modality)
    )
    words = of_metric(table.metric)
    grids = tuple(_class_grid(way, list(group), table) for way, group in groups)
    title = f"{words.of_class[:1].upper()}{words.of_class[1:]} per {words.per}, in % over all seeds"
    return Section(title=title, level=2, grids=grids, notes=()) if grids else None


def _shown(table: Table, without: Collection[str]) -> list[Column]:
    shown = [
        column
        for column in _columns(of_metric(table.metric))
        if column.name not in without
        and not (column.name in ON_VALIDATION and table.protocol == "published")
        and (column.always or any(column.spell(row) is not None for row in table.rows))
    ]
    values = {name: {getattr(row, name) for row in table.rows} - {None} for name in OF_SOME}
    return [column for column in shown if len(values.get(column.name, "ab")) > 1]


def _grid(direction: tuple[str, str], rows: Sequence[TableRow], columns: Sequence[Column]) -> Grid:
    against = f" (Δ against {rows[0].row})" if len(rows) > 1 else ""
    return Grid(
        title=" -> ".join(direction) + against,
        headings=tuple(_heading(column, columns) for column in columns),
        words=tuple(column.words for column in columns),
        lines=tuple(tuple(column.spell(row) or NOTHING for column in columns) for row in rows),
        strong=frozenset(
            (line, place)
            for line, row in enumerate(rows)
            for place, column in enumerate(columns)
            if row.verdict == IMPROVES and not row.within_noise and column.name in STRONG
        ),
    )


def _heading(column: Column, columns: Sequence[Column]) -> str:
    """Two kinds of Δ beside each other say which question each answers."""
    both = any(other.name == "people_delta" for other in columns)
    return f"{column.heading}, new seeds?" if both and column.name == "delta" else column.heading


def _class_grid(direction: tuple[str, str], found: Sequence[ClassRow], table: Table) -> Grid:
    classes, per = table.class_names, of_metric(table.metric).per
    names = list(dict.fromkeys(one.row for one in found))
    labels = sorted({one.label for one in found})
    scores = {(one.label, one.row): one.score for one in found}
    return Grid(
        title=" -> ".join(direction),
        headings=(f"{per[:1].upper()}{per[1:]}", *names),
        words=(bool(classes), *(False for _ in names)),
        lines=tuple(
            (
                classes[label] if classes else str(label),
                *(spell_number(scores.get((label, name))) for name in names),
            )
            for label in labels
        ),
    )


def _count(row: TableRow) -> str:
    return str(row.n) if row.n == row.asked else f"{row.n}/{row.asked}"


def _mean(row: TableRow) -> str:
    return _spread(row.mean, row.std)


def _spread(mean: float | None, std: float | None) -> str:
    return spell_number(mean) + ("" if std is None else f" ± {spell_number(std)}")


def _balanced(row: TableRow) -> str | None:
    score = row.macro_recall
    return None if score is None else _spread(score, row.macro_recall_std)


def _f1(row: TableRow) -> str | None:
    return None if row.macro_f1 is None else _spread(row.macro_f1, row.macro_f1_std)


def _delta(row: TableRow) -> str | None:
    return spell_difference(row.delta, row.delta_ci)


def _people_delta(row: TableRow) -> str | None:
    return spell_difference(row.people_delta, row.people_ci)


def _p(row: TableRow) -> str | None:
    return spell_p(row.p_adjusted, row.pairs or 0)


def _verdict(row: TableRow) -> str | None:
    return f"{row.verdict}{WITHIN_NOISE}" if row.within_noise else row.verdict


def _paper(row: TableRow) -> str | None:
    return _or_none(row.paper, "", row.paper_marks)


def _paper_verdict(row: TableRow) -> str | None:
    """The word alone: why a number is not comparable stands in a note."""
    return row.paper_verdict and row.paper_verdict.partition(":")[0].replace("interval", "CI")


def _or_none(value: float | None, sign: str = "", tail: str = "") -> str | None:
    return None if value is None else spell_number(value, sign) + tail


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else spell_time(seconds)


def _columns(words: MetricWords) -> tuple[Column, ...]:
    return (
        Column("group", "Group", lambda row: row.group, words=True),
        Column("row", "Row", lambda row: row.row, words=True, always=True),
        Column("pairing", "Pairing", lambda row: row.pairing, words=True),
        Column("taught_by", "Teachers", lambda row: row.taught_by, words=True),
        Column("n", "n", _count, always=True),
        Column("mean", f"{words.heading} ± SD", _mean, always=True),
        Column("delta", "Δ [95 % CI]", _delta, always=True),
        Column("p_adjusted", "p Holm", _p),
        Column("verdict", "verdict", _verdict, words=True),
        Column("last", "last", lambda row: _or_none(row.last), always=True),
        Column("test_selected", "test-sel.", lambda row: _or_none(row.test_selected), always=True),
        Column("gap", "gap", lambda row: _or_none(row.gap, "+")),
        Column("paper", "paper", _paper),
        Column("paper_verdict", "paper is", _paper_verdict, words=True),
        Column("people_delta", f"Δ [95 % CI], new {words.drawn}?", _people_delta),
        Column("detectable", "could detect ≥", lambda row: _or_none(row.detectable)),
        Column("effect_size", "d_z", lambda row: _or_none(row.effect_size, "+")),
        Column("p_better", "P(better)", lambda row: _share(row.p_better)),
        Column("macro_recall", words.balanced, _balanced),
        Column("macro_f1", words.f1, _f1),
        Column("worst_delta", "Δ worst case", lambda row: _or_none(row.worst_delta, "+")),
        Column("seconds", "time/seed", lambda row: _time(row.seconds)),
    )
