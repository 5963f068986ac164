"""Test accuracy against the cutoff of the frequency split."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.plots.style import BLUE, DARK, PANEL, RED, arrows, legend, styled
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.report import LEARN, without_cutoff

FEWEST_CUTOFFS = 3
"""Different numbers below which there is no curve."""


def cutoff_rows(manifest: Manifest, replicates: pd.DataFrame) -> dict[str, float | str]:
    """Key -> cutoff of the rows of `manifest` that differ in fd-cmkd's cutoff and nothing else.

    In each direction these are the rows of one configuration with at least three different
    numbers as cutoff, and with "learn"; none where no configuration, or more than one, has those.
    """
    configs = dict(zip(replicates["key"], replicates["config"], strict=True))
    alike: dict[tuple[tuple[str, str], str], dict[str, float | str]] = defaultdict(dict)
    for row in manifest.rows:
        cutoff, rest = without_cutoff(configs.get(row.key))
        if cutoff is not None:
            alike[row.direction, rest][row.key] = cutoff
    enough = [
        (direction, rows)
        for (direction, _), rows in alike.items()
        if len(set(rows.values()) - {LEARN}) >= FEWEST_CUTOFFS
    ]
    directions = [direction for direction, _ in enough]
    return {
        key: cutoff
        for direction, rows in enough
        for key, cutoff in rows.items()
        if directions.count(direction) == 1
    }


@styled
def cutoff_response(
    manifest: Manifest,
    table: Table,
    cutoffs: Mapping[str, float | str],
    learnt: Mapping[str, Sequence[float]],
) -> Figure | None:
    """Mean test accuracy against the cutoff with its 95 % interval, a panel per direction.

    `cutoffs` are those of `cutoff_rows`, `learnt` those of `report.learnt_cutoffs`, by key. A row
    whose cutoff was learnt stands at the mean of what was learnt; a line shows the baseline.

    Returns:
        None where no direction has three cutoffs with data.
    """
    keys = {(row.row, row.direction): row.key for row in manifest.rows}
    panels = []
    for _, group in itertools.groupby(table.rows, lambda row: row.direction):
        rows = list(group)
        own = {keys[row.row, row.direction]: row for row in rows if row.mean is not None}
        curve = {
            cutoff: own[key]
            for key, cutoff in cutoffs.items()
            if key in own and not isinstance(cutoff, str)
        }
        if len(curve) >= FEWEST_CUTOFFS:
            points = [(learnt[k], own[k]) for k in cutoffs if k in own and learnt.get(k)]
            panels.append((rows[0], dict(sorted(curve.items())), points))
    if not panels:
        return None
    figure = Figure(figsize=(4.3 * len(panels) + 0.5, PANEL[1]), layout="constrained")
    figure.suptitle(
        f"Test accuracy against the frequency cutoff, {manifest.dataset}", x=0.01, ha="left"
    )
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _response_panel(axes, *panel)
    legend(figure)
    return figure


def _response_panel(
    axes: Axes,
    baseline: TableRow,
    curve: Mapping[float, TableRow],
    learnt: Iterable[tuple[Sequence[float], TableRow]],
) -> None:
    cutoffs, rows = list(curve), list(curve.values())
    low, mean, high = np.array([(row.ci_low, row.mean, row.ci_high) for row in rows], dtype=float).T
    axes.plot(cutoffs, mean, color=BLUE, marker="o", markersize=4.5, label="mean over the seeds")
    axes.fill_between(
        cutoffs, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95 % CI of the mean"
    )
    if baseline.mean is not None:
        label = f"baseline: {baseline.row}"
        axes.axhline(baseline.mean, color=DARK, linewidth=1, linestyle="--", label=label)
    for values, row in learnt:
        _learnt_point(axes, values, row)
    sizes = sorted({row.n for row in rows})
    seeds = "-".join(map(str, (sizes[0], sizes[-1]) if len(sizes) > 1 else sizes))
    axes.set_title(f"{arrows('->'.join(baseline.direction))} (n = {seeds} seeds)")
    axes.set_xlim(0, 1)
    axes.set_xlabel("cutoff [share of the bins above DC]")
    axes.set_ylabel("test accuracy [%]")


def _learnt_point(axes: Axes, values: Sequence[float], row: TableRow) -> None:
    """A row at the mean of its learnt cutoffs: upright its 95 % CI, across their SD."""
    x, y = statistics.mean(values), float(row.mean or 0)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    low, high = (y if end is None else end for end in (row.ci_low, row.ci_high))
    axes.errorbar(x, y, xerr=spread, yerr=[[y - low], [high - y]], fmt="D", markersize=6,
                  color=RED, markeredgecolor="black", markeredgewidth=0.8, elinewidth=1.2,
                  zorder=3, label=f"{row.row} (95 % CI; across: SD of the cutoff)")  # fmt: skip
