"""Learning curves: a panel per row, validation above test."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from fdsweep.results.compute.tables import TITLES, TO_PERCENT
from fdsweep.results.document import SweepData
from fdsweep.results.plots.style import DARK, GREY, Look, look, mark, styled
from fdsweep.results.records.manifest import Manifest, ManifestRow

SPLITS = {"val": "validation", "test": "test"}
COLUMNS = 4
WIDTH, HEIGHT = 2.15, 1.25
"""Inches of a panel."""

NARROWEST = 6.4
EARLY = 0.2
"""Share of the epochs for whose sake no axis is stretched."""

PAD = 0.04
"""Share of an axis left free beyond what is drawn."""

LEFT, RIGHT, TOP, BOTTOM, BETWEEN, BLOCKS = 0.6, 0.15, 0.85, 0.1, 0.1, 0.85
"""Inches around the panels, between validation and test, and between rows of panels."""


@styled
def learning_curves(data: SweepData) -> dict[str, Figure]:
    """The score per epoch, a picture per direction, named `curves-<teacher>-to-<student>`.

    Each row has a panel for validation and one for test (for test alone where no validation split
    is held out): the mean over the done seeds, a band
    from the lowest to the highest seed, and where the mean selected epoch lies. The baseline's
    mean is drawn behind the others. A direction without curves has no picture.
    """
    manifest, replicates = data.manifest, data.replicates
    done = replicates[replicates["status"] == "done"]
    bands = _bands(done, data.stored.curves, manifest.metric)
    selected = {
        str(key): (float(epochs.mean()), len(epochs))
        for key, epochs in done.groupby("key")["best_epoch"]
    }
    figures = {}
    for direction in dict.fromkeys(row.direction for row in manifest.rows):
        own = [row for row in manifest.rows if row.direction == direction]
        rows = [row for row in own if any((row.key, split) in bands for split in SPLITS)]
        if rows:
            figures["curves-" + "-to-".join(direction)] = _picture(
                manifest, rows, own[0], bands, selected
            )
    return figures


def _bands(
    done: pd.DataFrame, curves: pd.DataFrame, metric: str
) -> dict[tuple[str, str], pd.DataFrame]:
    """(key, split) -> mean, min and max over the `done` seeds in percent, by epoch."""
    shown = curves[(curves["metric"] == metric) & curves["split"].isin(list(SPLITS))]
    shown = shown.merge(done[["key", "seed"]], on=["key", "seed"])
    spread = shown.groupby(["key", "split", "epoch"])["value"].agg(["mean", "min", "max"])
    spread *= TO_PERCENT
    return {
        (str(key), str(split)): own.reset_index().set_index("epoch")[["mean", "min", "max"]]
        for (key, split), own in spread.groupby(level=["key", "split"])
    }


def _picture(
    manifest: Manifest,
    rows: Sequence[ManifestRow],
    baseline: ManifestRow,
    bands: Mapping[tuple[str, str], pd.DataFrame],
    selected: Mapping[str, tuple[float, int]],
) -> Figure:
    splits = SPLITS if manifest.protocol == "ours" else {"test": SPLITS["test"]}
    figure, panels = _grid(len(rows), len(splits))
    teacher, student = baseline.direction
    figure.suptitle(
        f"Learning curves: {manifest.title}, {manifest.dataset}\n{teacher} → {student}"
        f"{TITLES[manifest.protocol]}",
        x=0.01, ha="left", va="top", y=1 - 0.08 / figure.get_figheight(),
    )  # fmt: skip
    shown = [bands[row.key, split] for row in rows for split in SPLITS if (row.key, split) in bands]
    last = max(one.index.max() for one in shown)
    low = min(one["min"][one.index >= int(EARLY * last)].min() for one in shown)
    high = max(one["max"].max() for one in shown)
    margin = PAD * ((high - low) or 1)
    for place, row in enumerate(rows):
        epoch, count = selected[row.key]
        for (split, name), axes in zip(splits.items(), panels[place], strict=True):
            if row is not baseline and (baseline.key, split) in bands:
                axes.plot(bands[baseline.key, split]["mean"], color=GREY, linewidth=1,
                          linestyle="--", label="_baseline")  # fmt: skip
            if (row.key, split) in bands:
                _draw(axes, bands[row.key, split], look(row.row, manifest.looks), epoch)
            axes.set_ylim(low - margin, high + margin)
            axes.set_xlim(-PAD * max(last, 1), max(last, 1) * (1 + PAD))
            if place % COLUMNS == 0:
                axes.set_ylabel(f"{name} [%]")
        panels[place][0].set_title(f"{row.row}\n(n = {count})", size=7.5)
        panels[place][-1].set_xlabel("epoch")
    _legend(figure)
    return figure


def _grid(count: int, splits: int) -> tuple[Figure, list[list[Axes]]]:
    """A figure with a panel for each of `splits`, one above the other, for each of `count` rows."""
    columns, blocks = min(count, COLUMNS), -(-count // COLUMNS)
    width = max(LEFT + columns * (WIDTH + BETWEEN) + RIGHT, NARROWEST)
    block = splits * HEIGHT + (splits - 1) * BETWEEN + BLOCKS
    height = TOP + blocks * block + BOTTOM
    figure = Figure(figsize=(width, height))
    panels = []
    for place in range(count):
        down, across = divmod(place, COLUMNS)
        x = LEFT + across * (WIDTH + BETWEEN)
        y = height - TOP - down * block - HEIGHT
        stack = [
            figure.add_axes((x / width, at / height, WIDTH / width, HEIGHT / height))
            for at in (y - line * (HEIGHT + BETWEEN) for line in range(splits))
        ]
        for axes in stack:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.tick_params(labelleft=across == 0, labelbottom=axes is stack[-1])
        panels.append(stack)
    return figure, panels


def _draw(axes: Axes, band: pd.DataFrame, own: Look, epoch: float) -> None:
    axes.fill_between(
        band.index, band["min"], band["max"], color=own.colour, alpha=0.22, linewidth=0
    )
    axes.plot(band["mean"], color=own.colour, linewidth=1.5, label="_mean")
    axes.axvline(epoch, color=DARK, linewidth=0.8, linestyle=":", label="_selected")
    height = np.interp(epoch, band.index, band["mean"])
    axes.plot(epoch, height, marker=own.marker, markersize=5.5, color=own.colour,
              markeredgecolor="black", markeredgewidth=0.6, label="_at selected")  # fmt: skip


def _legend(figure: Figure) -> None:
    handles = [
        mark("mean over the seeds", marker="", linestyle="-", linewidth=1.5),
        Patch(color=DARK, alpha=0.22, label="lowest to highest seed"),
        mark("mean selected epoch", linestyle=":", linewidth=0.8, markersize=5),
        mark("baseline", marker="", color=GREY, linestyle="--", linewidth=1),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=4)
