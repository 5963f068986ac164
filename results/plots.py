"""Pictures of a sweep: its searches, and test accuracy against the cutoff of the frequency split.

Figures are made and written without pyplot and whatever a matplotlibrc says, so the same data
give the same bytes. Okabe and Ito's colours and a shape of its own for each kind of point: also
those who see no colour, or print in grey, can tell them apart.
"""

import io
import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from results import searches
from results.manifest import Manifest, load
from results.report import LEARN, learnt_cutoffs, spell_option, without_cutoff
from results.searches import COST, Dimension, Search, SearchTrial
from results.store import Store
from results.tables import TO_PERCENT, Table, TableRow, build_table
from search_spaces.configs import Option

Vectors: TypeAlias = NDArray[np.float64]

BLUE, ORANGE, RED, GREY, DARK = "#0072B2", "#E69F00", "#D55E00", "#8C8C8C", "#333333"
STYLE: dict[str, Any] = {
    "figure.dpi": 150,
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "font.size": 8.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.5,
    "axes.edgecolor": DARK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.columnspacing": 1.4,
    "legend.handletextpad": 0.5,
    "svg.hashsalt": "fdsweep",
}
COMPLETE: dict[str, Any] = {"s": 26, "color": BLUE, "edgecolors": "white", "linewidths": 0.5}
PRUNED: dict[str, Any] = {"s": 22, "facecolors": "none", "edgecolors": GREY, "linewidths": 0.9}
DEFAULT: dict[str, Any] = {"marker": "D", "s": 60, "color": ORANGE, "edgecolors": "black"}
CHOSEN: dict[str, Any] = {"marker": "*", "s": 190, "color": RED, "edgecolors": "black"}
DOTS: dict[str, Any] = {"s": 34, "edgecolors": "black", "linewidths": 0.7, "zorder": 3}
COLOURS = "cividis"
"""From dark blue to yellow, evenly in lightness too."""

PANEL = (5.8, 3.9)
"""Width and height in inches."""

FEWEST_CUTOFFS = 3
FEWEST_FOR_SURFACE = 6
"""Different points below which nothing is interpolated between them."""

FLAT = 1e-3
"""Points whose extents have a smaller ratio lie on a line."""

MARGIN = 1.3
"""Factor by which axes of weights go beyond their bounds, so that no point is cut."""

GOLDEN = 0.6180339887498949
KINDS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
"""File formats, and what they would say of time and software left out."""

styled = style.context(STYLE, after_reset=True)


def pictures(store: Store, sweep: str) -> dict[str, Figure]:
    """Everything that can be drawn of `sweep`, by name.

    Raises:
        StorageError: there is no such sweep, or it cannot be read.
    """
    manifest = load(store, sweep)
    found = searches.load(store, sweep)
    figures = drawn(found)
    replicates = store.replicates({row.key for row in manifest.rows})
    cutoffs = cutoff_rows(manifest, replicates)
    learnt = learnt_cutoffs(store, replicates)
    response = cutoff_response(manifest, build_table(manifest, replicates), cutoffs, learnt)
    return figures if response is None else {**figures, "cutoff-response": response}


def drawn(found: Sequence[Search]) -> dict[str, Figure]:
    """The pictures of searches; those of one among several are `<method>-<direction>-<name>`."""
    return {
        f"{_prefix(search)}-{name}" if len(found) > 1 else name: figure
        for search in found
        for name, figure in search_pictures(search).items()
    }


@styled
def render(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Each figure as `<name>.svg` and `<name>.png`; the same figure gives the same bytes."""
    files = {}
    for name, figure in figures.items():
        for kind, metadata in KINDS.items():
            content = io.BytesIO()
            figure.savefig(content, format=kind, metadata=metadata)
            files[f"{name}.{kind}"] = content.getvalue()
    return files


def save(store: Store, sweep: str, files: Mapping[str, bytes]) -> list[str]:
    """Write what `render` gave to `reports/<sweep>/`.

    Returns:
        The paths below the root of the storage.

    Raises:
        StorageError: they cannot be written.
    """
    for name, content in files.items():
        store.write_bytes(f"reports/{sweep}/{name}", content)
    return [f"reports/{sweep}/{name}" for name in files]


@styled
def search_pictures(search: Search) -> dict[str, Figure]:
    """The pictures of `search` for which there is something to draw, by name.

    `best-so-far`; `importance`; `slice-<parameter>` for each that varied; `contour` of a pair of
    parameters called weight_low and weight_high (`contour-<part>` where several parts of a
    composition have them); `pareto` for two objectives. Accuracies are of the first objective.
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
    _legend(figure)
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
    axes.set_title(f"{_arrows('->'.join(baseline.direction))} (n = {seeds} seeds)")
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


def _best_so_far(search: Search) -> Figure:
    figure, axes = _panel(search, "Best validation accuracy so far")
    trials = searches.by_number(search)
    sums = itertools.accumulate(trial.epochs for trial in trials)
    spent = {trial.number: float(total) for trial, total in zip(trials, sums, strict=True)}
    best = searches.best_so_far(search)
    x = [*(spent[number] for number in best), searches.epochs_trained(search)]
    y = [*best.values(), max(best.values())]
    axes.step(x, np.multiply(TO_PERCENT, y), where="post", color=DARK, label="best so far")
    _draw_trials(axes, search, spent)
    axes.set_xlabel(f"epochs trained so far, over all trials (a full trial has {search.epochs})")
    _legend(figure)
    return figure


def _importance(search: Search) -> Figure:
    figure, axes = _panel(search, "Importance of the parameters for the validation accuracy")
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
    figure, axes = _panel(search, f"Validation accuracy against {name}")
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
    _legend(figure)
    return figure


def _contour(search: Search, low: Dimension, high: Dimension) -> Figure:
    figure, axes = _panel(search, "Validation accuracy over weight_low and weight_high")
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
    accuracies = TO_PERCENT * np.array([trial.values[0] for trial in complete])
    scale: dict[str, Any] = {"cmap": COLOURS, "vmin": accuracies.min(), "vmax": accuracies.max()}
    _surface(axes, np.log10(at), accuracies, scale)
    look = DOTS | scale
    dots = axes.scatter(at[:, 0], at[:, 1], c=accuracies, label="complete", **look)
    if pruned:
        look = PRUNED | {"facecolors": "white"}
        axes.scatter(*np.array(pruned).T, label="pruned", zorder=2, **look)
    _mark(axes, search, points)
    axes.set_xlim(*_limits(low))
    axes.set_ylim(*_limits(high))
    axes.set_xlabel(low.name)
    axes.set_ylabel(high.name)
    figure.colorbar(dots, ax=axes, label=_label(search.objectives[0]))
    _legend(figure)
    return figure


def _surface(axes: Axes, at: Vectors, accuracies: Vectors, scale: Mapping[str, Any]) -> None:
    """Accuracies [N], interpolated linearly between the points `at` [N, 2], in decades."""
    places, index = np.unique(at, axis=0, return_inverse=True)
    means = np.bincount(index, accuracies) / np.bincount(index)
    extents = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    if len(places) < FEWEST_FOR_SURFACE or extents[-1] < FLAT * extents[0]:
        return
    levels = MaxNLocator(10).tick_values(means.min(), means.max())
    decades = axes.transLimits + axes.transAxes
    axes.tricontourf(
        places[:, 0], places[:, 1], means, levels=list(levels), transform=decades, **scale
    )


def _pareto(search: Search) -> Figure:
    first, second = search.objectives
    other = "against its cost in time" if second == COST else "in both directions"
    figure, axes = _panel(search, f"Validation accuracy {other}")
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
    _legend(figure)
    return figure


def _panel(search: Search, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=PANEL, layout="constrained")
    axes = figure.add_subplot()
    axes.annotate(title, (0, 1), (0, 32), "axes fraction", "offset points", size=10, weight="bold")
    directions = " and ".join(map(_arrows, search.directions))
    count = len(search.seeds)
    seeds = f"mean of {count} tuning seeds" if count > 1 else "1 tuning seed"
    axes.set_title(
        f"{search.method}, {directions}\n{search.dataset}, space {search.space}, {seeds}"
    )
    return figure, axes


def _draw_trials(axes: Axes, search: Search, places: Mapping[int, float]) -> None:
    """The accuracy of trials at their `places` on the x axis: number -> place."""
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
    """Complete and pruned trials that have an accuracy and the parameters `names`."""
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
    name, _, direction = objective.partition(" ")
    return f"validation {name} [%]\n{_arrows(direction)}".strip()


def _shown_value(objective: str, value: float) -> float:
    return value if objective == COST else value * TO_PERCENT


def _number(option: Option) -> float:
    if not isinstance(option, int | float):
        raise TypeError(f"{option!r} is no number")
    return float(option)


def _jitter(number: int) -> float:
    """An offset within ±0.25 that differs for neighbouring trials, and is always the same."""
    return number * GOLDEN % 1 * 0.5 - 0.25


def _arrows(text: str) -> str:
    return text.replace("->", " → ")


def _prefix(search: Search) -> str:
    directions = "-and-".join(search.directions).replace("->", "-to-")
    return f"{search.method}-{directions}"


def _legend(figure: Figure) -> None:
    """One entry for each thing that is drawn, below the panels."""
    entries = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=5)
