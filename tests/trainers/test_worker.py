"""What a worker resumes from; the rest runs in the tests on a cluster."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from ray.exceptions import RayError

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


def test_a_gpu_without_memory_is_told_with_what_helps():
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")
    assert worker._failure(error)["error"] == (
        "CUDA out of memory. Tried to allocate 2.00 GiB: the GPU's memory is full. Give each "
        "trial more of a GPU (--gpus-per-trial), or smaller batches (batch_size)."
    )


@pytest.mark.parametrize("usable", [True, False])
def test_a_point_that_leaves_its_gpu_of_no_use_ends_its_process(monkeypatch, usable):
    """Another point would be given the same process, whose every use of the GPU fails."""
    told = []

    def broken(*given):
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(worker, "_report", lambda key, metrics, state: told.append(metrics))
    monkeypatch.setattr(worker, "_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(worker, "_load_checkpoint", lambda key: {})
    monkeypatch.setattr(worker, "Tuning", broken)
    monkeypatch.setattr(worker.distributed, "is_usable", lambda device: usable)
    point = SimpleNamespace(key="k")
    if usable:
        worker.tune(point, bool)
        assert "device-side assert" in told[0]["outcome"]
    else:
        with pytest.raises(RayError, match="the GPU failed: RuntimeError: CUDA error"):
            worker.tune(point, bool)
        assert told == []
