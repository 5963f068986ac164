"""`fdsweep datasets show`: some samples of each class and how many there are, as one picture."""

import textwrap
import warnings
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import modalities
from fdsweep.trainers.datasets import Dataset, Fold

COLUMNS = 8
"""Samples per modality."""

INCHES = 1.7
"""Width of a sample; its height is three quarters of that."""


def draw(dataset: Dataset, path: Path) -> Path:
    """Write the contact sheet of `dataset` to the PNG file `path`.

    A row of samples per modality, of as many classes as fit, the same samples in each row, above
    the number of samples of each class in each split.

    Raises:
        DataError: the data set is not ready.
        ConfigError: `path` cannot be written.
    """
    info = dataset.info
    fold = dataset.folds()(0)
    chosen = pick(fold)
    figure = Figure(figsize=(COLUMNS * INCHES, (len(info.modalities) * 0.75 + 1.6) * INCHES))
    rows = figure.add_gridspec(
        len(info.modalities) + 1, COLUMNS, height_ratios=[*([0.75] * len(info.modalities)), 1.4]
    )
    for row, modality in enumerate(info.modalities):
        kind = modalities.find(modality.payload)
        shown = dataset.samples_to_show(fold, modality.name, chosen)
        for column, sample in enumerate(shown):
            axes = figure.add_subplot(rows[row, column])
            kind.show(axes, sample)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                name = info.classes[int(fold.labels[chosen[column]])]
                axes.set_title(_wrapped(name.replace("_", " "), 22), fontsize=8)
            if column == 0:
                axes.set_ylabel(modality.name, fontsize=8)
    _bars(figure.add_subplot(rows[-1, :]), fold, info.classes)
    figure.suptitle(f"{info.name}: {len(fold.labels):,} samples", fontsize=10)
    figure.set_layout_engine("constrained")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing")  # it draws a box
            figure.savefig(path, dpi=120)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", str(path)) from None
    return path


def pick(fold: Fold) -> torch.Tensor:
    """Training samples [COLUMNS at most], one class after the other and round again."""
    labels = fold.labels[fold.train]
    turn = torch.empty_like(labels)
    for label in labels.unique():
        mine = labels == label
        turn[mine] = torch.arange(int(mine.sum()))
    order = torch.argsort(turn * fold.num_classes + labels, stable=True)
    return fold.train[order[:COLUMNS]]


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(text, width)


def _bars(axes: Axes, fold: Fold, classes: tuple[str, ...]) -> None:
    places = np.arange(len(classes))
    for shift, name in enumerate(("train", "val", "test")):
        counts = torch.bincount(fold.labels[getattr(fold, name)], minlength=len(classes))
        axes.bar(places + (shift - 1) * 0.27, counts.numpy(), 0.25, label=name)
    tilted = len(classes) > 12
    names = classes if tilted else [_wrapped(name.replace("_", " "), 22) for name in classes]
    axes.set_xticks(places, names, fontsize=7, rotation=60 if tilted else 0,
                    ha="right" if tilted else "center")  # fmt: skip
    axes.set_ylabel("samples", fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
