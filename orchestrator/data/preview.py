"""`fdsweep datasets show`: some samples of each class and how many there are, as one picture."""

import textwrap
import warnings
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.palette import VOID, palette, spell
from fdsweep.trainers import modalities
from fdsweep.trainers.datasets import Dataset, Fold
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.loaders import Inputs, evaluated_views

SPLITS = {"train": "#333333", "val": "#8C8C8C", "test": "#CFCFCF"}
"""Their greys in the chart: colours belong to classes and channels."""

COLUMNS = 8
"""Samples per modality."""

INCHES = 1.7
"""Width of a sample; its height is three quarters of that."""

HIGH, CHART = 0.75, 1.4
"""Height of a row of samples and of the chart below, in widths of a sample."""

TILTED = 12
"""Classes above which their names stand aslant."""

SWATCH = 0.045
"""How far below the axis a class's colour is shown, in heights of the chart."""

Counts: TypeAlias = dict[str, NDArray[np.float64]]
"""Split -> a number for each class."""


def draw(dataset: Dataset, path: Path) -> Path:
    """Write the contact sheet of `dataset` to the PNG file `path`.

    A row of samples per modality, of as many classes as fit, the same samples in each row, above
    the number of samples of each class in each split. Where pixels have classes, a row of label
    maps comes last, below are each class's share of the pixels and its colour, and the samples are
    of as many scenes as fit.

    Raises:
        DataError: the data set is not ready.
        ConfigError: `path` cannot be written.
    """
    info = dataset.info
    fold = dataset.folds()(0)
    chosen = pick(fold)
    maps = fold.label_maps
    rows = len(info.modalities) + (maps is not None)
    figure = Figure(figsize=(COLUMNS * INCHES, (rows * HIGH + CHART + 0.2) * INCHES))
    grid = figure.add_gridspec(rows + 1, COLUMNS, height_ratios=[*([HIGH] * rows), CHART])
    places = [[figure.add_subplot(grid[row, i]) for i in range(len(chosen))] for row in range(rows)]
    for modality, line in zip(info.modalities, places, strict=False):
        kind = modalities.find(modality.payload)
        shown = dataset.samples_to_show(fold, modality.name, chosen)
        for axes, sample in zip(line, shown, strict=True):
            kind.show(axes, sample)
        line[0].set_ylabel(modality.name, fontsize=8)
    for axes in (axes for line in places for axes in line):
        axes.set(xticks=[], yticks=[])
    for axes, label in zip(places[0], fold.labels[chosen].tolist(), strict=True):
        axes.set_title(_wrapped(info.sample_classes[label], 22), fontsize=8)
    chart = figure.add_subplot(grid[-1, :])
    title = f"{info.name}: {len(fold.labels):,} samples"
    if maps is None:
        _bars(chart, samples_of_classes(fold), info.classes, "samples")
    else:
        _show_maps(places[-1], maps, chosen, len(info.classes))
        shares, unlabelled = shares_of_pixels(fold, maps)
        _bars(chart, shares, info.classes, "share of labelled pixels [%]")
        chart.set_yscale("log")
        chart.yaxis.set_major_formatter("{x:g}")
        _swatches(chart, len(info.classes))
        if unlabelled:
            title += f", {100 * unlabelled:.1f} % of their pixels without a class (black)"
    figure.suptitle(title, fontsize=10)
    figure.set_layout_engine("constrained")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # it draws a box
            figure.savefig(path, dpi=120)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", str(path)) from None
    return path


def pick(fold: Fold) -> Tensor:
    """Training samples [COLUMNS at most], one class after the other and round again."""
    labels = fold.labels[fold.train]
    turn = torch.empty_like(labels)
    for label in labels.unique():
        mine = labels == label
        turn[mine] = torch.arange(int(mine.sum()))
    order = torch.argsort(turn * (1 + labels.max()) + labels, stable=True)
    return fold.train[order[:COLUMNS]]


def samples_of_classes(fold: Fold) -> Counts:
    """How many samples of each class every split has; one may have several."""
    sets = fold.label_sets
    if sets is None:
        sets = torch.nn.functional.one_hot(fold.labels, fold.num_classes)
    return {split: sets[getattr(fold, split)].sum(dim=0).double().numpy() for split in SPLITS}


def shares_of_pixels(fold: Fold, maps: Inputs) -> tuple[Counts, float]:
    """Percentages of each split's labelled pixels, and of all pixels the share without a class.

    That share is a fraction of 0..1.
    """
    shares, labelled, pixels = {}, 0.0, 0.0
    for split in SPLITS:
        counts = torch.zeros(IGNORE + 1)
        for view in evaluated_views(maps, getattr(fold, split)):
            counts += torch.bincount(view.flatten().cpu(), minlength=IGNORE + 1)
        known = counts[: fold.num_classes].double()
        shares[split] = (100 * known / known.sum().clamp(min=1)).numpy()
        labelled, pixels = labelled + float(known.sum()), pixels + float(counts.sum())
    return shares, 1 - labelled / pixels


def _show_maps(places: list[Axes], maps: Inputs, chosen: Tensor, classes: int) -> None:
    colours = np.full((IGNORE + 1, 3), VOID, np.uint8)
    colours[:classes] = palette(classes)
    (views,) = maps.batches([chosen])
    for axes, view in zip(places, views.cpu().numpy(), strict=True):
        axes.imshow(colours[view], interpolation="nearest")
    places[0].set_ylabel("labels", fontsize=8)


def _swatches(axes: Axes, classes: int) -> None:
    """The colour of each class between the axis and its name."""
    axes.scatter(
        np.arange(classes),
        np.full(classes, -SWATCH),
        s=45,
        marker="s",
        c=[spell(colour) for colour in palette(classes)],
        edgecolors="black",
        linewidths=0.4,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )
    axes.tick_params(axis="x", length=0, pad=14)


def _wrapped(name: str, width: int) -> str:
    return textwrap.fill(name.replace("_", " "), width)


def _bars(axes: Axes, counts: Counts, classes: tuple[str, ...], what: str) -> None:
    places = np.arange(len(classes))
    for shift, (split, heights) in enumerate(counts.items()):
        axes.bar(places + (shift - 1) * 0.27, heights, 0.25, label=split, color=SPLITS[split])
    tilted = len(classes) > TILTED
    names = classes if tilted else [_wrapped(name, 22) for name in classes]
    axes.set_xticks(places, names, fontsize=7, rotation=60 if tilted else 0,
                    ha="right" if tilted else "center")  # fmt: skip
    axes.set_ylabel(what, fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
