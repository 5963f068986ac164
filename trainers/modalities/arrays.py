"""Modalities whose samples are one array of numbers each, which the network takes as it is."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distributed import place, sent
from fdsweep.trainers.modalities.base import Arrays, Extent, Inputs, Kind

CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Plain:
    """Samples that are what the network takes: `values` [N, ...], float16 given as float32."""

    values: Tensor
    augmented: bool = False

    @property
    def numbers(self) -> int:
        """How many numbers a sample holds."""
        return self.values[0].numel()

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """The samples of each batch [B]; there is one view only, whatever the `draws`."""
        del draws
        for indices in order:
            yield _as_network_takes(self.values[indices.to(self.values.device, non_blocking=True)])

    def to(self, device: torch.device) -> "Plain":
        """The same samples on `device`."""
        return replace(self, values=place(self.values, device))


@dataclass(frozen=True, slots=True)
class Varied:
    """Samples of which training sees views that differ from time to time.

    Attributes:
        values: [N, ...], as they are kept in memory.
        numbers: how many numbers a view holds.
        views: of the chosen values [B, ...], as their draws [B, DRAWS] decide; without draws those
            that are evaluated.
    """

    values: Tensor
    numbers: int
    views: Callable[[Tensor, Tensor | None], Tensor]
    augmented: bool = True

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """The views of each batch [B]."""
        drawn = repeat(None) if draws is None else draws
        for indices, numbers in zip(order, drawn, strict=False):
            chosen = self.values[indices.to(self.values.device, non_blocking=True)]
            yield self.views(chosen, numbers)

    def to(self, device: torch.device) -> "Varied":
        """The same samples on `device`."""
        return replace(self, values=place(self.values, device))


class ArrayKind(Kind):
    """A kind whose samples are one array each, of `dtype` in memory and never augmented."""

    dtype: ClassVar[DTypeLike]

    @abstractmethod
    def array(self, cells: Sequence[Any]) -> NDArray[Any]:
        """The samples in `cells` [B] as one array [B, ...] of `dtype`."""

    @property
    @override
    def numbers(self) -> int:
        return math.prod(self.shape)

    @override
    def extent(self, cell: Any) -> Extent:
        return Extent(1, math.prod(self.shape) * np.dtype(self.dtype).itemsize)

    @override
    def hold(
        self, shards: Iterable[Sequence[Any]], samples: int, extent: Extent, threads: int
    ) -> Inputs:
        values, start = np.empty(0, self.dtype), 0
        for cells in shards:
            part = self.array(cells)
            if start == 0:
                values = np.empty((samples, *part.shape[1:]), self.dtype)
            values[start : start + len(part)] = part
            start += len(part)
        return self.held(torch.from_numpy(values))

    def held(self, values: Tensor) -> Inputs:
        """Samples [N, ...] in memory as training asks for them."""
        return Plain(values)

    @override
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        return (self.array(cells),)

    @override
    def view(self, decoded: Arrays, draws: Tensor | None, device: torch.device) -> Tensor:
        return _as_network_takes(sent(torch.from_numpy(decoded[0]), device))


class BytesKind(ArrayKind):
    """A kind whose cells are the little-endian bytes of an array of `shape` and `dtype`.

    Attributes:
        called: what a sample is, in words that follow "of".
        leading: axes of length 1 that a view has in front of `shape`.
    """

    column: ClassVar = pa.binary()
    called: ClassVar[str]
    leading: ClassVar[int] = 0

    @override
    def encode(self, value: Any) -> bytes:
        array = np.asarray(value, self._stored)
        if array.shape != self.shape:
            raise ValueError(f"{self.called} of shape {array.shape}, not {self.shape}")
        return array.tobytes()

    @override
    def array(self, cells: Sequence[Any]) -> NDArray[Any]:
        native = np.frombuffer(b"".join(cells), self._stored).astype(self.dtype)
        return native.reshape(len(cells), *[1] * self.leading, *self.shape)

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")


def _as_network_takes(values: Tensor) -> Tensor:
    return values.float() if values.dtype == torch.float16 else values
