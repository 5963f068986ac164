"""What a row reaches: beside the paper's number, and by how much selection on test flatters it."""

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.notes import DOUBT_MARK
from fdsweep.results.compute.provenance.setting import INCOMPARABLE_MARK
from fdsweep.results.compute.statistics import mean_interval
from fdsweep.results.compute.tables import TO_PERCENT, TableRow
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    BELOW,
    DARK,
    GREY,
    Look,
    beside,
    by_direction,
    direction_name,
    legend,
    look,
    mark,
    row_panels,
    score_name,
    signed,
    styled,
    table_title,
)

CROSS: dict[str, Any] = {
    "linestyle": "none",
    "marker": "x",
    "color": DARK,
    "markersize": 7,
    "markeredgewidth": 1.8,
}
INCOMPARABLE = CROSS | {"color": GREY}


@styled
def paper(data: SweepData) -> Figure | None:
    """The paper's number (a cross) beside ours, selected on test as the paper's is.

    Ours is the mean with its 95 % t interval; a small hollow marker is the mean selected on
    validation. The cross is grey where the task is not the paper's.

    Returns:
        None where no row has both numbers.
    """
    rows = data.table.rows
    both = [row for row in rows if row.paper is not None and row.test_selected is not None]
    if not both:
        return None
    validates = data.manifest.protocol == "ours"
    unit = f"test {score_name(data.table)} [%]"
    figure, panels = _panels(data, both, "Paper and measured", unit, share=False)
    for axes, group in panels:
        for line, row in enumerate(group):
            own = look(row.row, data.manifest.looks)
            _against_paper(axes, line, row, data.cells[row.row, row.direction], own)
            if validates:
                _on_validation(axes, line, row, own)
    entries: list[Artist] = []
    if any(row.is_comparable for row in both):
        entries.append(mark("paper", **CROSS))
    if not all(row.is_comparable for row in both):
        entries.append(mark(f"paper, {INCOMPARABLE_MARK} of another task", **INCOMPARABLE))
    entries.append(mark("ours, selected on test, 95 % CI", linestyle="-", linewidth=1.6))
    if validates:
        entries.append(
            mark("ours, selected on validation", markersize=4.5, markerfacecolor="white")
        )
    if any(row.paper_note for row in both):
        entries.append(mark(f"{DOUBT_MARK} not certain, see the notes", marker=""))
    legend(figure, entries)
    return figure


@styled
def gap(data: SweepData) -> Figure | None:
    """How much selection on test gains over selection on validation, a bar per row.

    Small dots are single seeds.

    Returns:
        None where no row has both numbers.
    """
    unit = f"test-selected − validation-selected {score_name(data.table)} [points]"
    there = [row for row in data.table.rows if row.gap is not None]
    if not there:
        return None
    figure, panels = _panels(data, there, "Gain by selecting on test", unit, share=True)
    for axes, group in panels:
        for line, row in enumerate(group):
            done = data.cells[row.row, row.direction].done
            seeds = TO_PERCENT * (done["test_score_best"] - done["test_score"]).dropna()
            own = look(row.row, data.manifest.looks)
            axes.barh(line, float(row.gap or 0), height=0.5, color=own.colour, alpha=0.55,
                      label=f"_{row.row}")  # fmt: skip
            axes.scatter(seeds, [line] * len(seeds), s=9, color=DARK, alpha=0.7, linewidths=0,
                         zorder=3, clip_on=False, label="_seeds")  # fmt: skip
            beside(axes, line, signed(float(row.gap or 0)))
    panels[0][0].set_xlim(left=0)  # all panels share it, so it waits until all is drawn
    legend(figure, [Patch(color=DARK, alpha=0.4, label="mean"), mark("one seed", markersize=3)])
    return figure


def _panels(
    data: SweepData, rows: Sequence[TableRow], what: str, unit: str, *, share: bool
) -> tuple[Figure, list[tuple[Axes, list[TableRow]]]]:
    """A figure with a line for each of `rows`, and each direction's panel with its rows."""
    groups = by_direction(rows)
    labels = [[f"{row.row}  (n = {row.n})" for row in group] for group in groups]
    figure, panels = row_panels(table_title(what, data.table), labels, share=share)
    for axes, group in zip(panels, groups, strict=True):
        axes.set_title(direction_name(group[0]))
        axes.set_xlabel(unit)
    return figure, list(zip(panels, groups, strict=True))


def _against_paper(axes: Axes, line: int, row: TableRow, cell: Cell, own: Look) -> None:
    plain: dict[str, Any] = {"linestyle": "none", "marker": own.marker, "color": own.colour}
    selected, paper = float(row.test_selected or 0), float(row.paper or 0)
    interval = mean_interval(TO_PERCENT * cell.done["test_score_best"].dropna())
    if interval:
        axes.plot(interval, [line, line], color=own.colour, linewidth=1.6, label="_interval")
    axes.plot(selected, line, markersize=6.5, label=f"_{row.row}", **plain)
    cross = CROSS if row.is_comparable else INCOMPARABLE
    axes.plot(paper, line, zorder=4, label="_paper", **cross)
    beside(axes, line, f"{selected:.1f}, paper {paper:.1f}{row.paper_marks}")


def _on_validation(axes: Axes, line: int, row: TableRow, own: Look) -> None:
    axes.plot(float(row.mean or 0), line + BELOW, linestyle="none", marker=own.marker, markersize=4,
              color=own.colour, markerfacecolor="white", label="_validation")  # fmt: skip
