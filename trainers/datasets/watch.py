"""`watch`: seven shoulder exercises seen by a smartwatch's accelerometer and gyroscope.

140 recordings of 10 subjects at 50 Hz (Burns et al. 2018, arXiv 1802.01489), carried by the PyPI
package seglearn 1.2.5 (BSD).

takes   data/watch_dataset.npy in seglearn: per recording X [T, 6] (ax ay az wx wy wz), y, subject
yields  windows of 100 samples (2 s), every 50 samples: accelerometer and gyroscope, [4677, 3, 100]
splits  subjects 6 / 2 / 2; five seeds in a row test every subject once
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import DataError, first_line
from fdsweep.search_spaces.keys import content_key
from fdsweep.trainers import rng
from fdsweep.trainers.datasets import (
    HERE,
    DataLocation,
    Dataset,
    DatasetInfo,
    Fold,
    Modality,
    Scaling,
    registry,
)
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation.catalog import Damaged

SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
WINDOW, STRIDE = 100, 50
SUBJECTS, HELD_OUT = 10, 2
COLUMNS = {"accelerometer": slice(0, 3), "gyroscope": slice(3, 6)}


def find_file() -> Path:
    """The recordings inside the installed seglearn, which is not imported.

    Raises:
        DataError: seglearn is not installed, or its file is not the known one.
    """
    spec = importlib.util.find_spec("seglearn")
    if spec is None or spec.origin is None:
        raise DataError("seglearn is not installed", "watch", "Type: pip install seglearn==1.2.5")
    return Path(spec.origin).parent / "data" / "watch_dataset.npy"


def read_recordings(path: Path) -> dict[str, list[np.ndarray]]:
    """The pickled dictionary in `path`, unpickled only if its sha256 is the known one."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", str(path)) from None
    if digest != SHA256:
        raise DataError(
            f"has sha256 {digest[:12]}…, not {SHA256[:12]}…",
            str(path),
            "Type: pip install --force-reinstall seglearn==1.2.5",
        )
    content: dict[str, list[np.ndarray]] = np.load(path, allow_pickle=True).item()
    return content


def read_table(file: Path) -> NDArray[np.float64]:
    """The numbers in a file, a row for each time; Damaged if it holds anything else.

    The first line of a CSV file may hold names.
    """
    try:
        if file.suffix == ".npy":
            return np.asarray(np.load(file, allow_pickle=False), np.float64)
        if file.suffix == ".csv":
            first, *rest = file.read_text("utf-8-sig").splitlines() or [""]
            lines = [first, *rest] if _are_numbers(first.split(",")) else rest
            return np.loadtxt(lines, delimiter=",", ndmin=2)
        if file.suffix == ".parquet":
            with pq.ParquetFile(file) as table:
                columns = table.read().columns
            return np.array([column.to_pylist() for column in columns], np.float64).T
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise Damaged(f"no table of numbers ({first_line(error)})") from None
    raise Damaged("no .npy, .csv or .parquet file")


def _are_numbers(cells: list[str]) -> bool:
    try:
        return all(math.isfinite(float(cell)) for cell in cells)
    except ValueError:
        return False


def split_subjects(seed: int) -> tuple[list[int], list[int], list[int]]:
    """Subjects 1 to 10 as (train, val, test), 6 / 2 / 2.

    Seeds 0 to 4 share one order of the subjects and take its five pairs in turn as test, the
    next pair as validation; seeds 5 to 9 share another order, and so on.
    """
    turns = SUBJECTS // HELD_OUT
    order = torch.randperm(SUBJECTS, generator=rng.generator(seed // turns, "split")) + 1
    rotated = order.roll(-HELD_OUT * (seed % turns)).tolist()
    return rotated[2 * HELD_OUT :], rotated[HELD_OUT : 2 * HELD_OUT], rotated[:HELD_OUT]


@registry.register("watch")
class Watch(Dataset):
    """The embedded data set."""

    modalities: ClassVar = tuple(
        Modality(name, 3, "cnn1d", Payload("signal", (3, WINDOW))) for name in COLUMNS
    )
    about: ClassVar = "seven shoulder exercises of ten people, 4,677 windows of 2 s of a smartwatch"
    source: ClassVar = "seglearn 1.2.5; Burns et al. 2018, arXiv 1802.01489"
    licence: ClassVar = "BSD 3-Clause"
    url: ClassVar = "https://pypi.org/project/seglearn/1.2.5"
    info = DatasetInfo(
        name="watch",
        modalities=modalities,
        classes=("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"),
        fingerprint=content_key(
            sha256=SHA256, window=WINDOW, stride=STRIDE, held_out=HELD_OUT, version=1
        ),
        optim=OptimConfig(epochs=5),
        source=source,
        split="subjects apart",
        licence=licence,
    )

    def __init__(self, location: DataLocation = HERE) -> None:
        del location  # it is installed with fdsweep

    @override
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        del modalities  # the recordings hold all
        content = read_recordings(find_file())
        windows, labels, subjects, sample_ids = [], [], [], []
        recordings = zip(content["X"], content["y"], content["subject"], strict=True)
        for number, (signal, label, subject) in enumerate(recordings):
            for start in range(0, len(signal) - WINDOW + 1, STRIDE):
                windows.append(signal[start : start + WINDOW].T)
                labels.append(int(label))
                subjects.append(int(subject))
                sample_ids.append(f"{number:03d}-{start:05d}")
        signals = torch.from_numpy(np.stack(windows)).float()
        return lambda seed: _fold(seed, signals, labels, subjects, tuple(sample_ids))

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        """The windows of a recording at 50 Hz, cut as those of the data set.

        It is an array [T, 3] or a table of as many columns (.npy, .csv, .parquet), or of the six
        of both sensors in the order of the data set.
        """
        signal = read_table(file)
        if signal.ndim != 2 or signal.shape[1] not in (3, 6):
            size = " x ".join(map(str, signal.shape))
            raise Damaged(f"{size} numbers, not a row of 3 (or 6, both sensors) for each time")
        if len(signal) < WINDOW:
            raise Damaged(f"{len(signal)} rows, too few for a window of {WINDOW}")
        own = signal if signal.shape[1] == 3 else signal[:, COLUMNS[modality]]
        return [own[start : start + WINDOW].T for start in range(0, len(own) - WINDOW + 1, STRIDE)]


def _fold(
    seed: int,
    signals: torch.Tensor,
    labels: list[int],
    subjects: list[int],
    sample_ids: tuple[str, ...],
) -> Fold:
    from fdsweep.trainers.loaders import Plain  # brings torch

    of_sample = torch.tensor(subjects)
    train, val, test = (
        torch.isin(of_sample, torch.tensor(part)).nonzero().squeeze(1)
        for part in split_subjects(seed)
    )
    parts = COLUMNS.items()
    mean = signals[train].mean(dim=(0, 2), keepdim=True)
    std = signals[train].std(dim=(0, 2), keepdim=True)
    standard = (signals - mean) / std
    return Fold(
        num_classes=len(Watch.info.classes),
        inputs={name: Plain(standard[:, columns].contiguous()) for name, columns in parts},
        scaling={name: Scaling(mean[0, columns], std[0, columns]) for name, columns in parts},
        labels=torch.tensor(labels),
        groups=tuple(str(subject) for subject in subjects),
        sample_ids=sample_ids,
        train=train,
        val=val,
        test=test,
    )
