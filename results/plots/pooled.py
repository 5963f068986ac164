"""Pictures of several sweeps together: gains by data set, and performance profiles."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from fdsweep.results.compute.pooled import Pooled
from fdsweep.results.compute.tables import TITLES
from fdsweep.results.compute.words import of_metric
from fdsweep.results.plots.matrix import Column, heat_map
from fdsweep.results.plots.style import DARK, legend, look, styled

BAND = 0.15
"""How opaque a band is."""

SIZE = (6.4, 4.2)
"""Inches."""


def pooled_pictures(pooled: Pooled, looks: Mapping[str, int]) -> dict[str, Figure]:
    """What can be drawn of `pooled`, by name: the heat map `matrix`, the `profiles`.

    `looks` are those of the manifests: names of rows and methods -> places.
    """
    figures = {"matrix": gains(pooled), "profiles": profiles(pooled, looks)}
    return {name: figure for name, figure in figures.items() if figure is not None}


@styled
def gains(pooled: Pooled) -> Figure | None:
    """Mean paired difference of every row to the baseline, on every data set.

    Returns:
        None where no row has one.
    """
    columns = [
        Column(
            column.dataset,
            column.direction,
            {
                name: row
                for name, row in zip(column.names, column.rows, strict=True)
                if name != pooled.baseline
            },
        )
        for column in pooled.columns
    ]
    if all(row.delta is None for column in columns for row in column.rows.values()):
        return None
    return heat_map(columns, of_metric(pooled.metric).name, TITLES[pooled.protocol])


@styled
def profiles(pooled: Pooled, looks: Mapping[str, int]) -> Figure | None:
    """Share of the runs of each row whose normalised score is above what stands below.

    0 is the mean of the baseline on the data set, 1 all right. A row above another everywhere is
    better whatever part of the runs one asks for.

    Returns:
        None where there are too few data sets for profiles.
    """
    if not pooled.profiles:
        return None
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.suptitle(
        f"Performance profiles over {len(pooled.datasets)} data sets{TITLES[pooled.protocol]}",
        x=0.01,
        ha="left",
    )
    axes = figure.add_subplot()
    axes.axvline(0, color=DARK, linewidth=1, zorder=1)
    for one in pooled.profiles:
        colour = look(one.row, looks).colour
        axes.fill_between(one.thresholds, one.low, one.high, color=colour, alpha=BAND, linewidth=0)
        axes.plot(one.thresholds, one.share, color=colour, label=one.row, drawstyle="steps-post")
    axes.set_ylim(0, 1)
    score = of_metric(pooled.metric).name
    axes.set_xlabel(f"normalised {score} (0: mean of {pooled.baseline}, 1: all right)")
    axes.set_ylabel("share of runs above")
    legend(figure)
    return figure
