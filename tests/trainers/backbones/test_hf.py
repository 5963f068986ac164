"""Encoders of transformers at tiny sizes: configurations that the tests write themselves."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import INFO, network, small_fold, small_trial
from torch import Tensor
from torch.testing import assert_close

from fdsweep.search_spaces.configs import NetworkConfig
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers import backbones, teachers
from fdsweep.trainers.backbones import Backbone, architecture, freezing, pretrained
from fdsweep.trainers.datasets import DatasetInfo, Fold, Modality
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.replicate import run_replicate

SMALL = {
    **{"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "intermediate_size": 48,
}
SEEN = {**SMALL, "image_size": 32, "patch_size": 8}
HEARD = {
    **{**SMALL, "conv_dim": [16, 24], "conv_stride": [4, 2], "conv_kernel": [8, 4]},
    **{"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2, "layerdrop": 0.3},
}
READ = {**SMALL, "vocab_size": 50, "max_position_embeddings": 64}
KINDS: dict[str, dict[str, Any]] = {
    "vit": SEEN,
    "clip_vision_model": SEEN,
    "wav2vec2": HEARD,
    "llama": READ,
}
"""Their configurations, but for the kind: a ViT, CLIP's tower, sound, and a decoder of texts."""

MORE: dict[str, dict[str, Any]] = {
    **{"dinov2": {**SEEN, "num_register_tokens": 0}, "bert": READ},
    "swin": {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1],
             "num_heads": [2, 2], "window_size": 4},
    "convnext": {"hidden_sizes": [16, 32], "depths": [1, 1], "num_stages": 2},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 50, "n_positions": 64},
    "vitpose_backbone": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                         "image_size": [32, 64], "patch_size": [8, 8]},
    "t5": {"d_model": 32, "num_layers": 2, "num_heads": 2, "d_kv": 16, "d_ff": 48,
           "vocab_size": 50},
}  # fmt: skip
TEXTS = {"llama", "bert", "gpt2", "t5"}
WAVES = {"wav2vec2"}
SIZE = (32, 64)


def build(kind: str, channels: int = 3, **options: Any) -> Backbone:
    told = {"model_type": kind, **{**KINDS, **MORE}[kind]}
    name, content = f"hf:{kind}", json.dumps(told)
    return backbones.build(name, channels=channels, num_classes=5, architecture=content, **options)


def inputs(kind: str, channels: int = 3) -> Tensor:
    if kind in TEXTS:
        return torch.tensor([[4, 2, 9, 7, 0, 0], [1, 5, 0, 0, 0, 0]])
    return torch.randn(2, channels, *((500,) if kind in WAVES else SIZE))


def write(folder: Path, **config: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    return f"hf:{folder}"


class TestArchitecture:
    def test_equal_content_is_the_same_wherever_it_lies(self, tmp_path: Path) -> None:
        one = write(tmp_path / "a", model_type="vit", **SEEN, transformers_version="4.0.0")
        other = write(tmp_path / "b", **SEEN, model_type="vit", architectures=["ViTModel"])
        picture = Payload("picture")
        assert architecture.read(one, picture) == architecture.read(other, picture)
        assert architecture.read(one, picture)[0] == "hf:vit"
        wider = write(tmp_path / "b", model_type="vit", **{**SEEN, "hidden_size": 64})
        assert architecture.read(one, picture) != architecture.read(wider, picture)

    def test_of_several_towers_a_modality_gets_its_own(self, tmp_path: Path) -> None:
        towers = {"vision_config": SEEN, "text_config": READ}
        name = write(tmp_path / "clip", model_type="clip", **towers)
        kinds = {"picture": "hf:clip_vision_model", "tokens": "hf:clip_text_model"}
        assert {kind: architecture.read(name, Payload(kind))[0] for kind in kinds} == kinds

    def test_texts_may_be_too_long(self, tmp_path: Path) -> None:
        name = write(tmp_path / "a", model_type="llama", **READ)
        assert architecture.read(name, Payload("tokens", (64,)))[0] == "hf:llama"
        with pytest.raises(ConfigError, match="it reads 64 tokens, and a text here has up to 65"):
            architecture.read(name, Payload("tokens", (65,)))

    def test_a_hub_that_cannot_be_reached_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(DataError, match="backbone nobody/nothing: cannot be fetched from"):
            architecture.read("hf:nobody/nothing", Payload("picture"))

    def test_what_is_no_model_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"there is no config\.json"):
            architecture.read(f"hf:{tmp_path}", Payload("picture"))
        with pytest.raises(ConfigError, match=r"its config\.json names no model_type"):
            architecture.read(write(tmp_path / "a", hidden_size=3), Payload("picture"))
        with pytest.raises(ConfigError, match="hf:nonsense: transformers can make no network"):
            backbones.build(
                "hf:nonsense", channels=1, num_classes=2, architecture='{"model_type": "nonsense"}'
            )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *MORE])
class TestEveryEncoder:
    def test_it_keeps_the_contract_of_backbones(self, kind: str) -> None:
        channels = 60 if kind in TEXTS else 3
        net, x = build(kind, channels).eval(), inputs(kind)
        outputs = net(x)
        assert outputs.maps is not None
        assert tuple(m.shape[1] for m in outputs.maps) == net.map_dims
        last = outputs.maps[-1].flatten(2)
        assert_close(outputs.features, last.relu().mean(2))
        assert_close(outputs.logits, net.classifier(outputs.features))
        if kind not in TEXTS | WAVES:
            stride = (SIZE[0] * SIZE[1] / last.shape[2]) ** 0.5
            assert stride == 8  # no class or register token is left
        net.train()
        outputs = net(x)
        (outputs.logits.square().sum() + sum(m.sum() for m in outputs.maps)).backward()
        trained = [p for p in net.parameters() if p.requires_grad]
        assert all(p.grad is not None for p in trained)
        assert {name for name, p in net.network.named_parameters() if p.grad is None} == net.unused

    def test_what_is_frozen_stays_and_what_is_adapted_moves_little(self, kind: str) -> None:
        channels = 60 if kind in TEXTS else 3
        for options in ({"freeze": 0.5}, {"adapters": 2}, {"freeze": 0.5, "adapters": 2}):
            torch.manual_seed(0)
            net = build(kind, channels, **options).train()
            trained = {name for name, x in net.named_parameters() if x.requires_grad}
            before = {name: x.clone() for name, x in net.state_dict().items()}
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
            for _ in range(2):  # an adapter's first factor has no gradient while the other is 0
                optimizer.zero_grad()
                net(inputs(kind)).logits.square().sum().backward()
                optimizer.step()
            moved = {name for name, x in net.state_dict().items() if (x != before[name]).any()}
            assert {"classifier.weight"} < moved <= trained
            first, *_, last = freezing.blocks_of(net.network)
            has_moved = [any(f".{block}." in name for name in moved) for block in (first, last)]
            is_still = "freeze" in options or ("adapters" in options and kind in WAVES)
            assert has_moved == [not is_still, True]  # a wave's first blocks are convolutions
            if "adapters" in options:
                body = {name for name in moved if name.startswith("network.")}
                assert all(".lora_" in name for name in body)

    def test_computing_again_changes_no_bit(self, kind: str) -> None:
        net, x = build(kind, 60 if kind in TEXTS else 3), inputs(kind)
        if not net.recomputes:
            with pytest.raises(ConfigError, match="holds what its layers give"):
                net.recompute()
            return
        grads = []
        for again in (False, True):
            if again:
                net.recompute()
            net.zero_grad()
            torch.manual_seed(1)
            net.train()(x).logits.square().sum().backward()
            grads.append([p.grad.clone() for p in net.parameters() if p.grad is not None])
        assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


SAMPLES = 120
STUDIED = {
    "left": Modality("left", 50, "cnn1d", Payload("tokens", (8,))),
    "right": Modality("right", 1, "cnn1d", Payload("picture")),
}


def studied(teacher: str, student: str) -> tuple[DatasetInfo, Fold]:
    """Random samples for both kinds of encoder, teacher left and student right."""
    draw, inputs_of = torch.Generator().manual_seed(0), {}
    for name, kind in (("left", teacher), ("right", student)):
        if kind in TEXTS:
            values = torch.randint(1, 50, (SAMPLES, 8), generator=draw)
        else:
            shape = (2, 200) if kind in WAVES else (1, 16, 24)
            values = torch.randn(SAMPLES, *shape, generator=draw)
        inputs_of[name] = Plain(values)
    channels = {name: 50 if kind in TEXTS else 2 if kind in WAVES else 1
                for name, kind in (("left", teacher), ("right", student))}  # fmt: skip
    info = replace(INFO, modalities=tuple(Modality(m, c, "cnn1d") for m, c in channels.items()))
    return info, replace(small_fold(), inputs=inputs_of)


def encoder(modality: str, kind: str, **options: Any) -> NetworkConfig:
    told = json.dumps({"model_type": kind, **KINDS[kind]})
    own = {"architecture": told, **options}
    return replace(network(modality, epochs=1), backbone=f"hf:{kind}", backbone_options=own)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("teacher", "student", "method"),
    [
        ("vit", "llama", "fd-cmkd"),
        ("vit", "llama", "unpaired"),
        ("llama", "vit", "afd"),
        ("wav2vec2", "clip_vision_model", "pkd-maps"),
        ("clip_vision_model", "wav2vec2", "c2kd"),
    ],
)
def test_they_teach_and_learn_from_end_to_end(
    teacher: str, student: str, method: str, tmp_path: Path
) -> None:
    """As a trained teacher, then as a student that is adapted, kept, and loaded again."""
    import safetensors.torch

    from fdsweep.search_spaces import layout
    from fdsweep.search_spaces.storage import Storage
    from fdsweep.trainers.students.keeping import NETWORK
    from fdsweep.trainers.students.model import load_kept
    from fdsweep.trainers.students.record import all_records

    storage = str(tmp_path)
    info, fold = studied(teacher, student)
    taught_by = encoder("left", teacher)
    base = small_trial(storage, method=method, epochs=1)
    alone = replace(base.config, network=taught_by, method="none", options={}, teachers=())
    key = taught_by.teacher_key
    run_replicate(replace(base, kind="teacher", key=key, config=alone), info, fold, 0)
    own = encoder("right", student, freeze=0.5, adapters=2)
    config = replace(base.config, network=own, teachers=(taught_by,), teacher_state="trained")
    trial = replace(base, config=config, key=config.key, keep="all")
    outcome = run_replicate(trial, info, fold, 0)
    assert outcome["epochs"] == 1
    kept = Storage(storage)
    (record,) = all_records(kept)
    loaded = load_kept(storage, record)
    views = fold.inputs["right"].values[fold.test]
    content = safetensors.torch.load(kept.read(layout.student_weights(record.key, 0)))
    assert any(".lora_" in name for name in content)
    own_weights = {n.removeprefix(NETWORK): x for n, x in content.items() if n.startswith(NETWORK)}
    assert_close(dict(loaded.network.network.state_dict()), own_weights, rtol=0, atol=0)
    predicted = loaded.logits(views).argmax(dim=1).tolist()
    assert predicted == outcome["kept"]["prediction"]


@pytest.mark.slow
class TestPretrained:
    @pytest.mark.parametrize("options", [{}, {"adapters": 2}, {"freeze": 1.0}])
    def test_a_tower_starts_from_a_checkpoint_of_all(
        self, options: dict[str, Any], tmp_path: Path
    ) -> None:
        """Whatever is beside it; an adapter starts as if it were not there."""
        from transformers import CLIPConfig, CLIPModel

        whole = CLIPModel(CLIPConfig(vision_config=SEEN, text_config=READ)).eval()
        whole.save_pretrained(tmp_path / "clip")
        name, told = architecture.read(f"hf:{tmp_path / 'clip'}", Payload("picture"))
        digest = pretrained.keep(str(tmp_path), str(tmp_path / "clip"))
        weights = pretrained.load(str(tmp_path), digest)
        net = backbones.build(name, channels=3, num_classes=2, architecture=told, **options).eval()
        net.load_pretrained(weights)
        x = torch.randn(2, 3, 32, 32)
        with torch.no_grad():
            expected = whole.vision_model(x).last_hidden_state[:, 1:]
            assert_close(net(x).maps[-1].flatten(2).mT, expected)
        grey = backbones.build(name, channels=1, num_classes=2, architecture=told).eval()
        grey.load_pretrained(weights)
        with torch.no_grad():
            one = x[:, :1]
            assert_close(grey(one).features, net(one.expand(-1, 3, -1, -1)).features)

    def test_sound_and_texts_do_too_and_others_are_refused(self, tmp_path: Path) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM, Wav2Vec2Config, Wav2Vec2ForCTC

        heard, read = Wav2Vec2ForCTC(Wav2Vec2Config(**HEARD)), LlamaForCausalLM(LlamaConfig(**READ))
        for kind, model in (("wav2vec2", heard), ("llama", read)):
            model.save_pretrained(tmp_path / kind)
            weights = pretrained.load(
                str(tmp_path), pretrained.keep(str(tmp_path), str(tmp_path / kind))
            )
            net = build(kind, channels=1)
            net.load_pretrained(weights)
            own, given = net.network.state_dict(), model.base_model.state_dict()
            assert_close(dict(own), dict(given), rtol=0, atol=0)
            with pytest.raises(ConfigError, match=r"--pretrained for hf:vit: .* is not in it"):
                build("vit").load_pretrained(weights)
        with pytest.raises(ConfigError, match=r"embed_tokens.weight is \[50, 32\], not \[60, 32\]"):
            build("llama", channels=60).load_pretrained(weights)

    def test_a_replicate_starts_from_it(self, tmp_path: Path) -> None:
        model = build("vit", channels=3).network
        model.save_pretrained(tmp_path / "vit")
        digest = pretrained.keep(str(tmp_path), str(tmp_path / "vit"))
        config = replace(encoder("right", "vit"), pretrained=digest)
        info, _ = studied("llama", "vit")
        built = teachers.build(config, info, 0, "student-init", str(tmp_path)).network.state_dict()
        for name, x in model.state_dict().items():
            given = x.sum(1, keepdim=True) if x.ndim == 4 else x  # pictures of one channel
            assert_close(built[name], given)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("vit", {"freeze": 1.5}, r"freeze: 1\.5 is not a share"),
        ("vit", {"adapters": -1}, "adapters: a rank of -1"),
        ("vit", {"freeze": 1.0, "adapters": 2}, "there is no linear layer that trains"),
        ("vit", {"froze": 1.0}, "unknown option of hf:vit 'froze'"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(kind, **options)


@pytest.mark.slow
def test_without_peft_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"adapters: peft is not installed\. Install them: pip"):
        build("vit", adapters=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "whisper", "d_model": 32, "encoder_layers": 1, "decoder_layers": 1,
          "encoder_attention_heads": 2, "decoder_attention_heads": 2, "vocab_size": 50,
          "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}, "cannot be used as an encoder"),
        ({"model_type": "detr"}, r"cannot be made here \(\w"),  # asks for timm
        ({"model_type": "encoder-decoder"}, "transformers has no encoder of this kind"),
    ],
)  # fmt: skip
def test_a_network_of_another_kind_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"hf:{config['model_type']}: {message}"):
        backbones.build("hf:x", channels=1, num_classes=2, architecture=json.dumps(config))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vit", "clip_vision_model", "dinov2"])
@pytest.mark.parametrize("size", [(32, 32), (24, 64)])
def test_positions_are_stretched_as_transformers_does(kind: str, size: tuple[int, int]) -> None:
    from transformers import AutoModel

    net = build(kind).eval()
    source = AutoModel.from_config(net.network.config).eval()
    source.load_state_dict(net.network.state_dict(), strict=False)
    x = torch.randn(2, 3, *size)
    stretches = {} if kind == "dinov2" else {"interpolate_pos_encoding": True}
    expected = source(x, **stretches).last_hidden_state[:, 1:]
    found = net(x).maps[-1]
    assert_close(found.flatten(2).mT, expected)
    name = next(name for name, _ in net.named_parameters() if "position_embed" in name)
    found.square().sum().backward()
    expected.square().sum().backward()
    given = net.get_parameter(name).grad
    assert_close(given, source.get_parameter(name.removeprefix("network.")).grad)
