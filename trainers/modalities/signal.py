"""`signal`: measured over time, such as acceleration: float32 of `shape` [channels, times]."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import ArrayKind, from_bytes, to_bytes

STORED = "<f4"


@registry.register("signal")
class Signal(ArrayKind):
    """Little-endian bytes; views [channels, times]."""

    column: ClassVar = pa.binary()
    dtype: ClassVar = np.float32

    @override
    def encode(self, value: Any) -> bytes:
        return to_bytes(value, STORED, self.shape, "a signal")

    @override
    def array(self, cells: Sequence[Any]) -> NDArray[np.float32]:
        return from_bytes(cells, STORED, self.shape)

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.plot(sample.numpy().T, linewidth=0.7)
