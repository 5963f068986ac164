"""What a row reaches: beside the paper's number, and by how much selection on test flatters it."""

from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.notes import DOUBT_MARK
from fdsweep.results.compute.statistics import mean_interval
from fdsweep.results.compute.tables import TO_PERCENT, Table, TableRow
from fdsweep.results.plots.style import (
    BELOW,
    DARK,
    beside,
    by_direction,
    by_line,
    direction_name,
    legend,
    look,
    mark,
    row_panels,
    signed,
    styled,
    table_title,
)
from fdsweep.results.records.manifest import Manifest

CROSS: dict[str, Any] = {
    "linestyle": "none",
    "marker": "x",
    "color": DARK,
    "markersize": 7,
    "markeredgewidth": 1.8,
}


@styled
def paper(manifest: Manifest, table: Table, replicates: pd.DataFrame) -> Figure | None:
    """The paper's number (a cross) beside ours, selected on test as the paper's is.

    Ours is the mean with its 95 % t interval; a small hollow marker is the mean selected on
    validation. `replicates` are those of `table`.

    Returns:
        None where no row has both numbers.
    """
    both = [row for row in table.rows if row.paper is not None and row.test_selected is not None]
    if not both:
        return None
    cells = by_line(manifest, replicates)
    groups = by_direction(both)
    figure, panels = row_panels(
        table_title("Paper and measured", table),
        [[_label(row) for row in rows] for rows in groups],
        share=False,
    )
    for axes, rows in zip(panels, groups, strict=True):
        for line, row in enumerate(rows):
            _against_paper(axes, line, row, cells[row.row, row.direction])
        axes.set_title(direction_name(rows[0]))
        axes.set_xlabel("test accuracy [%]")
    entries: list[Artist] = [
        mark("paper", **CROSS),
        mark("ours, selected on test like the paper's, 95 % CI", linestyle="-", linewidth=1.6),
        mark("ours, selected on validation", markersize=4.5, markerfacecolor="white"),
    ]
    if any(row.paper_note for row in both):
        entries.append(mark(f"{DOUBT_MARK} not certain, see the notes", marker=""))
    legend(figure, entries)
    return figure


@styled
def gap(manifest: Manifest, table: Table, replicates: pd.DataFrame) -> Figure | None:
    """How much selection on test gains over selection on validation, a bar per row.

    Small dots are single seeds. `replicates` are those of `table`.

    Returns:
        None where no row has both numbers.
    """
    there = [row for row in table.rows if row.gap is not None]
    if not there:
        return None
    cells = by_line(manifest, replicates)
    groups = by_direction(there)
    figure, panels = row_panels(
        table_title("Gain by selecting on test", table),
        [[_label(row) for row in rows] for rows in groups],
        share=True,
    )
    for axes, rows in zip(panels, groups, strict=True):
        for line, row in enumerate(rows):
            done = cells[row.row, row.direction].done
            seeds = TO_PERCENT * (done["test_accuracy_best"] - done["test_accuracy"]).dropna()
            own = look(row.row)
            axes.barh(line, float(row.gap or 0), height=0.5, color=own.colour, alpha=0.55,
                      label=f"_{row.row}")  # fmt: skip
            axes.scatter(seeds, [line] * len(seeds), s=9, color=DARK, alpha=0.7, linewidths=0,
                         zorder=3, clip_on=False, label="_seeds")  # fmt: skip
            beside(axes, line, signed(float(row.gap or 0)))
        axes.set_xlim(left=0)
        axes.set_title(direction_name(rows[0]))
        axes.set_xlabel("test-selected − validation-selected accuracy [points]")
    legend(figure, [Patch(color=DARK, alpha=0.4, label="mean"), mark("one seed", markersize=3)])
    return figure


def _against_paper(axes: Axes, line: int, row: TableRow, cell: Cell) -> None:
    own = look(row.row)
    plain: dict[str, Any] = {"linestyle": "none", "marker": own.marker, "color": own.colour}
    selected, mean, paper = (float(x or 0) for x in (row.test_selected, row.mean, row.paper))
    interval = mean_interval(TO_PERCENT * cell.done["test_accuracy_best"].dropna())
    if interval:
        axes.plot(interval, [line, line], color=own.colour, linewidth=1.6, label="_interval")
    axes.plot(selected, line, markersize=6.5, label=f"_{row.row}", **plain)
    axes.plot(
        mean, line + BELOW, markersize=4, markerfacecolor="white", label="_validation", **plain
    )
    axes.plot(paper, line, zorder=4, label="_paper", **CROSS)
    doubt = DOUBT_MARK if row.paper_note else ""
    beside(axes, line, f"{selected:.1f}, paper {paper:.1f}{doubt}")


def _label(row: TableRow) -> str:
    return f"{row.row}  (n = {row.n})"
