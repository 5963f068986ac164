"""Small networks of plain convolutions, quick on a CPU: one for signals, one for pictures."""

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import Backbone, init_weights, registry
from fdsweep.trainers.features.outputs import Outputs


class CNN(Backbone):
    """Blocks of convolution, batch normalisation and ReLU, all of one width.

    Args:
        name: as users type it.
        convolution: class of the blocks' first layer.
        normalisation: class of their second.
        kernels_and_strides: of each block's convolution.
        channels: of the input.
        num_classes: C.
        width: channels of every block, and so D.

    Raises:
        ConfigError: a width below 1.
    """

    same_steps = True

    def __init__(
        self,
        name: str,
        convolution: type[nn.Conv1d] | type[nn.Conv2d],
        normalisation: type[nn.BatchNorm1d] | type[nn.BatchNorm2d],
        kernels_and_strides: tuple[tuple[int, int], ...],
        *,
        channels: int,
        num_classes: int,
        width: int,
    ) -> None:
        super().__init__()
        if width < 1:
            raise ConfigError(f"a width of {width}", f"width of {name}", "Give 1 or more")
        self.dim = width
        self.map_dims = (width,) * len(kernels_and_strides)
        self.stages = nn.ModuleList()
        for kernel, stride in kernels_and_strides:
            layer = convolution(channels, width, kernel, stride, padding=kernel // 2, bias=False)
            self.stages.append(nn.Sequential(layer, normalisation(width)))
            channels = width
        self.classifier = nn.Linear(width, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are the blocks' outputs [N, width, ...], all but the last after ReLU."""
        *earlier, last = self.stages
        maps = []
        for stage in earlier:
            x = F.relu(stage(x), inplace=True)  # batch normalisation needs its input only
            maps.append(x)
        return self.outputs(*maps, last(x))


@registry.register("cnn1d")
class CNN1d(CNN):
    """Three blocks for signals [N, channels, T]; see `CNN`.

    T may be any length; the stages shorten it to a quarter, an eighth and an eighth.
    """

    def __init__(self, *, channels: int, num_classes: int, width: int = 128) -> None:
        super().__init__(
            "cnn1d", nn.Conv1d, nn.BatchNorm1d, ((7, 4), (3, 2), (3, 1)),
            channels=channels, num_classes=num_classes, width=width,
        )  # fmt: skip


@registry.register("cnn2d")
class CNN2d(CNN):
    """Four blocks for pictures [N, channels, H, W]; see `CNN`.

    H and W may be any; the stages shorten them to a half, a quarter, an eighth and an eighth.
    """

    def __init__(self, *, channels: int, num_classes: int, width: int = 64) -> None:
        super().__init__(
            "cnn2d", nn.Conv2d, nn.BatchNorm2d, ((5, 2), (3, 2), (3, 2), (3, 1)),
            channels=channels, num_classes=num_classes, width=width,
        )  # fmt: skip
