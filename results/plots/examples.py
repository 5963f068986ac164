"""What networks make of the first test images, beside the truth, where their task draws it."""

import base64
import io

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from fdsweep.results.compute.tables import TableRow
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import (
    DARK,
    LEGEND_COLUMNS,
    by_direction,
    direction_name,
    legend,
    styled,
    table_title,
)
from fdsweep.search_spaces.palette import VOID, palette, spell

WIDTH = 2.4
"""Inches that a picture is wide."""

NAMES, TOP, LEGEND_LINE = 1.5, 0.75, 0.19
"""Inches left of the pictures, above them, and of a line of the legend."""

PICTURE = "picture"
"""The column of `predictions/`."""


@styled
def examples(data: SweepData) -> dict[str, Figure]:
    """Pictures of the first test images by every row: `examples-<teacher>-to-<student>`.

    A line for each row, the baseline's first, a column for each image; they are those of the lowest
    seed that has some, in rows that are done. Empty where the task draws none.
    """
    stored = data.stored.predictions
    if PICTURE not in stored or stored[PICTURE].isna().all():
        return {}
    done = data.replicates.loc[data.replicates["status"] == "done", ["key", "seed"]]
    drawn = stored[stored[PICTURE].notna()].merge(done, on=["key", "seed"])
    drawn = drawn[drawn["seed"] == drawn["seed"].min()]
    figures = {}
    for group in by_direction(data.table.rows):
        shown = {
            row.row: _by_image(drawn[drawn["key"] == data.cells[row.row, row.direction].row.key])
            for row in group
        }
        shown = {name: pictures for name, pictures in shown.items() if pictures}
        if shown:
            name = "examples-" + "-to-".join(group[0].direction)
            figures[name] = _picture(data, group[0], int(drawn["seed"].iloc[0]), shown)
    return figures


def _by_image(rows: pd.DataFrame) -> dict[str, NDArray[np.uint8]]:
    """The picture [H, W, 3] of each image."""
    return {
        str(sample): np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))
        for sample, text in zip(rows["sample_id"], rows[PICTURE], strict=True)
    }


def _picture(
    data: SweepData, row: TableRow, seed: int, shown: dict[str, dict[str, NDArray[np.uint8]]]
) -> Figure:
    images = list(dict.fromkeys(image for pictures in shown.values() for image in pictures))
    height, width = next(iter(next(iter(shown.values())).values())).shape[:2]
    names = data.manifest.class_names
    entries = -(-(len(names) + 1) // LEGEND_COLUMNS) if names else 0
    line = WIDTH * height / width + 0.06
    size = NAMES + WIDTH * len(images), TOP + line * len(shown) + LEGEND_LINE * entries + 0.3
    figure = Figure(figsize=size, layout="constrained")
    title = table_title(f"Input, truth and prediction, seed {seed}", data.table)
    figure.suptitle(f"{title}\n{direction_name(row)}", x=0.01, ha="left")
    grid = figure.subplots(len(shown), len(images), squeeze=False)
    for panels, (name, pictures) in zip(grid, shown.items(), strict=True):
        for axes, image in zip(panels, images, strict=True):
            axes.set_axis_off()
            if image in pictures:
                axes.imshow(pictures[image], interpolation="nearest")
        panels[0].annotate(name, (0, 0.5), (-6, 0), "axes fraction", "offset points",
                           ha="right", va="center", color=DARK)  # fmt: skip
    for axes, image in zip(grid[0], images, strict=True):
        axes.set_title(image, size=7.5)
    if names:
        colours = [*zip(names, palette(len(names)), strict=True), ("no class", VOID)]
        legend(figure, [Patch(color=spell(colour), label=name) for name, colour in colours])
    return figure
