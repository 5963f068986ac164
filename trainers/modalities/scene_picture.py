"""`scene-picture`: what a camera saw of a scene, or three channels made of depth, such as HHA."""

from typing import Any, ClassVar

import numpy as np
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.crops import MEAN, STD, normalising
from fdsweep.trainers.modalities.scene import SceneKind


@registry.register("scene-picture")
class ScenePicture(SceneKind):
    """uint8 [H, W, 3]; views [3, h, w], normalised as ImageNet's pictures."""

    dtype: ClassVar = np.uint8
    channels: ClassVar = 3

    @override
    def ready(self, values: Tensor) -> Tensor:
        scale, shift = normalising(values.device)
        scaled: Tensor = values * scale
        return scaled.add_(shift)

    @override
    def show(self, axes: Any, sample: Any) -> None:
        axes.imshow((sample.numpy().transpose(1, 2, 0) * STD + MEAN).clip(0, 1))
