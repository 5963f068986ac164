"""Forest plot: what each row gains over the baseline, and whether that is real."""

from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.tables import TO_PERCENT, Table, TableRow
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    BELOW,
    DARK,
    GREY,
    PALE,
    Look,
    beside,
    by_direction,
    direction_name,
    is_control,
    legend,
    look,
    mark,
    row_panels,
    score_name,
    signed,
    styled,
    table_title,
)
from fdsweep.results.records.manifest import Manifest

DECIDED = ("improves", "worse")
NOISE: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": "#B5B5B5",
    "hatch": "/////",
    "linewidth": 0,
}


@styled
def forest(data: SweepData) -> Figure | None:
    """Mean paired difference to the baseline with its 95 % interval, a line per row.

    Small dots are the differences of single seeds, the pale band is the margin of equivalence and
    the hatched one the noise floor of the direction's A/A row. The marker is filled where the row
    improves or is worse, else hollow; controls are grey. Where nothing is judged, no band is drawn.

    Returns:
        None where no row has a seed in common with its baseline.
    """
    manifest, table = data.manifest, data.table
    if all(row.delta is None for row in table.rows):
        return None
    groups = [group for group in by_direction(table.rows) if len(group) > 1]
    figure, panels = row_panels(
        table_title("Gain over the baseline", table),
        [[_label(row) for row in group[1:]] for group in groups],
        share=True,
    )
    for axes, (baseline, *rows) in zip(panels, groups, strict=True):
        if table.protocol == "ours":
            axes.axvspan(-table.margin, table.margin, color=PALE, zorder=0, linewidth=0)
        floor = next((row.noise_floor for row in rows if row.noise_floor is not None), None)
        if floor is not None:
            axes.axvspan(-floor, floor, zorder=0.5, **NOISE)
        axes.axvline(0, color=DARK, linewidth=1, zorder=1)
        for line, row in enumerate(rows):
            own = look(row.row, manifest.looks)
            if is_control(manifest, row):
                own = Look(GREY, own.marker)
            pair = (data.cells[one.row, one.direction] for one in (row, baseline))
            _draw(axes, line, row, differences(*pair), own)
        axes.set_title(direction_name(baseline))
        axes.set_xlabel(f"Δ test {score_name(table)} against {baseline.row} [points]")
    legend(figure, _entries(manifest, table))
    return figure


def differences(cell: Cell, baseline: Cell) -> NDArray[np.float64]:
    """Test score of `cell` minus that of `baseline` for each seed both have, in points."""
    gained = (cell.done["test_score"] - baseline.done["test_score"]).dropna()
    return TO_PERCENT * gained.to_numpy(dtype=float)


def _draw(axes: Axes, line: int, row: TableRow, seeds: NDArray[np.float64], own: Look) -> None:
    if row.delta is None:
        beside(axes, line, "no seed in common")
        return
    axes.scatter(seeds, np.full(len(seeds), line + BELOW), s=7, color=own.colour, alpha=0.6,
                 linewidths=0, label="_seeds")  # fmt: skip
    text = signed(row.delta)
    if row.delta_ci:
        low, high = row.delta_ci
        axes.plot(row.delta_ci, [line, line], color=own.colour, linewidth=1.8, label="_interval")
        text += f" [{signed(low)}, {signed(high)}]"
    face = own.colour if row.verdict in DECIDED else "white"
    axes.plot(row.delta, line, marker=own.marker, markersize=7, color=own.colour,
              markerfacecolor=face, markeredgewidth=1.4, linestyle="none", zorder=4,
              label=f"_{row.row}")  # fmt: skip
    beside(axes, line, text)


def _label(row: TableRow) -> str:
    """The row's name and how many seeds it shares with the baseline, of how many asked."""
    of = f" of {row.asked}" if row.pairs != row.asked else ""
    return f"{row.row}  (n = {row.pairs or 0}{of})"


def _entries(manifest: Manifest, table: Table) -> list[Artist]:
    compared = [row for row in table.rows if row.delta is not None]
    decided = {row.verdict in DECIDED for row in compared if not row.control}
    entries: list[Artist] = []
    if True in decided:
        entries.append(mark("improves or worse"))
    if False in decided:
        word = "equivalent or inconclusive" if table.protocol == "ours" else "not judged"
        entries.append(mark(word, markerfacecolor="white", markeredgewidth=1.4))
    if any(is_control(manifest, row) for row in compared):
        entries.append(mark("control", color=GREY, markerfacecolor="white", markeredgewidth=1.4))
    if any(row.delta_ci for row in compared):
        entries.append(mark("95 % CI", marker="", linestyle="-", linewidth=1.8))
    entries.append(mark("one seed", markersize=2.8))
    if table.protocol == "ours":
        entries.append(Patch(color=PALE, label=f"within ±{table.margin:g} points"))
    if any(row.noise_floor is not None for row in compared):
        entries.append(Patch(label="noise floor (A/A)", **NOISE))
    return entries
