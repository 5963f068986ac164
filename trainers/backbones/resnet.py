"""ResNets for images and spectrograms, built by transformers and never downloaded."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone, init_weights, pretrained, registry
from fdsweep.trainers.features.outputs import Outputs

if TYPE_CHECKING:
    from transformers import ResNetModel

WIDTHS = (64, 128, 256, 512)
STRIDES = (4, 8, 16, 32)
PREFIX = "resnet."
"""Of the weights' names in a checkpoint."""


@registry.register("resnet18")
class ResNet18(Backbone):
    """ResNet-18 (He et al., CVPR 2016) for inputs [N, channels, H, W], randomly initialised.

    The last block ends without its ReLU, which comes where the last map is pooled. Weights and
    inputs may be channels-last.

    Args:
        channels: of the input, any number.
        num_classes: C.
    """

    same_steps = True

    def __init__(self, *, channels: int, num_classes: int) -> None:
        super().__init__()
        network = _network(channels)
        self.stem = network.embedder
        self.stages = network.encoder.stages
        self.stages[-1].layers[-1].activation = nn.Identity()
        self.map_dims = WIDTHS
        self.dim = self.map_dims[-1]
        self.classifier = nn.Linear(self.dim, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are the four stages' outputs, strides 4 to 32."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return self.outputs(*maps)

    @override
    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        encoder = nn.ModuleDict({"stages": self.stages})
        body = nn.ModuleDict({"embedder": self.stem, "encoder": encoder})
        pretrained.adopt(body, weights, PREFIX, "resnet18")


class Encoder(nn.Module):
    """The stem and the stages of ResNet-18 under a dense network's head.

    Args:
        channels: of the input, any number.
        output_stride: of the last stage's map, 8, 16 or 32; see `dilate`.

    Attributes:
        network: which has the weights.
        prefix: of their names in a checkpoint.
        map_dims: channels of the maps.
    """

    prefix: ClassVar = PREFIX

    def __init__(self, channels: int, output_stride: int) -> None:
        super().__init__()
        self.output_stride = output_stride
        self.network = _network(channels)
        dilate(self.network.encoder.stages, output_stride)
        self.map_dims = WIDTHS

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """The four stages' outputs after ReLU for inputs [N, channels, H, W]."""
        _stem, *maps = self.network(x, output_hidden_states=True).hidden_states
        return tuple(maps)


def dilate(stages: nn.ModuleList, output_stride: int) -> None:
    """Let no stage have a stride above `output_stride`, and every weight keep its meaning.

    Where a stage stepped over every other position, all that follows takes its neighbours twice as
    far away instead (DeepLab's atrous convolution). At every second or fourth position it then
    gives what it gave.
    """
    dilation = 1
    for stage, stride in zip(stages, STRIDES, strict=True):
        if stride <= output_stride:
            continue
        for layer in stage.modules():
            if isinstance(layer, nn.Conv2d):
                steps = layer.stride == (2, 2)
                reach = dilation if steps else 2 * dilation
                layer.stride = (1, 1)
                layer.dilation = (reach, reach)
                layer.padding = tuple(reach * (size // 2) for size in layer.kernel_size)
        dilation *= 2


def _network(channels: int) -> "ResNetModel":
    from transformers import ResNetConfig, ResNetModel  # slow to import

    config = ResNetConfig(
        num_channels=channels,
        layer_type="basic",
        depths=[2, 2, 2, 2],
        embedding_size=64,
        hidden_sizes=list(WIDTHS),
    )
    return ResNetModel(config)
