"""Pictures of a search: what it found, when, and which parameters mattered."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fdsweep.results.compute.tables import TO_PERCENT
from fdsweep.results.compute.words import of_metric
from fdsweep.results.formats.sections.search import spell_option
from fdsweep.results.plots.style import BLUE, DARK, GREY, ORANGE, PANEL, RED, arrows, legend, styled
from fdsweep.results.records import searches
from fdsweep.results.records.searches import COST, Dimension, Search, SearchTrial
from fdsweep.search_spaces.configs import Option

Vectors: TypeAlias = NDArray[np.float64]

COMPLETE: dict[str, Any] = {"s": 26, "color": BLUE, "edgecolors": "white", "linewidths": 0.5}
PRUNED: dict[str, Any] = {"s": 22, "facecolors": "none", "edgecolors": GREY, "linewidths": 0.9}
DEFAULT: dict[str, Any] = {"marker": "D", "s": 60, "color": ORANGE, "edgecolors": "black"}
CHOSEN: dict[str, Any] = {"marker": "*", "s": 190, "color": RED, "edgecolors": "black"}
DOTS: dict[str, Any] = {"s": 34, "edgecolors": "black", "linewidths": 0.7, "zorder": 3}
COLOURS = "cividis"
"""From dark blue to yellow, evenly in lightness too."""

MIN_TRIALS_FOR_SURFACE = 6
"""Different points below which nothing is interpolated between them."""

FLAT = 1e-3
"""Points whose extents have a smaller ratio lie on a line."""

MARGIN = 1.3
"""Factor by which axes of weights go beyond their bounds, so that no point is cut."""

GOLDEN = 0.6180339887498949


def drawn(found: Sequence[Search]) -> dict[str, Figure]:
    """The pictures of searches; those of one among several are `<method>-<direction>-<name>`."""
    return {
        f"{_prefix(search)}-{name}" if len(found) > 1 else name: figure
        for search in found
        for name, figure in search_pictures(search).items()
    }


@styled
def search_pictures(search: Search) -> dict[str, Figure]:
    """The pictures of `search` for which there is something to draw, by name.

    `best-so-far`; `importance`; `slice-<parameter>` for each that varied; `contour` of a pair of
    parameters called weight_low and weight_high (`contour-<part>` where several parts of a
    composition have them); `pareto` for two objectives. Scores are of the first objective.
    """
    figures: dict[str, Figure] = {}
    if searches.best_so_far(search) and searches.epochs_trained(search):
        figures["best-so-far"] = _best_so_far(search)
    if search.importances:
        figures["importance"] = _importance(search)
    for dimension in search.dimensions:
        if len({trial.params[dimension.name] for trial in _shown(search, dimension.name)}) > 1:
            figures[f"slice-{dimension.name}"] = _slice(search, dimension)
    pairs = _weight_pairs(search)
    for part, (low, high) in pairs.items():
        figures["contour" if len(pairs) == 1 else f"contour-{part}"] = _contour(search, low, high)
    if len(search.objectives) == 2 and searches.best_so_far(search):
        figures["pareto"] = _pareto(search)
    return figures


def _best_so_far(search: Search) -> Figure:
    figure, axes = _panel(search, f"Best validation {_score(search)} so far")
    trials = searches.by_number(search)
    sums = itertools.accumulate(trial.epochs for trial in trials)
    spent = {trial.number: float(total) for trial, total in zip(trials, sums, strict=True)}
    best = searches.best_so_far(search)
    x = [*(spent[number] for number in best), searches.epochs_trained(search)]
    y = [*best.values(), max(best.values())]
    axes.step(x, np.multiply(TO_PERCENT, y), where="post", color=DARK, label="best so far")
    _draw_trials(axes, search, spent)
    axes.set_xlabel(f"epochs trained so far, over all trials (a full trial has {search.epochs})")
    legend(figure)
    return figure


def _importance(search: Search) -> Figure:
    figure, axes = _panel(
        search, f"Importance of the parameters for the validation {_score(search)}"
    )
    ranked = sorted(search.importances.items(), key=lambda item: (item[1], item[0]))
    figure.set_figheight(1.5 + 0.33 * len(ranked))
    names, shares = [name for name, _ in ranked], [share for _, share in ranked]
    bars = axes.barh(names, shares, color=BLUE, height=0.6)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.margins(x=0.12)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"importance {searches.compared_at(search)} [share of 1]")
    return figure


def _slice(search: Search, dimension: Dimension) -> Figure:
    name, choices = dimension.name, list(dimension.choices)
    figure, axes = _panel(search, f"Validation {_score(search)} against {name}")
    values = {trial.number: trial.params[name] for trial in _shown(search, name)}
    if choices:
        places = {number: choices.index(x) + _jitter(number) for number, x in values.items()}
        axes.set_xticks(range(len(choices)), [spell_option(choice) for choice in choices])
        axes.set_xlim(-0.5, len(choices) - 0.5)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(f"{name} (points of a choice are spread sideways)")
    else:
        places = {number: _number(x) for number, x in values.items()}
        axes.set_xscale("log" if dimension.log else "linear")
        axes.set_xlabel(name)
    _draw_trials(axes, search, places)
    legend(figure)
    return figure


def _contour(search: Search, low: Dimension, high: Dimension) -> Figure:
    figure, axes = _panel(search, f"Validation {_score(search)} over weight_low and weight_high")
    axes.set_xscale("log")
    axes.set_yscale("log")
    shown = _shown(search, low.name, high.name)
    points = {
        trial.number: (_number(trial.params[low.name]), _number(trial.params[high.name]))
        for trial in shown
    }
    complete = [trial for trial in shown if trial.values]
    pruned = [points[trial.number] for trial in shown if not trial.values]
    at = np.array([points[trial.number] for trial in complete])
    scores = TO_PERCENT * np.array([trial.values[0] for trial in complete])
    scale: dict[str, Any] = {"cmap": COLOURS, "vmin": scores.min(), "vmax": scores.max()}
    _surface(axes, np.log10(at), scores, scale)
    look = DOTS | scale
    dots = axes.scatter(at[:, 0], at[:, 1], c=scores, label="complete", **look)
    if pruned:
        look = PRUNED | {"facecolors": "white"}
        axes.scatter(*np.array(pruned).T, label="pruned", zorder=2, **look)
    _mark(axes, search, points)
    axes.set_xlim(*_limits(low))
    axes.set_ylim(*_limits(high))
    axes.set_xlabel(low.name)
    axes.set_ylabel(high.name)
    figure.colorbar(dots, ax=axes, label=_label(search.objectives[0]))
    legend(figure)
    return figure


def _surface(axes: Axes, at: Vectors, scores: Vectors, scale: Mapping[str, Any]) -> None:
    """Scores [N], interpolated linearly between the points `at` [N, 2], in decades."""
    places, index = np.unique(at, axis=0, return_inverse=True)
    means = np.bincount(index, scores) / np.bincount(index)
    extents = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    if len(places) < MIN_TRIALS_FOR_SURFACE or extents[-1] < FLAT * extents[0]:
        return
    levels = MaxNLocator(10).tick_values(means.min(), means.max())
    decades = axes.transLimits + axes.transAxes
    axes.tricontourf(
        places[:, 0], places[:, 1], means, levels=list(levels), transform=decades, **scale
    )


def _pareto(search: Search) -> Figure:
    first, second = search.objectives
    other = "against its cost in time" if second == COST else "in both directions"
    figure, axes = _panel(search, f"Validation {_score(search)} {other}")
    points = {
        trial.number: (_shown_value(second, trial.values[1]), _shown_value(first, trial.values[0]))
        for trial in searches.by_number(search)
        if trial.values
    }
    front = sorted(points[number] for number in search.front if number in points)
    rest = [point for number, point in points.items() if number not in search.front]
    if rest:
        axes.scatter(*np.array(rest).T, label="not on the front", zorder=2, **PRUNED)
    if front:
        x, y = np.array(front).T
        side: Literal["post", "pre"] = "post" if second == COST else "pre"
        axes.step(x, y, where=side, color=DARK, linewidth=1, zorder=1)
        axes.scatter(x, y, label="Pareto front", zorder=2, **COMPLETE)
    _mark(axes, search, points)
    axes.set_xlabel(_label(second))
    axes.set_ylabel(_label(first))
    legend(figure)
    return figure


def _panel(search: Search, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=PANEL, layout="constrained")
    axes = figure.add_subplot()
    axes.annotate(title, (0, 1), (0, 32), "axes fraction", "offset points", size=10, weight="bold")
    directions = " and ".join(map(arrows, search.directions))
    count = len(search.seeds)
    seeds = f"mean of {count} tuning seeds" if count > 1 else "1 tuning seed"
    axes.set_title(
        f"{search.method}, {directions}\n{search.dataset}, space {search.space}, {seeds}"
    )
    return figure, axes


def _draw_trials(axes: Axes, search: Search, places: Mapping[int, float]) -> None:
    """The score of trials at their `places` on the x axis: number -> place."""
    axes.set_ylabel(_label(search.objectives[0]))
    shown = [trial for trial in _shown(search) if trial.number in places]
    points = {trial.number: (places[trial.number], TO_PERCENT * _reached(trial)) for trial in shown}
    pruned = [points[trial.number] for trial in shown if not trial.values]
    complete = [points[trial.number] for trial in shown if trial.values]
    if pruned:
        axes.scatter(*np.array(pruned).T, label="pruned (where it ended)", zorder=2, **PRUNED)
    if complete:
        axes.scatter(*np.array(complete).T, label="complete", zorder=2, **COMPLETE)
    _mark(axes, search, points)


def _mark(axes: Axes, search: Search, points: Mapping[int, tuple[float, float]]) -> None:
    """Mark the default and the chosen trial, where these have one of the `points`."""
    default, chosen = searches.default_trial(search), searches.find(search, search.chosen)
    marks = [("default", DEFAULT, default), ("chosen", CHOSEN, chosen)]
    if default is chosen:
        marks = [("default, chosen", CHOSEN, chosen)]
    for label, look, trial in marks:
        if trial is not None and trial.number in points:
            axes.scatter(*points[trial.number], label=label, linewidths=0.8, zorder=4, **look)


def _shown(search: Search, *names: str) -> list[SearchTrial]:
    """Complete and pruned trials that have a score and the parameters `names`."""
    return [
        trial
        for trial in searches.by_number(search)
        if trial.values or (trial.state == "pruned" and trial.reached is not None)
        if all(name in trial.params for name in names)
    ]


def _reached(trial: SearchTrial) -> float:
    return trial.values[0] if trial.values else float(trial.reached or 0)


def _weight_pairs(search: Search) -> dict[str, tuple[Dimension, Dimension]]:
    """Part of a composition, empty for a plain method -> its weight_low and weight_high.

    Both are ranges of positive numbers, and a complete trial has both.
    """
    ranges = {dimension.name: dimension for dimension in search.dimensions if dimension.low}
    pairs = {}
    for name, low in ranges.items():
        part, dot, option = name.rpartition(".")
        high = ranges.get(f"{part}{dot}weight_high")
        if option != "weight_low" or high is None:
            continue
        if any(trial.values for trial in _shown(search, name, high.name)):
            pairs[part] = low, high
    return pairs


def _limits(dimension: Dimension) -> tuple[float, float]:
    return float(dimension.low or 0) / MARGIN, float(dimension.high or 0) * MARGIN


def _label(objective: str) -> str:
    if objective == COST:
        return "training time per epoch [s]"
    metric, _, direction = objective.partition(" ")
    return f"validation {of_metric(metric).name} [%]\n{arrows(direction)}".strip()


def _score(search: Search) -> str:
    return of_metric(searches.metric(search)).name


def _shown_value(objective: str, value: float) -> float:
    return value if objective == COST else value * TO_PERCENT


def _number(option: Option) -> float:
    if not isinstance(option, int | float):
        raise TypeError(f"{option!r} is no number")
    return float(option)


def _jitter(number: int) -> float:
    """An offset within ±0.25 that differs for neighbouring trials, and is always the same."""
    return number * GOLDEN % 1 * 0.5 - 0.25


def _prefix(search: Search) -> str:
    directions = "-and-".join(search.directions).replace("->", "-to-")
    return f"{search.method}-{directions}"
