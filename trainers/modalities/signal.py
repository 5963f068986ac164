"""`signal`: measured over time, such as acceleration: float32 of `shape` [channels, times]."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import BytesKind


@registry.register("signal")
class Signal(BytesKind):
    """Little-endian bytes; views [channels, times]."""

    dtype: ClassVar = np.float32
    called: ClassVar = "a signal"

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.plot(sample.numpy().T, linewidth=0.7)
