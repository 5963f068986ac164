"""MobileNetV2 for images and spectrograms, built by transformers."""

from typing import TYPE_CHECKING, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone, init_weights, pretrained, registry
from fdsweep.trainers.features.outputs import Outputs

if TYPE_CHECKING:
    from transformers import MobileNetV2Model

ENDS = (1, 4, 11)
"""Of the sixteen blocks, the last ones at strides 4, 8 and 16."""

WIDTHS = (24, 32, 96)
"""Channels of these."""

LAST_WIDTH = 320
"""Channels of the last block."""

PREFIX = "mobilenet_v2."
"""Of the weights' names in a checkpoint."""


@registry.register("mobilenet-v2")
class MobileNetV2(Backbone):
    """MobileNetV2 (Sandler et al., CVPR 2018) for inputs [N, channels, H, W].

    The last convolution ends without its ReLU6; where the last map is pooled there is a ReLU.

    Args:
        channels: of the input, any number.
        num_classes: C.
    """

    same_steps = True

    def __init__(self, *, channels: int, num_classes: int) -> None:
        super().__init__()
        self.network = _network(channels)
        self.network.conv_1x1.activation = nn.Identity()
        self.dim = self.network.conv_1x1.convolution.out_channels
        self.map_dims = (*WIDTHS, self.dim)
        self.classifier = nn.Linear(self.dim, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are the outputs at strides 4, 8, 16 and the last at 32."""
        outputs = self.network(x, output_hidden_states=True)
        last = outputs.last_hidden_state
        return self.outputs(*(outputs.hidden_states[i] for i in ENDS), last)

    @override
    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        pretrained.adopt(self.network, weights, PREFIX, "mobilenet-v2")


class Encoder(nn.Module):
    """The stem and the blocks of MobileNetV2 under a dense network's head.

    The 1x1 convolution to 1,280 channels, which serves classification, is left out, as in DeepLab's
    own use of this network.

    Args:
        channels: of the input, any number.
        output_stride: of the last block's map, 8, 16 or 32; below 32 later convolutions are
            dilated, so that at every second or fourth position they give what they gave.

    Attributes:
        network: which has the weights.
        prefix: of their names in a checkpoint.
        map_dims: channels of the maps.
    """

    prefix: ClassVar = PREFIX

    def __init__(self, channels: int, output_stride: int) -> None:
        super().__init__()
        self.output_stride = output_stride
        self.network = _network(channels, output_stride)
        self.network.conv_1x1 = nn.Identity()
        self.map_dims = (*WIDTHS, LAST_WIDTH)

    def maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the last block and of three before, for inputs [N, channels, H, W]."""
        hidden = self.network(x, output_hidden_states=True).hidden_states
        return (*(hidden[i] for i in ENDS), hidden[-1])


def _network(channels: int, output_stride: int = 32) -> "MobileNetV2Model":
    """Transformers' MobileNetV2.

    Its batch normalisation has torch's momentum, not that of TensorFlow which transformers takes
    over and which would keep statistics of the last batch alone.
    """
    from transformers import MobileNetV2Config, MobileNetV2Model  # slow to import

    config = MobileNetV2Config(num_channels=channels, output_stride=output_stride, tf_padding=False)
    network = MobileNetV2Model(config, add_pooling_layer=False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return network
