"""Pictures of teacher and student in one plane, before distillation and after."""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from fdsweep.results.compute.words import of_samples
from fdsweep.results.plots.style import DARK, HUES, SHADES, arrows, legend, mark, styled
from fdsweep.results.records.analyses import STAGES, Analysis, Embedding, Panel
from fdsweep.search_spaces.palette import palette, spell

NAMED = (*HUES, *SHADES)
"""Colours of classes that a legend can name; more classes have a place in a colour map each."""

TEACHER, STUDENT = "o", "^"
PANEL = 4.2
"""Width and height of a panel in inches."""

AREA = 6000.0
"""Of all marks of a panel together, in square points, within the limits of one mark."""

SMALLEST, LARGEST = 7.0, 28.0

TITLES = {"before": "before distillation", "after": "after distillation"}


@styled
def planes(analysis: Analysis) -> dict[str, Figure]:
    """`tsne-<teacher>-to-<student>` for each direction: a panel before distillation, one after."""
    return {one.picture: _figure(one, analysis) for one in analysis.embeddings}


def colours(count: int, *, of_pixels: bool = False) -> Sequence[ColorType]:
    """One for each of `count` classes; those of label maps for classes `of_pixels`."""
    if of_pixels:
        return [spell(one) for one in palette(count)]
    if count <= len(NAMED):
        return NAMED[:count]
    return [tuple(one) for one in matplotlib.colormaps["turbo"](np.linspace(0, 1, count))]


def _figure(one: Embedding, analysis: Analysis) -> Figure:
    figure = Figure(figsize=(2 * PANEL, PANEL + 1.3), layout="constrained")
    direction = arrows(f"{one.teacher}->{one.student}")
    figure.suptitle(
        f"t-SNE of teacher's and student's features: {direction}, {analysis.dataset}\n"
        f"seed {one.seed}, {len(one.labels):,} test {of_samples(analysis.positions).samples}, "
        f"features {STAGES[analysis.features]} with mean 0 and length 1, "
        f"perplexity {one.perplexity:.3g}",
        x=0.01,
        ha="left",
    )
    hues = colours(len(analysis.classes), of_pixels=analysis.positions > 0)
    panels = figure.subplots(1, 2)
    for (when, panel), axes in zip(one.panels.items(), panels, strict=True):
        _draw(axes, panel, [hues[label] for label in one.labels])
        axes.set_title(
            f"{TITLES[when]} ({panel.method})\nsilhouette by modality {_spell(panel.by_modality)} "
            f"(in a class {_spell(panel.by_modality_within_class)}), "
            f"by class {_spell(panel.by_class)}"
        )
    names = zip(hues, analysis.classes, strict=True) if len(hues) <= len(NAMED) else ()
    legend(
        figure,
        [
            mark(f"{one.teacher} (teacher)", marker=TEACHER),
            mark(f"{one.student} (student)", marker=STUDENT),
            *(mark(name, marker="s", color=hue) for hue, name in names),
        ],
    )
    return figure


def _draw(axes: Axes, panel: Panel, hues: Sequence[ColorType]) -> None:
    size = float(np.clip(AREA / len(hues), SMALLEST, LARGEST))
    for points, marker in ((panel.teacher, TEACHER), (panel.student, STUDENT)):
        x, y = np.array(points).T
        axes.scatter(x, y, s=size, c=hues, marker=marker, alpha=0.75, linewidths=0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(DARK)
        side.set_linewidth(0.6)


def _spell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")
