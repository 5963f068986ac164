from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import backbones
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.features.outputs import Outputs

SHAPES = {
    **{"cnn1d": (100,), "cnn2d": (24, 32), "resnet18": (64, 64), "mobilenet-v2": (64, 64)},
    **{"unet": (11, 14), "deeplab-mobilenet-v2": (17, 25)},
}
"""Of a sample without its channels, per backbone that takes signals or pictures."""

PLACES = {"unet": (6, 7), "deeplab-mobilenet-v2": (5, 7)}
"""Of the features and logits of a dense one: at strides 2 and 4."""

ALIKE = {
    *("bert-base", "deeplab-mobilenet-v2-os16"),
    *("deeplab-resnet18", "deeplab-resnet18-os16", "hf"),
}
"""Others with other numbers or another encoder, and slow: their own tests have them."""


OTHER = 2
"""A seed, of whose network the features before the last ReLU are asked for."""


def inputs(name: str, channels: int = 3, rows: int = 4) -> Tensor:
    if name.startswith("bert"):
        return torch.randint(1, channels + 1, [rows, 12]) % channels
    return torch.randn(rows, channels, *SHAPES[name])


@cache
def drawn(name: str, seed: int = 1) -> Backbone:
    """The network of `seed`, with whatever gradients a test left."""
    torch.manual_seed(seed)
    point = "pre-relu" if seed == OTHER else "post-relu"
    return backbones.build(name, channels=3, num_classes=5, features=point)


@pytest.mark.parametrize("name", sorted({*backbones.names()} - ALIKE))
class TestEveryBackbone:
    """What a backbone must do; a new one needs its sample's shape in SHAPES."""

    @pytest.mark.parametrize("channels", [1, 3])
    def test_shapes(self, name: str, channels: int) -> None:
        fresh = backbones.build
        network = drawn(name) if channels == 3 else fresh(name, channels=channels, num_classes=5)
        outputs = network(inputs(name, channels))
        assert isinstance(outputs, Outputs)
        assert network.dense == (name in PLACES)
        assert outputs.features.shape == (4, network.dim, *PLACES.get(name, ()))
        assert outputs.logits.shape == (4, 5, *PLACES.get(name, ()))

    def test_logits_are_of_what_is_pooled_after_the_last_relu_and_features_as_asked(
        self, name: str
    ) -> None:
        network = drawn(name, OTHER).eval()
        assert network.feature_point == "pre-relu"
        given = inputs(name)
        before = network(given)
        network.feature_point = "post-relu"
        after = network(given)
        assert before.maps is not None
        *earlier, last = before.maps
        assert (last < 0).any()
        if name in ("cnn1d", "cnn2d", "resnet18", "unet"):
            assert all((x >= 0).all() for x in earlier)
        assert tuple(x.shape[1] for x in before.maps) == network.map_dims
        seen, pooled = last, F.relu(last)
        if not network.dense:
            seen, pooled = (x.flatten(2).mean(2) for x in (seen, pooled))
        assert_close(before.features, seen)
        assert_close(after.features, pooled)
        weight, bias = network.classifier.weight, network.classifier.bias
        expected = torch.einsum("cd,nd...->nc...", weight, pooled)
        expected += bias.view(-1, *[1] * (expected.ndim - 2))
        for outputs in (before, after):
            assert_close(outputs.logits, expected)

    def test_gradients_reach_every_weight(self, name: str) -> None:
        network = drawn(name)
        outputs = network(inputs(name))
        (outputs.logits.square().sum() + outputs.features.sum()).backward()
        assert all(p.grad is not None and p.grad.any() for p in network.parameters())

    def test_the_seed_decides_the_weights(self, name: str) -> None:
        anew = drawn.__wrapped__
        networks = drawn(name), anew(name), drawn(name, OTHER)
        first, again, other = (list(network.parameters()) for network in networks)
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
        assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))

    def test_an_unknown_option_is_refused(self, name: str) -> None:
        with pytest.raises(ConfigError, match=f"unknown option of {name} 'wdith'"):
            backbones.build(name, channels=3, num_classes=5, wdith=3)


def test_weights_start_as_the_protocol_says() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(300, 200), nn.Conv1d(20, 100, 5), nn.Conv2d(10, 100, 3))
    backbones.init_weights(layers)
    for layer, variance in zip(
        layers, [2 / (300 + 200), 2 / (100 * 5), 2 / (100 * 9)], strict=True
    ):
        weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
        assert not bias.any()
        assert_close(weight.var().item(), variance, rtol=0.05, atol=0)
        assert weight.abs().max() > 1.2 * (3 * variance) ** 0.5  # a uniform law ends before


def test_cnn1d_has_the_published_stages_and_takes_a_width() -> None:
    network = backbones.build("cnn1d", channels=3, num_classes=7, width=16)
    outputs = network(torch.randn(2, 3, 100))
    assert network.dim == 16
    assert outputs.maps is not None
    assert [tuple(x.shape) for x in outputs.maps] == [(2, 16, 25), (2, 16, 13), (2, 16, 13)]
    # convolutions 3·16·7, 16·16·3 twice; batch norm 2·16 three times; classifier 16·7 + 7
    assert sum(p.numel() for p in network.parameters()) == 336 + 768 + 768 + 96 + 119


def test_cnn2d_halves_pictures_three_times() -> None:
    network = backbones.build("cnn2d", channels=1, num_classes=5, width=16)
    outputs = network(torch.randn(2, 1, 48, 66))
    assert outputs.maps is not None
    sizes = [tuple(x.shape[2:]) for x in outputs.maps]
    assert sizes == [(24, 33), (12, 17), (6, 9), (6, 9)]
    # convolutions 1·16·25, 16·16·9 three times; batch norm 2·16 four times; classifier 16·5 + 5
    assert sum(p.numel() for p in network.parameters()) == 400 + 3 * 2304 + 128 + 85


@pytest.mark.parametrize("name", ["cnn1d", "cnn2d", "unet"])
def test_no_width_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"a width of 0\. Give 1 or more"):
        backbones.build(name, channels=3, num_classes=7, width=0)


@pytest.fixture(scope="module")
def resnet18() -> Backbone:
    torch.manual_seed(0)
    return backbones.build("resnet18", channels=3, num_classes=6).eval()


def test_resnet18_has_the_known_number_of_weights(resnet18: Backbone) -> None:
    count = sum(p.numel() for p in resnet18.parameters())
    assert count - (512 * 6 + 6) == 11_176_512


def test_resnet18_agrees_with_its_source_where_that_applies_the_last_relu(
    resnet18: Backbone,
) -> None:
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512])
    source = ResNetModel(config).eval()
    own = resnet18.state_dict()
    renamed = {
        name.replace("embedder", "stem", 1).replace("encoder.", "", 1): name
        for name in source.state_dict()
    }
    source.load_state_dict({theirs: own[ours] for ours, theirs in renamed.items()})
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps, expected = resnet18(x).maps, source(x, output_hidden_states=True).hidden_states[1:]
    for ours, theirs in zip([*maps[:-1], F.relu(maps[-1])], expected, strict=True):
        assert_close(ours, theirs)


def test_resnet18_works_channels_last(resnet18: Backbone) -> None:
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = resnet18(x)
        resnet18.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        outputs = resnet18(x.to(memory_format=torch.channels_last))
    assert outputs.maps[0].is_contiguous(memory_format=torch.channels_last)
    assert_close(outputs.features, expected.features, rtol=1e-4, atol=1e-5)
    assert_close(outputs.logits, expected.logits, rtol=1e-4, atol=1e-5)


def test_bert_base_is_the_published_size() -> None:
    with torch.device("meta"):  # sizes without numbers
        network = backbones.build("bert-base", channels=30522, num_classes=2)
    assert (network.dim, len(network.map_dims)) == (768, 12)
    body = sum(x.numel() for x in network.network.parameters())
    assert round(body / 1e6) == 109  # 110 with the pooler, which is not used
