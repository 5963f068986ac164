"""`signal`: what a sensor measured over time, as a NumPy array in a file."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.table.arrow import file_of
from fdsweep.trainers.datasets.table.columns.base import Column, known
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation.catalog import Damaged

Layout = Literal["times-first", "channels-first"]


class Signal(Column):
    """An array [times, channels] or [times], standardised channel by channel.

    Mean and standard deviation are those of all training samples. A longer signal is cut to
    `length` times, a shorter one repeated; by default it is the median of the training samples.
    """

    kind: ClassVar = "signal"
    suits: ClassVar = "cnn1d"
    endings: ClassVar = (".npy",)
    measured: ClassVar = ("length", "channels")
    hints: ClassVar = {
        "kind": "an array [times, channels], standardised by the training samples",
        "length": "longer signals are cut, shorter repeated",
    }

    length: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    channels: Annotated[int, Field(ge=1, le=10_000)] | None = None
    layout: Layout = "times-first"

    @property
    @override
    def in_channels(self) -> int:
        return known(self.channels)

    @property
    @override
    def payload(self) -> Payload:
        return Payload("signal", (self.in_channels, known(self.length)))

    @override
    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        shapes: dict[str, tuple[int, int]] = {}
        scales: dict[int, _Scale] = {}
        for name, cell in cells.items():
            try:
                values = self._read(raw, cell)
            except Damaged:
                continue
            shapes[name] = (len(values), values.shape[1])
            scale = scales.setdefault(values.shape[1], _Scale(values.shape[1]))
            scale.see(np.asarray(values, np.float64))
        channels = self._agreed(shapes, where)
        length = self.length or round(median([times for times, _ in shapes.values()] or [1]))
        settled = self.model_copy(update={"channels": channels, "length": length})
        return settled, scales.get(channels, _Scale(channels)).to_json()

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        scale, length = json.loads(known(learnt)), known(self.length)
        values = self._read(raw, cell)
        if values.shape[1] != self.channels:
            raise Damaged(f"{values.shape[1]} channels, not {self.channels}")
        if not np.isfinite(values).all():
            raise Damaged("holds numbers that are not finite")
        standard = (values - np.array(scale["mean"])) / np.array(scale["std"])
        repeated = np.tile(standard, (-(-length // len(standard)), 1))
        return repeated[:length].T.astype(np.float32)

    def _agreed(self, shapes: Mapping[str, tuple[int, int]], where: str) -> int:
        """How many channels all signals have; DataError where they differ, or seem to be times."""
        counts = Counter(channels for _, channels in shapes.values())
        usual = self.channels or (counts.most_common(1)[0][0] if counts else 1)
        odd = {name: channels for name, (_, channels) in shapes.items() if channels != usual}
        swapped = [(times, channels) for times, channels in shapes.values() if channels > times]
        if self.layout == "times-first" and 2 * len(swapped) > len(shapes):
            raise DataError(
                f"signals of {swapped[0][0]} times and {swapped[0][1]} channels",
                where,
                "Say `layout: channels-first` if it is the other way round",
            )
        if odd:
            name, channels = next(iter(odd.items()))
            raise DataError(
                f"{len(odd):,} of {len(shapes):,} signals have not {usual} channels, such as "
                f"{name} with {channels}",
                where,
                "Give all the same channels in the same order",
            )
        return usual

    def _read(self, raw: Path, cell: str) -> NDArray[Any]:
        """The array [times, channels] that `cell` names, its numbers still in the file."""
        try:
            with file_of(raw, cell) as path:
                values = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Damaged(f"cannot be read as a NumPy array ({text})") from None
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
            raise Damaged("no array of numbers")
        if values.ndim not in (1, 2) or not values.size:
            raise Damaged(f"an array of shape {values.shape}, not [times, channels]")
        if values.ndim == 1:
            return values[:, None]
        return values.T if self.layout == "channels-first" else values


class _Scale:
    """Mean and standard deviation of each channel of all signals seen (Chan et al. 1979)."""

    def __init__(self, channels: int) -> None:
        self.times, self.mean, self.squares = 0, np.zeros(channels), np.zeros(channels)

    def see(self, values: NDArray[np.float64]) -> None:
        """Take in `values` [times, channels]; those that are not finite are damaged, and left."""
        if not np.isfinite(values).all():
            return
        times = self.times + len(values)
        mean = values.mean(axis=0)
        apart = mean - self.mean
        self.squares += ((values - mean) ** 2).sum(axis=0)
        self.squares += apart**2 * (self.times * len(values) / times)
        self.mean += apart * (len(values) / times)
        self.times = times

    def to_json(self) -> bytes:
        """Both as JSON; the deviation is 1 where a channel never changes."""
        std = np.sqrt(self.squares / max(self.times, 1))
        std[std == 0] = 1.0
        return json.dumps({"mean": self.mean.tolist(), "std": std.tolist()}).encode()
