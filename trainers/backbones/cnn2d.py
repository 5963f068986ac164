"""A small network for small pictures, quick on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import Backbone, init_weights, registry
from fdsweep.trainers.features.outputs import Outputs

KERNELS_AND_STRIDES = ((5, 2), (3, 2), (3, 2), (3, 1))


@registry.register("cnn2d")
class CNN2d(Backbone):
    """Four blocks of convolution, batch normalisation and ReLU for pictures [N, channels, H, W].

    H and W may be any; the stages shorten them to a half, a quarter, an eighth and an eighth.

    Args:
        channels: of the input.
        num_classes: C.
        width: channels of every block, and so D.

    Raises:
        ConfigError: a width below 1.
    """

    def __init__(self, *, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        if width < 1:
            raise ConfigError(f"a width of {width}", "width of cnn2d", "Give 1 or more")
        self.dim = width
        self.map_dims = (width,) * len(KERNELS_AND_STRIDES)
        self.stages = nn.ModuleList()
        for kernel, stride in KERNELS_AND_STRIDES:
            convolution = nn.Conv2d(
                channels, width, kernel, stride, padding=kernel // 2, bias=False
            )
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm2d(width)))
            channels = width
        self.classifier = nn.Linear(width, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are [N, width, H / 2, W / 2] and so on, all but the last after ReLU."""
        *earlier, last = self.stages
        maps = []
        for stage in earlier:
            x = F.relu(stage(x), inplace=True)  # batch normalisation needs its input only
            maps.append(x)
        return self.outputs(*maps, last(x))
