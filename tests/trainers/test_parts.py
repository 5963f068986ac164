"""A batch that goes through the networks in parts, whose gradients add up."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from conftest import INFO, small_fold, small_trial
from torch import nn

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.keys import content_key
from fdsweep.trainers import backbones
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import in_parts
from fdsweep.trainers.replicate import run_replicate


class Normed(Backbone):
    """A convolution and a layer norm over its channels."""

    def __init__(self, *, channels: int, num_classes: int) -> None:
        super().__init__()
        self.dim, self.map_dims = 8, (8,)
        self.convolution, self.norm = nn.Conv1d(channels, 8, 5, 2), nn.LayerNorm(8)
        self.classifier = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.outputs(self.norm(F.gelu(self.convolution(x)).mT).mT)


@pytest.fixture
def normed(monkeypatch):
    monkeypatch.setattr(backbones.registry, "_entries", dict(backbones.registry._entries))
    backbones.registry.register("normed")(Normed)
    torch.set_default_dtype(torch.float64)
    yield "normed"
    torch.set_default_dtype(torch.float32)


def trained(fold, storage, method, accumulate, **changes):
    """The student's weights and curves after three epochs of batches of 64."""
    trial = small_trial(storage, method=method, batch_size=64, accumulate=accumulate, **changes)
    teachers = tuple(replace(one, backbone="normed") for one in trial.config.teachers)
    own = replace(trial.config.network, backbone="normed")
    config = replace(trial.config, network=own, teachers=teachers)
    kept = {}

    def look(history, snapshot):
        kept.update(snapshot()["networks"])

    outcome = run_replicate(replace(trial, config=config), INFO, fold, 0, on_epoch=look)
    return kept, outcome["curves"]


@pytest.mark.parametrize(
    ("method", "changes"),
    [("fd-cmkd", {"pairing": "shuffled"}), ("kd+feat", {})],
)
def test_four_times_sixteen_equal_sixty_four(normed, tmp_path, method, changes):
    fold = small_fold()
    inputs = {name: Plain(one.values.double()) for name, one in fold.inputs.items()}
    fold = replace(fold, inputs=inputs)
    whole, curves = trained(fold, str(tmp_path), method, 1, **changes)
    parts, others = trained(fold, str(tmp_path), method, 4, **changes)
    assert whole.keys() == parts.keys()
    for name, x in whole.items():
        torch.testing.assert_close(parts[name], x, rtol=0, atol=1e-6)
    assert any(not torch.equal(parts[name], x) for name, x in whole.items())  # were rounded apart
    for one, other in zip(curves, others, strict=True):
        assert one[:3] == other[:3]
        assert one[3] == pytest.approx(other[3], abs=1e-6)


def test_parts_are_of_equal_size_and_none_is_empty():
    batches = torch.arange(70).split(64)
    assert [len(part) for part in in_parts(batches, 4)] == [16, 16, 16, 16, 2, 2, 2]
    assert torch.cat(tuple(in_parts(batches, 4))).tolist() == list(range(70))
    assert [len(part) for part in in_parts(batches, 1)] == [64, 6]


def test_a_batch_in_parts_is_another_setting_and_one_part_is_none():
    spelt = [content_key(optim=OptimConfig(accumulate=count)) for count in (1, 4)]
    assert spelt[0] == content_key(optim=OptimConfig()) != spelt[1]
    with pytest.raises(ConfigError, match=r"accumulate: a batch of 64 in 65 parts\. Give 1 to 64"):
        OptimConfig(accumulate=65)
