"""Heat map of what each method gains on each data set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from fdsweep.results.compute.tables import TITLES, TableRow
from fdsweep.results.compute.tables.build import build_table
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import ON_DARK, ON_PALE, by_direction, score_name, signed, styled
from fdsweep.results.records.manifest import load_all

STUDY = "compare"
DIVERGING = "PuOr"
"""From brown over white to violet: told apart without red and green, and darker to both ends."""

MISSING = "#DDDDDD"
CELL = (1.05, 0.4)
"""Inches."""

MIN_DATASETS = 2
STRONG = 0.6
"""Share of the colour scale beyond which text is white."""

HOLM = 0.05


class Column(NamedTuple):
    """A data set in one direction: method -> its row of the table."""

    dataset: str
    direction: tuple[str, str]
    rows: dict[str, TableRow]


@styled
def matrix(data: SweepData) -> Figure | None:
    """Mean paired difference of every method to the baseline, on every data set of the storage.

    The sweeps are those that compare methods by the same metric and protocol as `data`. Of several
    on one data set the one with most replicates done counts; rows with other pairs than the data's
    and A/A rows do not. A cell says the difference and over how many seeds; a star says that Holm's
    p is below 0.05.

    Returns:
        None where there are not two data sets with a difference, or `data` is no comparison.
    """
    columns = _columns(data)
    if len({column.dataset for column in columns}) < MIN_DATASETS:
        return None
    return heat_map(columns, score_name(data.table), TITLES[data.manifest.protocol])


def _columns(data: SweepData) -> list[Column]:
    if data.manifest.study != STUDY:
        return []
    store, own = data.stored.store, data.manifest
    stored = {one.sweep: one for one in load_all(store)} | {own.sweep: own}
    manifests = [stored[name] for name in sorted(stored)]
    alike = (STUDY, own.metric, own.protocol)
    compared = [one for one in manifests if (one.study, one.metric, one.protocol) == alike]
    if len({one.dataset for one in compared}) < MIN_DATASETS:
        return []
    others = {row.key for one in compared if one is not own for row in one.rows}
    replicates = store.replicates(others)
    fullest: dict[str, tuple[int, list[TableRow]]] = {}
    for one in compared:
        table = data.table if one is own else build_table(one, replicates)
        rows = [row for row in table.rows if row.pairing in (None, "paired") and not row.control]
        done = sum(row.n for row in rows)
        if any(row.delta is not None for row in rows):
            fullest[one.dataset] = max(
                fullest.get(one.dataset, (0, [])), (done, rows), key=lambda found: found[0]
            )
    return [
        Column(dataset, group[0].direction, {row.row: row for row in group[1:]})
        for dataset, (_, rows) in fullest.items()
        for group in by_direction(rows)
    ]


def heat_map(columns: Sequence[Column], score: str, protocol: str) -> Figure:
    """The mean paired differences of `columns`, in points of a `score`, by row and column.

    `protocol` is what the title says of it.
    """
    methods = list(dict.fromkeys(name for column in columns for name in column.rows))
    gains = np.array(
        [[_delta(column.rows.get(name)) for column in columns] for name in methods], dtype=float
    )
    bound = max(float(np.nanmax(np.abs(gains))), np.finfo(float).eps)
    size = (CELL[0] * len(columns) + 3.2, CELL[1] * len(methods) + 1.7)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"Gain over the baseline on each data set{protocol}", x=0.01, ha="left")
    axes = figure.add_subplot()
    axes.set_facecolor(MISSING)
    image = axes.imshow(gains, cmap=DIVERGING, vmin=-bound, vmax=bound, aspect="auto")
    for place, column in enumerate(columns):
        for line, name in enumerate(methods):
            row = column.rows.get(name)
            if row is not None and row.delta is not None:
                is_strong = abs(row.delta) > STRONG * bound
                axes.text(place, line, _cell(row), ha="center", va="center", size=7.5,
                          color=ON_DARK if is_strong else ON_PALE)  # fmt: skip
        if place and column.dataset != columns[place - 1].dataset:
            axes.axvline(place - 0.5, color="white", linewidth=4)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(columns)), [_heading(column) for column in columns])
    axes.set_yticks(range(len(methods)), methods)
    axes.set_xlabel(f"n: seeds compared; *: Holm-adjusted p < {HOLM}", labelpad=8)
    figure.colorbar(image, ax=axes, label=f"Δ test {score} [points]")
    return figure


def _delta(row: TableRow | None) -> float:
    return float("nan") if row is None or row.delta is None else row.delta


def _cell(row: TableRow) -> str:
    star = "*" if row.p_adjusted is not None and row.p_adjusted < HOLM else ""
    return f"{signed(_delta(row))}{star}\nn = {row.pairs}"


def _heading(column: Column) -> str:
    teacher, student = column.direction
    return f"{column.dataset}\n{teacher} →\n{student}"
