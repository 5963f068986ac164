"""`spectrogram`: how strong which frequency is when: float16 of `shape` [frequencies, times]."""

from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import BytesKind


@registry.register("spectrogram")
class Spectrogram(BytesKind):
    """Little-endian bytes; views [1, frequencies, times] float32."""

    dtype: ClassVar = np.float16
    called: ClassVar = "a spectrogram"
    leading: ClassVar = 1

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow(sample.numpy()[0], origin="lower", aspect="auto", cmap="magma")
