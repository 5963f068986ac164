"""Confusion matrices of the baseline and of the row that gains most."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fdsweep.results.compute.predictions import confusion
from fdsweep.results.compute.tables import TO_PERCENT, Table, TableRow
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    ON_DARK,
    ON_PALE,
    by_direction,
    direction_name,
    is_control,
    signed,
    styled,
    table_title,
)
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import CLASSIFICATION

COLOURS = "Greys"
PANEL = 2.7
"""Inches."""

MAX_WRITTEN_CLASSES = 12
"""Classes beyond which cells carry no number."""

MIN_DARK_PERCENT = 55.0
"""Percent from which a cell is so dark that its text is white."""


def chosen_rows(manifest: Manifest, table: Table) -> list[tuple[str, TableRow]]:
    """With their keys: each direction's baseline, and its row of greatest Δ that is no control.

    Both may have one key, as where a search chose the default.
    """
    keys = {(row.row, row.direction): row.key for row in manifest.rows}
    chosen = []
    for baseline, *others in by_direction(table.rows):
        rows = [row for row in others if row.delta is not None and not is_control(manifest, row)]
        if rows:
            chosen += [baseline, max(rows, key=lambda row: row.delta or 0.0)]
    return [(keys[row.row, row.direction], row) for row in chosen]


@styled
def confusions(data: SweepData) -> Figure | None:
    """Which class is taken for which by each of `chosen_rows`, a direction below the other.

    A cell is the percentage of a label's test samples that get a prediction, over all done
    seeds; classes go by the numbers of their labels.

    Returns:
        None where the task knows no classes, there are no such rows, or one of them has no
        predictions.
    """
    chosen = chosen_rows(data.manifest, data.table)
    if not chosen or data.manifest.task != CLASSIFICATION:
        return None
    replicates, predictions = data.replicates, data.stored.predictions
    done = replicates.loc[replicates["status"] == "done", ["key", "seed"]]
    keys = {key for key, _ in chosen}
    shown = predictions[predictions["key"].isin(keys)].merge(done, on=["key", "seed"])
    if set(shown["key"]) != keys:
        return None
    counts = {
        (row.row, row.direction): confusion(shown[shown["key"] == key]) for key, row in chosen
    }
    groups = by_direction(row for _, row in chosen)
    size = (2 * PANEL + 1.2, PANEL * len(groups) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(table_title("Confusions", data.table), x=0.01, ha="left")
    grid = figure.subplots(len(groups), 2, squeeze=False)
    for line, group in zip(grid, groups, strict=True):
        for axes, row in zip(line, group, strict=True):
            image = _draw(axes, counts[row.row, row.direction])
            role = "baseline" if row is group[0] else f"greatest Δ {signed(row.delta or 0.0)}"
            axes.set_title(f"{direction_name(row)}, {role}\n{row.row}", size=7.5)
    figure.colorbar(image, ax=grid, label="share of the class [%]", shrink=0.6)
    return figure


def _draw(axes: Axes, counts: NDArray[np.int64]) -> ScalarMappable:
    """`counts` [C, C] of samples by label and prediction, as shares of each label."""
    sums = counts.sum(axis=1, keepdims=True)
    shares = TO_PERCENT * np.divide(counts, sums, out=np.zeros(counts.shape), where=sums > 0)
    image = axes.imshow(shares, cmap=COLOURS, vmin=0, vmax=TO_PERCENT)
    if len(shares) <= MAX_WRITTEN_CLASSES:
        for (label, prediction), share in np.ndenumerate(shares):
            axes.text(prediction, label, f"{share:.0f}", ha="center", va="center", size=6.5,
                      color=ON_DARK if share > MIN_DARK_PERCENT else ON_PALE)  # fmt: skip
        axes.set_xticks(range(len(shares)))
        axes.set_yticks(range(len(shares)))
    axes.grid(visible=False)
    axes.set_xlabel("prediction")
    axes.set_ylabel("label")
    return image
