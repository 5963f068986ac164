"""Pictures of an analysis: similarity per bin and per part of the features, with the controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fdsweep.results.compute.words import of_samples
from fdsweep.results.plots.style import BLUE, DARK, GREY, ORANGE, RED, legend, styled
from fdsweep.results.records.analyses import STAGES, Analysis, Comparison, Estimate

LOOKS: Mapping[str, dict[str, Any]] = {
    "paired": {"color": BLUE, "marker": "o"},
    "shuffled": {"color": GREY, "marker": "s"},
    "permuted": {"color": ORANGE, "marker": "D"},
    "other_start": {"color": RED, "marker": "^"},
}
LINES = {"paired": "-", "shuffled": "--", "permuted": ":", "other_start": "-."}
LABELS = {
    "paired": "paired",
    "shuffled": "shuffled pairs",
    "permuted": "permuted channels",
    "other_start": "other start",
}
SHADED = ("paired", "permuted")
"""Whose intervals the spectrum shows: those of all would hide each other."""

SIZE = 4.6
"""Width of a panel in inches."""

OFFSET = 0.18
"""Between the dots of a part, in rows."""


@styled
def spectrum(analysis: Analysis) -> dict[str, Figure]:
    """`similarity-spectrum` and `similarity-bands`, a panel for each stage of the networks.

    With more than two modalities each pair has its own, `similarity-spectrum-<first>-<second>`.
    """
    pairs: dict[tuple[str, str], list[Comparison]] = {}
    for one in analysis.comparisons:
        pairs.setdefault((one.first, one.second), []).append(one)
    figures = {}
    for pair, group in pairs.items():
        end = f"-{'-'.join(pair)}" if len(pairs) > 1 else ""
        figures[f"similarity-spectrum{end}"] = _spectrum(analysis, group)
        figures[f"similarity-bands{end}"] = _bands(analysis, group)
    return figures


def _spectrum(analysis: Analysis, group: Sequence[Comparison]) -> Figure:
    figure = _figure("Similarity of the features bin by bin", analysis, group[0], 4.6, len(group))
    panels = figure.subplots(
        2, len(group), squeeze=False, sharex="col", sharey="row", height_ratios=(3, 1)
    )
    for one, upper, lower in zip(group, *panels, strict=True):
        bins = np.arange(len(one.spectrum.energy))
        upper.set_title(_stage(one, analysis))
        for kind, look in LOOKS.items():
            estimates = getattr(one.spectrum, kind)
            if estimates is None:
                continue
            mean, low, high = _arrays(estimates)
            upper.plot(bins, mean, LINES[kind], color=look["color"], label=LABELS[kind], lw=1.2)
            if kind in SHADED:
                upper.fill_between(bins, low, high, color=look["color"], alpha=0.2, linewidth=0)
            upper.plot(bins[:1], mean[:1], markersize=5, linestyle="none", clip_on=False, **look)
        upper.axhline(0, color=DARK, linewidth=0.8)
        lower.bar(bins, 100 * np.array(one.spectrum.energy), color=DARK, width=1.0)
        lower.set_yscale("log")
        lower.yaxis.set_major_formatter("{x:g}")
        lower.set_xlabel("bin (0 is DC)")
        for axes in (upper, lower):
            axes.axvspan(0.5, one.last_low_bin + 0.5, color=GREY, alpha=0.1, linewidth=0)
        _name_bands(upper, one)
    panels[0][0].set_ylabel("cosine similarity")
    panels[1][0].set_ylabel("energy [%]")
    _legend(figure, analysis)
    return figure


def _bands(analysis: Analysis, group: Sequence[Comparison]) -> Figure:
    figure = _figure("Similarity of the features by part", analysis, group[0], 3.8, len(group))
    panels = figure.subplots(1, len(group), squeeze=False, sharex=True)[0]
    for one, axes in zip(group, panels, strict=True):
        rows = np.arange(len(one.quantities), dtype=float)
        for place, (kind, look) in enumerate(LOOKS.items()):
            estimates = [getattr(part, kind) for part in one.quantities]
            if None in estimates:
                continue
            mean, low, high = _arrays(estimates)
            axes.errorbar(
                mean,
                rows + OFFSET * (place - 1.5),
                xerr=np.nan_to_num(np.stack([mean - low, high - mean])).clip(min=0),
                linestyle="none",
                markersize=5,
                markeredgecolor="black",
                markeredgewidth=0.6,
                elinewidth=1.4,
                label=LABELS[kind],
                **look,
            )
        axes.axvline(0, color=DARK, linewidth=0.8)
        axes.set_title(_stage(one, analysis))
        axes.set_yticks(
            rows, [f"{x.name}\n{100 * x.energy:.0f} % of energy" for x in one.quantities]
        )
        axes.invert_yaxis()
        axes.set_xlabel("cosine similarity")
    _legend(figure, analysis)
    return figure


def _stage(one: Comparison, analysis: Analysis) -> str:
    """The panel's stage, and whether it is that of the features that networks give."""
    return f"{one.stage}{' (distilled)' * (one.stage == STAGES[analysis.features])}"


def _figure(title: str, analysis: Analysis, one: Comparison, height: float, columns: int) -> Figure:
    words = of_samples(analysis.positions)
    figure = Figure(figsize=(SIZE * columns, height), layout="constrained")
    figure.suptitle(
        f"{title}: {one.first} and {one.second}, {analysis.dataset}\n"
        f"{len(analysis.seeds)} seeds, {one.samples:,} test {words.samples} of {one.groups} "
        f"{words.people}",
        x=0.01,
        ha="left",
    )
    return figure


def _legend(figure: Figure, analysis: Analysis) -> None:
    legend(figure)
    people = of_samples(analysis.positions).people
    figure.legends[0].set_title(
        f"intervals: 95 % over {people}; permuted channels: smallest to largest of "
        f"{analysis.orders} orders"
    )


def _name_bands(axes: Axes, one: Comparison) -> None:
    last = len(one.spectrum.energy) - 1
    for name, middle in (("low", one.last_low_bin / 2), ("high", (one.last_low_bin + last) / 2)):
        axes.annotate(name, (middle, 1), (0, -10), ("data", "axes fraction"), "offset points",
                      ha="center", color=DARK)  # fmt: skip


def _arrays(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    """Means, lower and upper ends, [3, N]; NaN for no interval."""
    return np.array([(one.mean, one.low, one.high) for one in estimates], dtype=float).T
