"""What a sweep says of encoders of transformers, and of batches in parts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fdsweep.orchestrator.studies.manifest import make_manifest
from fdsweep.orchestrator.studies.plan import make_cells, sweep_name
from fdsweep.search_spaces.errors import ConfigError, FdsweepError
from fdsweep.search_spaces.fields import parse_numbers
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import backbones, datasets, tasks

INFO = datasets.find("watch").info
TINY = {
    **{"model_type": "wav2vec2", "hidden_size": 32, "num_hidden_layers": 2},
    **{"num_attention_heads": 2, "intermediate_size": 48, "num_conv_pos_embeddings": 16},
    **{"conv_dim": [16, 24], "conv_stride": [2, 2], "conv_kernel": [4, 4]},
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture
def losses():
    return override(load_preset("losses"), directions=("accelerometer->gyroscope",))


def cells_of(sweep, **given):
    return make_cells(override(sweep, **given), INFO)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"freeze": 0.5}, "freeze of accelerometer: cnn1d has none: only an encoder hf:NAME has"),
        ({"adapters": {"gyroscope": 4}}, "adapters of gyroscope: cnn1d has none"),
        ({"freeze": {"audio": 0.5}}, "no modality 'audio'|unknown modality 'audio'"),
        ({"accumulate": 4}, "accumulate, row .*: cnn1d normalises over the batch"),
        ({"gradient_checkpointing": True}, "no network here can compute its blocks again"),
        ({"backbones": {"gyroscope": "hf:./nowhere"}}, "nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(losses, given, message):
    with pytest.raises(FdsweepError, match=message):
        cells_of(losses, **given)


def test_a_method_that_compares_samples_is_refused_in_parts():
    sweep = override(
        load_preset("losses").model_copy(update={"rows": (row("unpaired"),)}), accumulate=2
    )
    with pytest.raises(ConfigError, match="unpaired compares the samples of a batch"):
        make_cells(sweep, INFO)
    assert tasks.find("segmentation").couples_samples  # void pixels make its mean another


def row(method):
    return load_preset("losses").rows[0].model_copy(update={"name": method, "method": method,
                                                            "options": {}})  # fmt: skip


def test_numbers_are_for_all_modalities_or_for_each():
    assert parse_numbers(["0.5"], "--freeze", float) == 0.5
    assert parse_numbers(["a=1", "b=2"], "--adapters", int) == {"a": 1, "b": 2}
    for wrong in (["much"], ["a=much"], ["1", "2"]):
        with pytest.raises(ConfigError, match="--freeze"):
            parse_numbers(wrong, "--freeze", float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"freeze": 2.0}, r"freeze\.all: Input should be less than or equal to 1, not 2\.0"),
        ({"freeze": {"a": "much"}}, r"freeze\.each\.a: Input should be a valid number, not 'much'"),
        ({"adapters": {"a": -1}}, r"adapters\.each\.a: Input should be greater than or equal to 0"),
    ],
)
def test_a_number_that_cannot_be_is_named(losses, given, message):
    with pytest.raises(ConfigError, match=message):
        override(losses, **given)


@pytest.mark.slow
def test_what_an_encoder_is_made_from_names_its_results(losses, tmp_path: Path):
    def write(folder, **config):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text(json.dumps(TINY | config))
        return {"gyroscope": f"hf:{tmp_path / folder}"}

    def look(**given):
        sweep = override(losses, **given)
        cells = make_cells(sweep, INFO)
        return sweep_name(sweep, cells), cells[0].key, cells

    one = write("a")
    name, key, _ = look(backbones=one)
    assert look(backbones=write("b", transformers_version="4"))[:2] == (name, key)
    wider = write("c", hidden_size=64)
    others = [
        look(backbones=wider),
        *(look(backbones=one, **{field: {"gyroscope": value}})
          for field, value in (("freeze", 0.5), ("adapters", 2))),
    ]  # fmt: skip
    assert len({name, *(other[0] for other in others)}) == 4
    assert len({key, *(other[1] for other in others)}) == 4
    again = look(backbones=one, gradient_checkpointing=True)
    assert again[:2] == (name, key)  # no number changes
    network = again[2][0].config.network
    assert network.gradient_checkpointing
    assert (network.backbone, network.backbone_version) == ("hf:wav2vec2", 1)
    assert backbones.traits("hf:wav2vec2", 3, 7, tuple(network.backbone_options.items())).recomputes
    frozen = override(losses, backbones=one, freeze={"gyroscope": 0.5})
    setting = make_manifest(frozen, make_cells(frozen, INFO), INFO).setting
    assert setting.backbones["gyroscope"] == "hf:wav2vec2, freeze 0.5"
    with pytest.raises(ConfigError, match="cnn1d normalises over the batch"):  # the teacher's
        look(backbones=one, accumulate=4)
    both = dict.fromkeys(("gyroscope", "accelerometer"), one["gyroscope"])
    assert look(backbones=both, accumulate=4)[2][0].config.network.optim.accumulate == 4
    assert replace(network, gradient_checkpointing=False).teacher_key == network.teacher_key
