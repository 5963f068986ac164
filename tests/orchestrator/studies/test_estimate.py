"""What a plan will cost: measured on the device and with the checkpoints of the study."""

from types import SimpleNamespace

import pandas as pd
import pytest
import safetensors.torch
import torch
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.execution import cluster
from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.execution.devices import starts
from fdsweep.orchestrator.studies import estimate, study
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import backbones
from fdsweep.trainers.backbones.cnn import CNN1d

NOTHING = pd.DataFrame(columns=["dataset", "wall_seconds", "epochs"])


@pytest.fixture(autouse=True)
def no_starts_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("FDSWEEP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def planned(tmp_path):
    sweep = override(load_preset("components"), seeds=(0,), epochs=2)

    def plan(**request):
        options = StudyOptions(storage=str(tmp_path), request=ResourceRequest(**request))
        return study.prepare(sweep, options)

    return plan


def at_a_time(monkeypatch, trials):
    monkeypatch.setattr(estimate, "local_resources", lambda _: SimpleNamespace(concurrent=trials))


def test_a_first_dry_run_with_a_checkpoint_measures_it(tmp_path, monkeypatch):
    """The checkpoint lies in the storage that was asked for, wherever the command is typed."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    network = backbones.build("cnn1d", channels=3, num_classes=7)
    safetensors.torch.save_file(network.state_dict(), folder / "model.safetensors")
    monkeypatch.setattr(CNN1d, "load_pretrained", CNN1d.load_state_dict)
    path = tmp_path / "mine.yaml"
    path.write_text("rows: [{name: a, method: none}]\ndirections: [accelerometer->gyroscope]\n")
    monkeypatch.chdir(folder)
    words = ["run", str(path), "--dry-run", "--storage", str(tmp_path / "runs")]
    result = CliRunner().invoke(app, [*words, "--pretrained", f"gyroscope={folder}"])
    assert result.exit_code == 0, result.stderr
    assert "measured just now" in result.stdout


@pytest.mark.parametrize(("gpus", "device"), [(None, "cuda"), (1, "cuda"), (0, "cpu")])
def test_no_gpu_is_touched_where_none_is_asked_for(planned, monkeypatch, gpus, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    used = []
    monkeypatch.setattr(
        estimate, "seconds_per_epoch", lambda *given: used.append(given[-1].type) or 1.5
    )
    one = planned(gpus=gpus)
    cost = estimate.estimate(one.plan, one.options.request, one.dataset, NOTHING)
    assert used == [device]
    assert cluster.local_device(one.options.request).type == device
    assert cost.seconds > 0


def test_of_a_cluster_that_is_joined_nothing_is_measured_here(planned, monkeypatch):
    monkeypatch.setattr(estimate, "seconds_per_epoch", lambda *given: pytest.fail("measured"))
    one = planned(address="10.0.0.1:1")
    cost = estimate.estimate(one.plan, one.options.request, one.dataset, NOTHING)
    assert (cost.seconds, cost.basis, cost.concurrent) == (None, "nothing measured yet", 0)


def test_finished_replicates_are_the_better_measure(planned, monkeypatch):
    monkeypatch.setattr(estimate, "seconds_per_epoch", lambda *given: pytest.fail("measured"))
    one = planned(gpus=0)
    history = pd.DataFrame(
        {"dataset": ["watch"] * 3, "wall_seconds": [10.0, 20.0, 90.0], "epochs": [10, 10, 10],
         "method": ["kd"] * 3}
    )  # fmt: skip
    at_a_time(monkeypatch, 2)
    cost = estimate.estimate(one.plan, one.options.request, one.dataset, history)
    assert cost.basis == "from 3 finished replicates"
    assert cost.seconds == pytest.approx(2.0 * 2 * (2 + 16) / 2)


def test_starts_count_as_the_last_ones_did(planned, monkeypatch):
    """Once for each place, then between one trial and the next."""
    one = planned(gpus=0)
    history = pd.DataFrame({"dataset": ["watch"], "wall_seconds": [20.0], "epochs": [10],
                            "method": ["fd-cmkd"]})  # fmt: skip
    at_a_time(monkeypatch, 2)
    assert (len(one.plan.teachers), len(one.plan.students)) == (2, 16)

    def cost():
        return estimate.estimate(one.plan, one.options.request, one.dataset, history)

    assert "a guess" in cost().words()
    starts.keep("", ray=3.0, first=7.0, later=0.5, report=2.0)
    assert cost().seconds == pytest.approx(4 * (1 + 8))
    assert cost().starts == pytest.approx(3 + 2 + 7 + 0.5 * 8)
    assert "by the last starts here" in cost().words()
    at_a_time(monkeypatch, 4)
    # Two places start later, at 11 s each, and the two others train 5 of 16 students each.
    assert cost().starts == pytest.approx(3 + 2 + 7 + (5 * 4.5 - 4 * 4))
