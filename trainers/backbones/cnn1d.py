"""A small network for signals over time, quick on a CPU."""

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import Backbone, init_weights, registry
from fdsweep.trainers.features.outputs import Outputs

KERNELS_AND_STRIDES = ((7, 4), (3, 2), (3, 1))


@registry.register("cnn1d")
class CNN1d(Backbone):
    """Three blocks of convolution, batch normalisation and ReLU for signals [N, channels, T].

    T may be any length; the stages shorten it to a quarter, an eighth and an eighth.

    Args:
        channels: of the input.
        num_classes: C.
        width: channels of every block, and so D.

    Raises:
        ConfigError: a width below 1.
    """

    def __init__(self, *, channels: int, num_classes: int, width: int = 128) -> None:
        super().__init__()
        if width < 1:
            raise ConfigError(f"a width of {width}", "width of cnn1d", "Give 1 or more")
        self.dim = width
        self.map_dims = (width,) * len(KERNELS_AND_STRIDES)
        self.stages = nn.ModuleList()
        for kernel, stride in KERNELS_AND_STRIDES:
            convolution = nn.Conv1d(
                channels, width, kernel, stride, padding=kernel // 2, bias=False
            )
            self.stages.append(nn.Sequential(convolution, nn.BatchNorm1d(width)))
            channels = width
        self.classifier = nn.Linear(width, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are [N, width, T / 4], [.., T / 8] and [.., T / 8]."""
        first, second, third = self.stages
        x = F.relu(first(x), inplace=True)  # batch normalisation needs its input only
        y = F.relu(second(x), inplace=True)
        z = third(y)
        return self.outputs(x, y, z)
