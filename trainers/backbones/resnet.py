"""ResNets for images and spectrograms, built by transformers and never downloaded."""

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone, init_weights, pretrained, registry
from fdsweep.trainers.features.outputs import Outputs


@registry.register("resnet18")
class ResNet18(Backbone):
    """ResNet-18 (He et al., CVPR 2016) for inputs [N, channels, H, W], randomly initialised.

    The last block ends without its ReLU, which comes where the last map is pooled. Weights and
    inputs may be channels-last.

    Args:
        channels: of the input, any number.
        num_classes: C.
    """

    def __init__(self, *, channels: int, num_classes: int) -> None:
        from transformers import ResNetConfig, ResNetModel  # slow to import

        super().__init__()
        config = ResNetConfig(
            num_channels=channels,
            layer_type="basic",
            depths=[2, 2, 2, 2],
            embedding_size=64,
            hidden_sizes=[64, 128, 256, 512],
        )
        network = ResNetModel(config)
        self.stem = network.embedder
        self.stages = network.encoder.stages
        self.stages[-1].layers[-1].activation = nn.Identity()
        self.map_dims = tuple(config.hidden_sizes)
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
        pretrained.adopt(body, weights, "resnet.", "resnet18")
