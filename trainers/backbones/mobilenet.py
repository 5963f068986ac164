"""MobileNetV2 for images and spectrograms, built by transformers."""

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone, init_weights, pretrained, registry
from fdsweep.trainers.features.outputs import Outputs

ENDS = (1, 4, 11)
"""Of the sixteen blocks, the last ones at strides 4, 8 and 16."""


@registry.register("mobilenet-v2")
class MobileNetV2(Backbone):
    """MobileNetV2 (Sandler et al., CVPR 2018) for inputs [N, channels, H, W].

    The last convolution ends without its ReLU6; where the last map is pooled there is a ReLU.
    Batch normalisation has torch's momentum, not that of TensorFlow which transformers takes over
    and which would keep statistics of the last batch alone.

    Args:
        channels: of the input, any number.
        num_classes: C.
    """

    def __init__(self, *, channels: int, num_classes: int) -> None:
        from transformers import MobileNetV2Config, MobileNetV2Model  # slow to import

        super().__init__()
        config = MobileNetV2Config(num_channels=channels, tf_padding=False)
        self.network = MobileNetV2Model(config, add_pooling_layer=False)
        self.network.conv_1x1.activation = nn.Identity()
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.1
        widths = [block.reduce_1x1.convolution.out_channels for block in self.network.layer]
        self.dim = self.network.conv_1x1.convolution.out_channels
        self.map_dims = (*(widths[i] for i in ENDS), self.dim)
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
        pretrained.adopt(self.network, weights, "mobilenet_v2.", "mobilenet-v2")
