import time

import pytest
import torch
from conftest import INFO, small_fold, small_trial

from fdsweep.trainers import backbones
from fdsweep.trainers.backbones.bert import Bert
from fdsweep.trainers.datasets import Dataset
from fdsweep.trainers.trials import costs
from fdsweep.trainers.trials.costs import count_flops, measure

CPU = torch.device("cpu")


class Small:
    info = INFO
    view = Dataset.view

    def folds(self, modalities=None):
        return small_fold


def test_flops_are_those_of_every_convolution_and_matrix_product():
    """Three blocks of 8 channels on 24 times, which become 6, 3 and 3; then the classifier."""
    network = backbones.build("cnn1d", channels=2, num_classes=3, width=8)
    by_hand = 2 * 8 * (2 * 7 * 6 + 8 * 3 * 3 + 8 * 3 * 3) + 2 * 8 * 3
    assert count_flops(network.eval(), torch.randn(1, 2, 24)) == by_hand
    assert count_flops(network.eval(), torch.randn(5, 2, 24)) == 5 * by_hand


def test_flops_of_attention_are_counted():
    """Of a layer: four projections, two of four times the width, scores, and their sums."""
    width, tokens = 64, 10
    network = Bert(channels=50, num_classes=3, layers=1, width=width).eval()
    by_hand = 2 * tokens * 12 * width**2 + 2 * 2 * tokens**2 * width + 2 * width * 3
    assert count_flops(network, torch.randint(1, 50, (1, tokens))) == by_hand


def test_a_cost_is_of_the_network_alone_and_leaves_no_trace(tmp_path):
    """feat trains a projection beside the student where widths differ; nobody predicts with it."""
    config = small_trial(str(tmp_path), method="feat").config.network
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    (cost,) = measure([config], Small(), str(tmp_path), CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    network = backbones.build(config.backbone, channels=3, num_classes=3)
    assert cost.parameters == sum(x.numel() for x in network.parameters())
    assert cost.flops == count_flops(network.eval(), torch.randn(1, 3, 24))
    assert cost.batch == config.optim.batch_size
    assert 0 < cost.latency < 60
    assert 0 < cost.batch_latency < 60
    assert cost.device.startswith("one thread of ")


@pytest.mark.parametrize(("patience", "batch"), [(0.0, 1), (0.035, 3), (9.0, 16)])
def test_on_a_cpu_a_batch_is_what_there_is_time_for(patience, batch, tmp_path, monkeypatch):
    """By a clock on which a pass takes a hundredth of a second."""
    now = iter(range(10**6))
    monkeypatch.setattr(costs, "PATIENCE_S", patience)
    monkeypatch.setattr(time, "perf_counter", lambda: next(now) / 100)
    config = small_trial(str(tmp_path), method="none").config.network
    (cost,) = measure([config], Small(), str(tmp_path), CPU)
    assert (cost.latency, cost.batch) == (pytest.approx(0.01), batch)
