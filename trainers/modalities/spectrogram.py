"""`spectrogram`: how strong which frequency is when: float16 of `shape` [frequencies, times]."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import ArrayKind, from_bytes, to_bytes

STORED = "<f2"


@registry.register("spectrogram")
class Spectrogram(ArrayKind):
    """Little-endian bytes; views [1, frequencies, times] float32."""

    column: ClassVar = pa.binary()
    dtype: ClassVar = np.float16

    @override
    def encode(self, value: Any) -> bytes:
        return to_bytes(value, STORED, self.shape, "a spectrogram")

    @override
    def array(self, cells: Sequence[Any]) -> NDArray[np.float16]:
        return from_bytes(cells, STORED, (1, *self.shape))

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow(sample.numpy()[0], origin="lower", aspect="auto", cmap="magma")
