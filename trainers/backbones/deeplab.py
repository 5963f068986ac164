"""DeepLabV3+ for pictures, on the encoders of resnet.py and mobilenet.py."""

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones import (
    Backbone,
    init_weights,
    mobilenet,
    pretrained,
    registry,
    resnet,
)
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import resized

WIDTH = 256
LOW_WIDTH = 48
"""Channels that the decoder takes from the encoder's map at stride 4."""

RATES = (6, 12, 18)
"""Of the pyramid's dilated convolutions at output stride 16; at 8 they are doubled."""


class DeepLab(Backbone):
    """DeepLabV3+ (Chen et al., ECCV 2018, arXiv 1802.02611) for inputs [N, channels, H, W].

    The encoder's last map goes through a pyramid of dilated convolutions, is resized to stride 4
    and, beside the encoder's own map there, through two convolutions of 256 channels: D. Their
    output before its ReLU is the last map; features and logits are at stride 4.

    The 3x3 convolutions of pyramid and decoder are separable, depthwise and then pointwise, with
    batch normalisation and ReLU after either: the paper's final variant (section 4.3) and
    the default of its authors' code (tensorflow/models, research/deeplab). That code's dropout of
    0.1 after the pyramid, which the paper does not mention, is left out, so that several workers
    give the numbers of one.

    Args:
        name: as users type it.
        encoder: whose first map is at stride 4, and the last at its output stride.
        num_classes: C.
    """

    dense: ClassVar = True
    same_steps = True

    def __init__(
        self,
        name: str,
        encoder: resnet.Encoder | mobilenet.Encoder,
        *,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.name = name
        self.encoder = encoder
        self.map_dims = (*encoder.map_dims, WIDTH)
        self.dim = WIDTH
        rates = [rate * 16 // encoder.output_stride for rate in RATES]
        self.pyramid = Pyramid(encoder.map_dims[-1], rates)
        self.low = nn.Sequential(*_layer(encoder.map_dims[0], LOW_WIDTH))
        *decoder, _relu = *_separable(WIDTH + LOW_WIDTH, WIDTH), *_separable(WIDTH, WIDTH)
        self.decoder = nn.Sequential(*decoder)
        self.classifier = nn.Linear(WIDTH, num_classes)
        init_weights(self)

    @override
    def forward(self, x: Tensor) -> Outputs:
        """Maps are the encoder's four and that of the decoder.

        Raises:
            ConfigError: a batch of a single picture, in training.
        """
        maps = self.encoder.maps(x)
        low = self.low(maps[0])
        context = resized(self.pyramid(maps[-1]), *low.shape[2:])
        return self.outputs(*maps, self.decoder(torch.cat([context, low], dim=1)))

    @override
    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        """Start the encoder from the `weights` of a network for classification."""
        pretrained.adopt(self.encoder.network, weights, self.encoder.prefix, self.name)


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: [N, channels, h, w] to [N, WIDTH, h, w].

    A 1x1 convolution, one dilated by each of `rates`, and one of the mean over all positions stand
    side by side; a 1x1 convolution makes one map of them.
    """

    def __init__(self, channels: int, rates: Iterable[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList([
            nn.Sequential(*_layer(channels, WIDTH)),
            *(nn.Sequential(*_separable(channels, WIDTH, rate)) for rate in rates),
        ])  # fmt: skip
        self.whole = nn.Sequential(*_layer(channels, WIDTH))
        self.project = nn.Sequential(*_layer(WIDTH * (len(self.branches) + 1), WIDTH))

    @override
    def forward(self, x: Tensor) -> Tensor:
        try:
            whole = self.whole(x.mean(dim=(2, 3), keepdim=True))
        except ValueError:  # of batch normalisation, which sees one number per channel
            raise ConfigError(
                "a batch of one picture, whose mean has nothing to be normalised by",
                "batch_size of a DeepLab network",
                "Give 2 or more",
            ) from None
        branches = [branch(x) for branch in self.branches]
        out: Tensor = self.project(torch.cat([*branches, whole.expand_as(branches[0])], dim=1))
        return out


def _layer(
    channels: int, width: int, kernel: int = 1, *, dilation: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    padding = dilation * (kernel // 2)
    convolution = nn.Conv2d(
        channels, width, kernel, padding=padding, dilation=dilation, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)


def _separable(channels: int, width: int, dilation: int = 1) -> tuple[nn.Module, ...]:
    depthwise = _layer(channels, channels, 3, dilation=dilation, groups=channels)
    return *depthwise, *_layer(channels, width)


@registry.register("deeplab-resnet18")
def deeplab_resnet18(*, channels: int, num_classes: int) -> DeepLab:
    """On ResNet-18 at output stride 8."""
    return DeepLab("deeplab-resnet18", resnet.Encoder(channels, 8), num_classes=num_classes)


@registry.register("deeplab-resnet18-os16")
def deeplab_resnet18_os16(*, channels: int, num_classes: int) -> DeepLab:
    """On ResNet-18 at output stride 16."""
    return DeepLab("deeplab-resnet18-os16", resnet.Encoder(channels, 16), num_classes=num_classes)


@registry.register("deeplab-mobilenet-v2")
def deeplab_mobilenet_v2(*, channels: int, num_classes: int) -> DeepLab:
    """On MobileNetV2 at output stride 8."""
    return DeepLab("deeplab-mobilenet-v2", mobilenet.Encoder(channels, 8), num_classes=num_classes)


@registry.register("deeplab-mobilenet-v2-os16")
def deeplab_mobilenet_v2_os16(*, channels: int, num_classes: int) -> DeepLab:
    """On MobileNetV2 at output stride 16."""
    return DeepLab(
        "deeplab-mobilenet-v2-os16", mobilenet.Encoder(channels, 16), num_classes=num_classes
    )
