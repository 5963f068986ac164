"""A sweep's report, made anew from the storage each time: markdown for people, JSON for programs.

The same rows give the same bytes: nothing here knows the time or the machine.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from results.cells import chosen_seeds
from results.manifest import Manifest, find
from results.notes import DOUBT_MARK
from results.statistics import seeds_needed
from results.store import Store
from results.tables import Table, TableRow, build_table
from search_spaces.errors import StorageError

SCHEMA = "fdsweep.report/1"
NOTHING = "–"
P_FROM = seeds_needed(1)
TEXTS = ("Group", "Row", "Pairing")
"""Headings of columns that hold words, and so stand to the left."""

SHORTEST = 3  # dashes that every reader of markdown takes for a table


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """The tables of one sweep."""

    sweep: str
    tables: tuple[Table, ...]


def report(store: Store, sweep: str | None = None, seeds: Sequence[int] | None = None) -> Report:
    """The report of `sweep` (a name, its beginning, or None for the newest) from `store`.

    `seeds` leaves out the others.

    Raises:
        ConfigError: no such sweep, or a seed that it does not have.
        StorageError: the storage holds no sweep, or cannot be read.
    """
    manifest = find(store, sweep)
    keys = {row.key for row in manifest.rows}
    teachers = _teachers(store, manifest, chosen_seeds(manifest, seeds))
    table = build_table(manifest, store.replicates(keys), seeds, teachers)
    damaged = store.damaged(keys)
    if damaged:
        note = f"Damaged files are left out, run the sweep again: {', '.join(damaged)}."
        table = dataclasses.replace(table, notes=(*table.notes, note))
    return Report(manifest.sweep, (table,))


def to_markdown(report: Report) -> str:
    """`report` as markdown that also reads well in a terminal: aligned, a table per direction."""
    return "\n".join(line for table in report.tables for line in _section(table))


def to_json(report: Report) -> dict[str, Any]:
    """`report` in JSON types, as architecture.md has it; accuracies in percent, null for none."""
    return {
        "schema": SCHEMA,
        "sweep": report.sweep,
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": [_plain(row) for row in table.rows],
                "notes": list(table.notes),
            }
            for table in report.tables
        ],
    }


def _teachers(store: Store, manifest: Manifest, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test accuracies of the teachers that are there, by modality."""
    return {
        modality: [
            _test_accuracy(store, place)
            for place in (f"teachers/{key}/{seed}.json" for seed in seeds)
            if store.exists(place)
        ]
        for modality, key in manifest.teachers.items()
    }


def _test_accuracy(store: Store, place: str) -> float:
    try:
        return float(json.loads(store.read_text(place))["test_accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"is no teacher's record ({error})", store.path(place)) from None


def _plain(row: TableRow) -> dict[str, Any]:
    content = dataclasses.asdict(row)
    content["delta_ci"] = list(row.delta_ci) if row.delta_ci else None
    return content


def _section(table: Table) -> Iterable[str]:
    yield f"## {table.title}"
    yield ""
    for (teacher, student), group in itertools.groupby(table.rows, lambda row: row.direction):
        yield f"**{teacher} -> {student}**"
        yield ""
        yield from _aligned(_grid(list(group), table))
        yield ""
    yield from (f"- {note}" for note in table.notes)
    yield ""


def _grid(rows: Sequence[TableRow], table: Table) -> list[list[str]]:
    """The heading and one line of text cells for each of `rows`."""
    with_p = any((row.pairs or 0) >= P_FROM for row in table.rows)
    with_paper = "paper" in table.columns
    difference = f"Δ vs {rows[0].row} [95 % CI]"
    with_group = "group" in table.columns
    with_pairing = len({row.pairing for row in table.rows if row.pairing}) > 1
    heading = [*TEXTS, "n", "Top-1 (mean ± SD)", difference, "p Holm", "last", "test-sel.", "paper"]
    lines = [heading, *(_cells(row) for row in rows)]
    shown = [with_group, True, with_pairing, True, True, True, with_p, True, True, with_paper]
    return [list(itertools.compress(line, shown)) for line in lines]


def _cells(row: TableRow) -> list[str]:
    return [
        row.group or NOTHING,
        row.row,
        row.pairing or NOTHING,
        str(row.n) if row.n == row.asked else f"{row.n}/{row.asked}",
        _number(row.mean) + ("" if row.std is None else f" ± {_number(row.std)}"),
        _difference(row),
        _p(row),
        _number(row.last),
        _number(row.test_selected),
        _number(row.paper) + (DOUBT_MARK if row.paper_note else ""),
    ]


def _number(value: float | None, sign: str = "") -> str:
    return NOTHING if value is None else f"{value:{sign}z.1f}"


def _difference(row: TableRow) -> str:
    interval = ", ".join(_number(end, "+") for end in row.delta_ci or ())
    return _number(row.delta, "+") + (f" [{interval}]" if interval else "")


def _p(row: TableRow) -> str:
    if row.p_adjusted is None or (row.pairs or 0) < P_FROM:
        return NOTHING
    return f"{row.p_adjusted:.3f}" if row.p_adjusted >= 0.001 else "<0.001"


def _aligned(grid: Sequence[Sequence[str]]) -> Iterable[str]:
    """A markdown table with columns of equal width, words to the left and numbers to the right."""
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in grid]
    widths = [max(SHORTEST, *map(len, column)) for column in zip(*escaped, strict=True)]
    justify = [str.ljust if heading in TEXTS else str.rjust for heading in grid[0]]
    rule = ["-" if heading in TEXTS else ":" for heading in grid[0]]
    rule = [end.rjust(width, "-") for end, width in zip(rule, widths, strict=True)]
    for line in (escaped[0], rule, *escaped[1:]):
        cells = [put(cell, n) for put, cell, n in zip(justify, line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |"
