"""A small U-Net for small pictures, quick on a CPU."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import Backbone, init_weights, registry
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import resized


@registry.register("unet")
class UNet(Backbone):
    """A U-Net (Ronneberger et al., MICCAI 2015) at half resolution, for [N, channels, H, W].

    Three stages halve the picture, H and W being any, each by a 3x3 convolution of stride 2 and
    another of stride 1. Two go back up to the first one's size: what comes from below is resized
    bilinearly, set beside the map of the way down, and put through a 3x3 convolution. Every
    convolution has its batch normalisation and ReLU.

    Args:
        channels: of the input.
        num_classes: C.
        width: channels of the first stage; the others have 2, 4, 2 and 2 times as many, so D is
            twice the width.

    Raises:
        ConfigError: a width below 1.
    """

    dense: ClassVar = True
    same_steps = True

    def __init__(self, *, channels: int, num_classes: int, width: int = 16) -> None:
        super().__init__()
        if width < 1:
            raise ConfigError(f"a width of {width}", "width of unet", "Give 1 or more")
        self.dim = 2 * width
        self.map_dims = (width, 2 * width, 4 * width, 2 * width, self.dim)
        self.to_half = _down(channels, width)
        self.to_quarter = _down(width, 2 * width)
        self.to_eighth = _down(2 * width, 4 * width)
        self.back_to_quarter = nn.Sequential(*_layer(4 * width + 2 * width, 2 * width))
        self.back_to_half = nn.Sequential(*_layer(2 * width + width, self.dim))
        self.classifier = nn.Linear(self.dim, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are the five stages' outputs, strides 2, 4, 8, 4, 2, all but the last after ReLU."""
        half = F.relu(self.to_half(x), inplace=True)  # batch normalisation needs its input only
        quarter = F.relu(self.to_quarter(half), inplace=True)
        eighth = F.relu(self.to_eighth(quarter), inplace=True)
        back = F.relu(self.back_to_quarter(_beside(eighth, quarter)), inplace=True)
        last = self.back_to_half(_beside(back, half))
        return self.outputs(half, quarter, eighth, back, last)


def _down(channels: int, width: int) -> nn.Sequential:
    first = _layer(channels, width, stride=2)
    return nn.Sequential(*first, nn.ReLU(inplace=True), *_layer(width, width))


def _layer(channels: int, width: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(width)


def _beside(deep: Tensor, shallow: Tensor) -> Tensor:
    return torch.cat([resized(deep, *shallow.shape[2:]), shallow], dim=1)
