"""Checkpoints in the true format, written by transformers itself."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import INFO, network
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.keys import content_key
from fdsweep.trainers import backbones, teachers
from fdsweep.trainers.backbones import pretrained
from fdsweep.trainers.datasets import Modality


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import ResNetConfig, ResNetForImageClassification

    folder = tmp_path_factory.mktemp("checkpoint")
    config = ResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512])
    torch.manual_seed(7)
    ResNetForImageClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def kept(resnet: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A storage that has the checkpoint, and its digest."""
    storage = str(tmp_path_factory.mktemp("kept"))
    return storage, pretrained.keep(storage, str(resnet))


def reference(folder: Path, pictures: torch.Tensor) -> torch.Tensor:
    """Transformers' own pooled output, which is that after the last ReLU."""
    from transformers import ResNetModel

    with torch.no_grad():
        return ResNetModel.from_pretrained(folder).eval()(pictures).pooler_output.flatten(1)


def test_a_checkpoint_is_kept_by_its_content_and_gives_its_network(
    resnet: Path, kept: tuple[str, str]
) -> None:
    storage, digest = kept
    assert pretrained.keep(storage, str(resnet)) == digest
    built = backbones.build("resnet18", channels=3, num_classes=4)
    built.load_pretrained(pretrained.load(storage, digest))
    pictures = torch.randn(2, 3, 64, 64)
    assert_close(built.eval()(pictures).embedding(), reference(resnet, pictures))


def test_one_channel_sees_what_three_equal_ones_see(resnet: Path, kept: tuple[str, str]) -> None:
    weights = pretrained.load(*kept)
    grey = backbones.build("resnet18", channels=1, num_classes=4)
    grey.load_pretrained(weights)
    picture = torch.randn(2, 1, 64, 64)
    expected = reference(resnet, picture.expand(-1, 3, -1, -1))
    assert_close(grey.eval()(picture).embedding(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert-small", "mobilenet-v2"])
def test_other_networks_take_theirs(name: str, tmp_path: Path) -> None:
    given = backbones.build(name, channels=3, num_classes=2)
    given.network.save_pretrained(tmp_path / "checkpoint")
    digest = pretrained.keep(str(tmp_path), str(tmp_path / "checkpoint"))
    taken = backbones.build(name, channels=3, num_classes=2)
    taken.load_pretrained(pretrained.load(str(tmp_path), digest))
    assert_close(taken.network.state_dict(), given.network.state_dict(), rtol=0, atol=0)


def test_dense_networks_take_that_of_their_encoder(resnet: Path, kept: tuple[str, str]) -> None:
    weights = pretrained.load(*kept)
    with torch.device("meta"):  # quickly: no weights are drawn
        taken, other = (
            backbones.build(name, channels=3, num_classes=2)
            for name in ("deeplab-resnet18", "deeplab-mobilenet-v2")
        )
    taken.to_empty(device="cpu").load_pretrained(weights)
    own = {f"resnet.{name}": x for name, x in taken.encoder.network.state_dict().items()}
    body = {name: x for name, x in weights.items() if not name.startswith("classifier.")}
    assert_close(own, body, rtol=0, atol=0)
    with pytest.raises(ConfigError, match=r"--pretrained for deeplab-mobilenet-v2: conv_stem.* is"):
        other.load_pretrained(weights)


def test_networks_start_from_it_and_their_keys_say_so(resnet: Path, kept: tuple[str, str]) -> None:
    storage, digest = kept
    plain = replace(network("left"), backbone="resnet18")
    config = replace(plain, pretrained=digest)
    assert config.teacher_key != plain.teacher_key
    assert content_key(network=plain) == content_key(network=replace(config, pretrained=""))
    info = replace(INFO, modalities=(Modality("left", 3, "resnet18"),))
    built = teachers.build(config, info, 0, "student-init", storage)
    pictures = torch.randn(2, 3, 64, 64)
    assert_close(built.eval()(pictures).embedding(), reference(resnet, pictures))


def test_what_cannot_be_used_is_said_in_a_sentence(kept: tuple[str, str], tmp_path: Path) -> None:
    weights = pretrained.load(*kept)
    with pytest.raises(ConfigError, match=r"--pretrained for mobilenet-v2: conv_stem.* is not in"):
        backbones.build("mobilenet-v2", channels=3, num_classes=2).load_pretrained(weights)
    with pytest.raises(ConfigError, match="no checkpoints for this backbone"):
        backbones.build("cnn1d", channels=3, num_classes=2).load_pretrained(weights)
    with pytest.raises(DataError, match=r"there is no model\.safetensors"):
        pretrained.keep(str(tmp_path), str(tmp_path))
    with pytest.raises(DataError, match="no such folder"):
        pretrained.keep(str(tmp_path), "./nowhere")
    with pytest.raises(DataError, match="the checkpoint is gone"):
        pretrained.load(str(tmp_path), "0" * 20)


def test_a_hub_that_cannot_be_reached_is_said_and_nothing_else_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"--pretrained nobody/nothing: cannot be fetched from the"):
        pretrained.keep(str(tmp_path), "nobody/nothing")
