"""`scene-labels`: to which class every pixel of a scene belongs."""

from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import override

from fdsweep.search_spaces.palette import VOID, palette
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.scene import SceneKind


@registry.register("scene-labels")
class SceneLabels(SceneKind):
    """uint8 [H, W], classes from 0 and IGNORE where there is none; views [h, w] int64.

    A view's pixel has the class of the nearest one, or IGNORE outside the picture.
    """

    dtype: ClassVar = np.uint8
    resized: ClassVar = "nearest"
    padding: ClassVar = float(IGNORE)

    @override
    def ready(self, values: Tensor) -> Tensor:
        return values.float()

    @override
    def finished(self, views: Tensor) -> Tensor:
        return views[:, 0].long()

    @override
    def show(self, axes: Any, sample: Any) -> None:
        colours = np.array([*palette(IGNORE), VOID], np.uint8)
        axes.imshow(colours[sample.numpy()])
