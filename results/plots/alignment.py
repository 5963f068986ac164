"""How alike all networks of an analysis are, every two of them in a cell."""

import numpy as np
from matplotlib.figure import Figure

from fdsweep.results.compute.words import of_samples
from fdsweep.results.plots.style import styled
from fdsweep.results.records.analyses import STAGES, Analysis

CELL = 0.5
"""Inches that a cell is wide and high."""

DARK_FROM = 0.6
"""Where numbers are written in white."""


@styled
def alignment(analysis: Analysis) -> dict[str, Figure]:
    """`similarity-networks`, where the analysis has such a matrix."""
    found = analysis.matrix
    if found is None:
        return {}
    names, values = found.networks, np.array(found.values, dtype=float)
    figure = Figure(
        figsize=(CELL * len(names) + 3.4, CELL * len(names) + 2.2), layout="constrained"
    )
    words = of_samples(analysis.positions)
    figure.suptitle(
        f"Similarity of all networks: {analysis.dataset}\nseed {found.seed}, "
        f"{found.samples:,} test {words.samples}, features {STAGES[analysis.features]}",
        x=0.01,
        ha="left",
    )
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
    for line, own in enumerate(values):
        for place, value in enumerate(own):
            if np.isfinite(value):
                colour = "white" if value > DARK_FROM else "black"
                axes.text(
                    place, line, f"{value:.2f}", ha="center", va="center", size=7, color=colour
                )
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(names)), [str(number) for number in range(1, len(names) + 1)])
    axes.set_yticks(range(len(names)), [f"{name}  {n}" for n, name in enumerate(names, 1)])
    figure.colorbar(image, ax=axes, label="centred kernel alignment", shrink=0.8)
    return {"similarity-networks": figure}
