"""Test scores against the option of a method whose response is drawn."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsweep.results.compute import responses
from fdsweep.results.compute.tables import TableRow
from fdsweep.results.compute.words import of_option
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    BLUE,
    DARK,
    PANEL,
    RED,
    arrows,
    by_direction,
    legend,
    score_name,
    styled,
)


@styled
def option_responses(data: SweepData) -> dict[str, Figure]:
    """Mean test score against an option with its 95 % interval, named `<option>-response`.

    A panel per direction: the rows of `responses.alike` that have data. A row whose option was
    learnt stands at the mean of what was learnt; a line shows the baseline. An option without
    three such numbers in any direction has no picture.
    """
    pictures = {}
    for option, values in responses.alike(data.manifest, data.replicates).items():
        figure = _picture(data, option, values)
        if figure is not None:
            pictures[f"{option}-response"] = figure
    return pictures


def _picture(data: SweepData, option: str, values: Mapping[str, float | str]) -> Figure | None:
    keys = {(row.row, row.direction): row.key for row in data.manifest.rows}
    learnt, panels = data.learnt, []
    for rows in by_direction(data.table.rows):
        own = {keys[row.row, row.direction]: row for row in rows if row.mean is not None}
        curve = {
            value: own[key]
            for key, value in values.items()
            if key in own and not isinstance(value, str)
        }
        if len(curve) >= responses.MIN_VALUES:
            points = [(learnt[k], own[k]) for k in values if k in own and learnt.get(k)]
            panels.append((rows[0], dict(sorted(curve.items())), points))
    if not panels:
        return None
    score, words = score_name(data.table), of_option(option)
    figure = Figure(figsize=(4.3 * len(panels) + 0.5, PANEL[1]), layout="constrained")
    figure.suptitle(
        f"Test {score} against {words.name}, {data.manifest.dataset}", x=0.01, ha="left"
    )
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, *panel, option)
        if words.ends:
            axes.set_xlim(words.ends)
        axes.set_xlabel(words.axis)
        axes.set_ylabel(f"test {score} [%]")
    legend(figure)
    return figure


def _panel(
    axes: Axes,
    baseline: TableRow,
    curve: Mapping[float, TableRow],
    learnt: Iterable[tuple[Sequence[float], TableRow]],
    option: str,
) -> None:
    values, rows = list(curve), list(curve.values())
    low, mean, high = np.array([(row.ci_low, row.mean, row.ci_high) for row in rows], dtype=float).T
    axes.plot(values, mean, color=BLUE, marker="o", markersize=4.5, label="mean over the seeds")
    axes.fill_between(
        values, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95 % CI of the mean"
    )
    if baseline.mean is not None:
        label = f"baseline: {baseline.row}"
        axes.axhline(baseline.mean, color=DARK, linewidth=1, linestyle="--", label=label)
    for found, row in learnt:
        _learnt_point(axes, found, row, option)
    sizes = sorted({row.n for row in rows})
    seeds = "-".join(map(str, (sizes[0], sizes[-1]) if len(sizes) > 1 else sizes))
    axes.set_title(f"{arrows('->'.join(baseline.direction))} (n = {seeds} seeds)")


def _learnt_point(axes: Axes, values: Sequence[float], row: TableRow, option: str) -> None:
    """A row at the mean of what was learnt: upright its 95 % CI, across their SD."""
    x, y = statistics.mean(values), float(row.mean or 0)
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    low, high = (y if end is None else end for end in (row.ci_low, row.ci_high))
    axes.errorbar(x, y, xerr=spread, yerr=[[y - low], [high - y]], fmt="D", markersize=6,
                  color=RED, markeredgecolor="black", markeredgewidth=0.8, elinewidth=1.2,
                  zorder=3, label=f"{row.row} (95 % CI; across: SD of the {option})")  # fmt: skip
