import math
from dataclasses import replace

import pytest
import torch
from conftest import INFO, small_fold, small_trial

from fdsweep.trainers.backbones import pretrained
from fdsweep.trainers.backbones.cnn import CNN1d
from fdsweep.trainers.trials import probe
from fdsweep.trainers.trials.alone import apart
from fdsweep.trainers.trials.probe import gpu_need, seconds_per_epoch

CPU = torch.device("cpu")


class Small:
    """The small data set, noting what is read."""

    info = INFO

    def __init__(self):
        self.read = ()

    def folds(self, modalities=None):
        self.read = modalities
        return small_fold


def test_it_takes_some_time_and_leaves_the_threads_as_they_were(tmp_path):
    """The teacher of the trial was never trained."""
    threads, dataset = torch.get_num_threads(), Small()
    config = small_trial(str(tmp_path), teacher_state="trained").config
    assert 0 < seconds_per_epoch(config, dataset, str(tmp_path), CPU) < 60
    assert torch.get_num_threads() == threads
    assert dataset.read == ("right", "left")


def test_an_epoch_is_its_steps_and_its_evaluations(tmp_path, monkeypatch):
    """By a clock that one step moves by 3 and one evaluated sample by 1: 5 steps, 50 samples."""
    now = [0.0]
    monkeypatch.setattr(probe.time, "perf_counter", lambda: now[0])

    def train(config, seed, epoch, fold, *others, recorder):
        now[0] += 3 * math.ceil(len(fold.train) / 16)

    def evaluate(roles, fold, modality, part):
        now[0] += len(part)

    monkeypatch.setattr(probe, "train_epoch", train)
    monkeypatch.setattr(probe, "evaluate", evaluate)
    config = small_trial(str(tmp_path), method="none").config
    assert seconds_per_epoch(config, Small(), str(tmp_path), CPU) == 5 * 3 + 50


def test_pretrained_weights_come_from_the_storage_given(tmp_path, monkeypatch):
    """A first run with --pretrained must find the checkpoint that it has just put there."""
    asked = []
    monkeypatch.setattr(pretrained, "load", lambda *where: asked.append(where) or {})
    config = small_trial(str(tmp_path), method="none").config
    monkeypatch.setattr(CNN1d, "load_pretrained", lambda self, weights: None)
    config = replace(config, network=replace(config.network, pretrained="abc"))
    seconds_per_epoch(config, Small(), str(tmp_path), CPU)
    assert asked == [(str(tmp_path), "abc")]


@pytest.mark.slow
def test_a_process_of_its_own_measures_too(tmp_path):
    """As a GPU is measured: the driver leaves it alone."""
    config = small_trial(str(tmp_path), method="none").config
    assert 0 < apart(probe._measure, config, Small(), str(tmp_path), CPU) < 60


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_is_asked_what_trainings_need_of_it(tmp_path):
    configs = [small_trial(str(tmp_path), method=name).config for name in ("none", "fd-cmkd")]
    need = gpu_need(configs, Small(), str(tmp_path), torch.device("cuda"))
    assert 0 < need.busy <= 1
    assert probe.CONTEXT < need.nbytes < need.room
