"""What a worker resumes from; the rest runs in the tests on a cluster."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from fdsweep.trainers import worker
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.trials.usage import Usage

STATE = {"outcomes": {0: "{}"}}


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """The folder of the checkpoint that Ray would hand over."""

    class Checkpoint:
        @contextlib.contextmanager
        def as_directory(self):
            yield tmp_path

    monkeypatch.setattr(worker.ray.train, "get_checkpoint", Checkpoint)
    return tmp_path / worker.CHECKPOINT


def test_a_checkpoint_of_the_same_trial_is_resumed(checkpoint):
    torch.save({"schema": worker.SCHEMA, "key": "k", **STATE}, checkpoint)
    assert worker._load_checkpoint("k")["outcomes"] == STATE["outcomes"]


@pytest.mark.parametrize(
    "head", [{"schema": worker.SCHEMA, "key": "other"}, {"schema": 1, "key": "k"}, {"key": "k"}]
)
def test_one_of_another_trial_or_of_an_older_fdsweep_is_left_aside(checkpoint, head):
    torch.save({**head, **STATE}, checkpoint)
    assert worker._load_checkpoint("k") == {}


@pytest.mark.parametrize("size", [0, 100, -1])
def test_training_starts_again_from_a_damaged_checkpoint(checkpoint, size, capsys):
    torch.save({"schema": worker.SCHEMA, "key": "k", **STATE}, checkpoint)
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[:size] if size >= 0 else b"\xff" * len(content))
    assert worker._load_checkpoint("k") == {}
    assert "training starts again" in capsys.readouterr().err


def test_what_is_reported_is_what_is_loaded(checkpoint, monkeypatch):
    told = []

    def report(metrics, checkpoint=None):
        told.append(metrics)
        if checkpoint is not None:
            place.write_bytes((Path(checkpoint.path) / worker.CHECKPOINT).read_bytes())

    place = checkpoint
    monkeypatch.setattr(worker.ray.train, "report", report)
    worker._report("k", {"epoch": 1}, None)
    assert not place.exists()
    worker._report("k", {"epoch": 2}, STATE)
    assert told == [{"epoch": 1}, {"epoch": 2}]
    assert worker._load_checkpoint("k")["outcomes"] == STATE["outcomes"]


def test_an_epoch_is_told_with_its_own_curves_and_now_and_then_the_machine(monkeypatch):
    told = []
    monkeypatch.setattr(worker, "_report", lambda key, metrics, state: told.append(metrics))
    optim = SimpleNamespace(epochs=3)
    config = SimpleNamespace(network=SimpleNamespace(optim=optim))
    trial = SimpleNamespace(key="k", config=config, checkpoint_seconds=60.0)
    watch = worker._Watch(trial, 7, {}, Usage(torch.device("cpu")), 0.0)
    history = History("accuracy", val_score=0.5)
    for epoch in range(3):
        history.epochs += 1
        history.curves += [(epoch, "train", "loss_total", 2.0), (epoch, "val", "accuracy", 0.5)]
        watch.epoch(history, dict)
    first, second = told  # the third is the replicate's end
    assert (first["seed"], first["epoch"], first["score"]) == (7, 1, 0.5)
    assert second["curves"] == history.curves[2:4]
    assert "process_cpu_percentage" in dict(first["usage"])
    assert second["usage"] == []
