"""Effects plot: what each switch of a crossed study adds, and what two of them add together."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsweep.results.compute.effects import Effect
from fdsweep.results.compute.words import of_metric
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    BELOW,
    BLUE,
    DARK,
    GREEN,
    PURPLE,
    ROW_HEIGHT,
    ROW_PANEL,
    Look,
    beside,
    legend,
    mark,
    signed,
    styled,
)

PANELS = {
    "main effect": "main effects",
    "Shapley value": "Shapley values",
    "interaction": "interactions",
}
"""A panel for each of these kinds, from top to bottom, and what stands above it."""

SUM = "whole gain"
"""The kind that stands below the Shapley values, which add up to it."""

LOOKS = {
    "main effect": Look(BLUE, "o"),
    "Shapley value": Look(GREEN, "D"),
    SUM: Look(DARK, "|"),
    "interaction": Look(PURPLE, "^"),
}
HEADING = 0.45
"""Inches for what stands above a panel."""


@styled
def effects(data: SweepData) -> Figure | None:
    """Main effects, Shapley values and interactions with their 95 % intervals, a line for each.

    Directions stand side by side, all on one scale. Small dots are single seeds. A marker is filled
    where the interval leaves out 0 and Holm's p is below 0.05, else hollow.

    Returns:
        None where the sweep crosses no switches, or no seed has every combination.
    """
    found = data.effects
    if found is None or not found.effects:
        return None
    directions = {
        direction: _by_panel(list(group))
        for direction, group in itertools.groupby(found.effects, lambda one: one.direction)
    }
    first = next(iter(directions.values()))
    kinds = [kind for kind in PANELS if first[kind]]
    counts = [len(first[kind]) for kind in kinds]
    figure = Figure(
        figsize=(
            ROW_PANEL * len(directions) + 2.6,
            ROW_HEIGHT * sum(counts) + HEADING * len(kinds) + 1.3,
        ),
        layout="constrained",
    )
    figure.suptitle(found.title, x=0.01, ha="left")
    panels = figure.subplots(
        len(kinds), len(directions), squeeze=False, sharex=True, height_ratios=counts
    )
    for column, (direction, by_kind) in zip(panels.T, directions.items(), strict=True):
        for axes, kind in zip(column, kinds, strict=True):
            _panel(axes, by_kind[kind], has_names=axes in panels[:, 0])
            axes.set_title(f"{' → '.join(direction)}: {PANELS[kind]}")
        column[-1].set_xlabel(f"Δ test {of_metric(found.metric).name} [points]")
    legend(figure, _entries(found.effects))
    return figure


def _by_panel(group: Sequence[Effect]) -> Mapping[str, list[Effect]]:
    """The effects of a direction by panel; the whole gain stands below the Shapley values."""
    return {
        kind: [
            one
            for one in group
            if one.kind == kind or (kind == "Shapley value" and one.kind == SUM)
        ]
        for kind in PANELS
    }


def _panel(axes: Axes, lines: Sequence[Effect], *, has_names: bool) -> None:
    axes.axvline(0, color=DARK, linewidth=1, zorder=1)
    for line, one in enumerate(lines):
        own = LOOKS[one.kind]
        axes.scatter(one.values, np.full(len(one.values), line + BELOW), s=7, color=own.colour,
                     alpha=0.6, linewidths=0, label="_seeds")  # fmt: skip
        text = signed(one.estimate)
        if one.ci:
            axes.plot(one.ci, [line, line], color=own.colour, linewidth=1.8, label="_interval")
            text += f" [{', '.join(map(signed, one.ci))}]"
        face = own.colour if one.is_decided else "white"
        axes.plot(one.estimate, line, marker=own.marker, markersize=7, color=own.colour,
                  markerfacecolor=face, markeredgewidth=1.4, linestyle="none", zorder=4,
                  label=f"_{one.name}")  # fmt: skip
        beside(axes, line, text)
    axes.set_yticks(range(len(lines)), [one.name if has_names else "" for one in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _entries(shown: Sequence[Effect]) -> list[Artist]:
    entries: list[Artist] = []
    tested = [one for one in shown if one.p_adjusted is not None]
    decided = {one.is_decided for one in tested}
    if True in decided:
        entries.append(mark("CI without 0 and p Holm < 0.05"))
    if False in decided or not tested:
        label = "not decided" if tested else "not judged"
        entries.append(mark(label, markerfacecolor="white", markeredgewidth=1.4))
    if any(one.ci for one in shown):
        entries.append(mark("95 % CI", marker="", linestyle="-", linewidth=1.8))
    return [*entries, mark("one seed", markersize=2.8)]
