"""`fdsweep predict`: what a kept or exported student takes raw files for."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from fdsweep.orchestrator.models.overview import find, overview
from fdsweep.search_spaces.errors import ConfigError, first_line
from fdsweep.search_spaces.palette import palette
from fdsweep.trainers.datasets.prepared import members
from fdsweep.trainers.students.model import Prediction, Student, load_folder, load_kept
from fdsweep.trainers.students.record import CONFIG


def load(model: str, storage: str, device: str) -> Student:
    """The student in the folder `model`, or the one of the storage that is called so.

    Raises:
        FdsweepError: there is none, or no such device.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"cannot be used ({first_line(error)})", f"--device {device}") from None
    if Path(model, CONFIG).is_file():
        return load_folder(Path(model), device)
    return load_kept(storage, find(overview(storage), model).record, device)


def to_text(predictions: Sequence[Prediction]) -> str:
    """A line per sample: its name, its class, and the probability or the share of the pixels.

    Of a sample that may have several classes, each that it has is told with its own.
    """
    width = max((len(one.name) for one in predictions), default=0)
    return "\n".join(f"{one.name:{width}}  {_labels(one)}" for one in predictions)


def _labels(one: Prediction) -> str:
    """The label, or the labels, with the share of each."""
    if one.label in one.shares:
        return f"{one.label}  {100 * one.shares[one.label]:.1f} %"
    found = members(one.label)
    return ", ".join(f"{name}  {100 * one.shares[name]:.1f} %" for name in found) or one.label


def to_json(predictions: Sequence[Prediction]) -> list[dict[str, Any]]:
    """`predictions` as documents, without masks."""
    return [{"name": one.name, "label": one.label, "shares": one.shares} for one in predictions]


def save_masks(predictions: Sequence[Prediction], folder: Path) -> None:
    """Write each sample's classes of pixels as `<file>.png`, whose palette has their colours.

    Raises:
        ConfigError: pixels are not predicted, two files have one name, or it cannot be written.
    """
    names = [f"{Path(one.name).name}.png" for one in predictions]
    if len(set(names)) < len(names):
        raise ConfigError("two files have the same name", "--masks", "Predict one after the other")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, one in zip(names, predictions, strict=True):
            if one.mask is None:
                what = "the student predicts whole samples, not pixels"
                raise ConfigError(what, "--masks", "Leave it out")
            picture = Image.fromarray(one.mask, "P")
            picture.putpalette(list(chain.from_iterable(palette(len(one.shares)))))
            picture.save(folder / name)
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", str(folder)) from None
