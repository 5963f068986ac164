"""DeepLabV3+: its encoders against those that step, its head against plain sums."""

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import backbones
from fdsweep.trainers.backbones import Backbone, mobilenet, resnet
from fdsweep.trainers.backbones.deeplab import Pyramid

ENCODERS = {"resnet18": resnet.Encoder, "mobilenet-v2": mobilenet.Encoder}
STRIDES = {8: (4, 8, 8, 8), 16: (4, 8, 16, 16), 32: (4, 8, 16, 32)}
NAMES = {(net, stride): f"deeplab-{net}{suffix}" for net in ENCODERS for stride, suffix in
         ((8, ""), (16, "-os16"))}  # fmt: skip


@cache
def without_weights(net: str, output_stride: int) -> Backbone:
    """For 3 channels and 40 classes, quickly built, for what shows without numbers."""
    with torch.device("meta"):
        network = backbones.build(NAMES[net, output_stride], channels=3, num_classes=40)
    return network.to_empty(device="cpu").eval()


@pytest.fixture(scope="module", params=ENCODERS)
def plain(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    """An encoder at stride 32 whose maps vary: it has normalised a batch."""
    torch.manual_seed(0)
    encoder = ENCODERS[request.param](3, 32)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias, std=0.1)
            module.momentum = 1.0
    with torch.no_grad():
        encoder.maps(torch.randn(4, 3, 48, 64))
    return request.param, encoder.eval()


@pytest.mark.parametrize("output_stride", [8, 16])
@torch.inference_mode()
def test_a_dilated_encoder_gives_where_the_other_steps_what_that_gives(
    plain: tuple[str, nn.Module], output_stride: int
) -> None:
    """Exactly, at the borders too: zeros stand in both for what lies outside."""
    net, stepping = plain
    with torch.device("meta"):
        dilated = ENCODERS[net](3, output_stride)
    dilated.load_state_dict(stepping.state_dict(), assign=True)
    x = torch.randn(1, 3, 45, 70)
    pairs = zip(dilated.eval().maps(x), stepping.maps(x), strict=True)
    for (fine, coarse), own, stride in zip(pairs, STRIDES[output_stride], STRIDES[32], strict=True):
        assert fine.shape[2:] == (-(-45 // own), -(-70 // own))
        every = stride // own
        assert coarse.std(dim=(2, 3)).mean() > 0.1
        assert_close(fine[..., ::every, ::every], coarse, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("net", "output_stride"), NAMES)
def test_pictures_of_any_size_are_seen_at_a_quarter(net: str, output_stride: int) -> None:
    network = without_weights(net, output_stride)
    with torch.inference_mode():
        outputs = network(torch.zeros(1, 3, 33, 50))
    assert outputs.features.shape == (1, 256, 9, 13)
    assert outputs.logits.shape == (1, 40, 9, 13)
    assert outputs.maps is not None
    strides = (*STRIDES[output_stride], 4)
    assert [tuple(x.shape[2:]) for x in outputs.maps] == [
        (-(-33 // s), -(-50 // s)) for s in strides
    ]
    assert tuple(x.shape[1] for x in outputs.maps) == network.map_dims


def layer(inward: int, outward: int) -> int:
    """Weights of a 1x1 convolution and its batch normalisation."""
    return inward * outward + 2 * outward


def separable(inward: int, outward: int) -> int:
    """Those of one that takes 3x3 of each channel, then one that takes all channels."""
    return 9 * inward + 2 * inward + layer(inward, outward)


def mobilenet_blocks() -> int:
    """Weights of the blocks in the table of Sandler et al., without the last convolution."""
    count, inward = 9 * 3 * 32 + 2 * 32, 32
    table = [(1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1)]
    for expansion, outward, times in table:
        for _ in range(times):
            wide = expansion * inward
            count += layer(inward, wide) * (expansion > 1) + separable(wide, outward)
            inward = outward
    return count


@pytest.mark.parametrize(
    ("net", "low", "deep", "encoder"),
    [("resnet18", 64, 512, 11_176_512), ("mobilenet-v2", 24, 320, mobilenet_blocks())],
)
def test_the_number_of_weights_is_the_published_architectures(
    net: str, low: int, deep: int, encoder: int
) -> None:
    pyramid = 2 * layer(deep, 256) + 3 * separable(deep, 256) + layer(5 * 256, 256)
    decoder = layer(low, 48) + separable(256 + 48, 256) + separable(256, 256)
    expected = encoder + pyramid + decoder + 256 * 40 + 40
    for output_stride in (8, 16):
        network = without_weights(net, output_stride)
        assert sum(p.numel() for p in network.parameters()) == expected


@pytest.mark.parametrize(("output_stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_the_rates_are_the_published_ones(output_stride: int, rates: list[int]) -> None:
    network = without_weights("mobilenet-v2", output_stride)
    modules = network.get_submodule("pyramid").modules()
    convolutions = [x for x in modules if isinstance(x, nn.Conv2d) and x.kernel_size == (3, 3)]
    assert [x.dilation for x in convolutions] == [(rate, rate) for rate in rates]


def test_the_pyramid_agrees_with_plain_sums() -> None:
    torch.manual_seed(0)
    pyramid = Pyramid(2, [1, 3]).double().eval()
    weights = [x.weight for x in pyramid.modules() if isinstance(x, nn.Conv2d)]
    one, across1, along1, across3, along3, whole, project = weights

    def mixed(weight: Tensor, x: Tensor) -> Tensor:
        return F.relu(torch.einsum("oi,nihw->nohw", weight[:, :, 0, 0], x) / (1 + 1e-5) ** 0.5)

    def gathered(weight: Tensor, x: Tensor, rate: int) -> Tensor:
        h, w = x.shape[2:]
        total = torch.zeros_like(x)
        for i in range(h):
            for j in range(w):
                for a in range(3):
                    for b in range(3):
                        y, z = i + rate * (a - 1), j + rate * (b - 1)
                        if 0 <= y < h and 0 <= z < w:
                            total[:, :, i, j] += weight[:, 0, a, b] * x[:, :, y, z]
        return F.relu(total / (1 + 1e-5) ** 0.5)

    x = torch.randn(2, 2, 4, 5, dtype=torch.float64)
    branches = [
        mixed(one, x),
        mixed(along1, gathered(across1, x, 1)),
        mixed(along3, gathered(across3, x, 3)),
        mixed(whole, x.mean(dim=(2, 3), keepdim=True).expand(-1, -1, 4, 5)),
    ]
    with torch.no_grad():
        assert_close(pyramid(x), mixed(project, torch.cat(branches, dim=1)))


def test_a_single_picture_can_be_predicted_but_not_trained_on() -> None:
    network = backbones.build("deeplab-mobilenet-v2", channels=1, num_classes=3)
    x = torch.randn(1, 1, 17, 17)
    assert network.eval()(x).logits.shape == (1, 3, 5, 5)
    with pytest.raises(ConfigError, match=r"batch_size of a DeepLab network: a batch of one pict"):
        network.train()(x)
