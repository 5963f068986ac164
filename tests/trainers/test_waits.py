"""How often the host waits for its GPU: never in a step, a few times an epoch."""

from collections import Counter
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pytest
import torch
from conftest import DENSE, INFO, dense_fold, dense_trial, small_fold, small_trial
from device import DEVICE, operations, pretended
from PIL import Image

from fdsweep.trainers import distillers
from fdsweep.trainers.backbones.bert import Bert
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.features.pixels import labelled
from fdsweep.trainers.loaders import training_views
from fdsweep.trainers.loop import train_epoch
from fdsweep.trainers.modalities import Payload, find
from fdsweep.trainers.replicate import make_roles

CPU = torch.device("cpu")
STEPS, BATCH, MOST = 2, 3, 5
SAMPLES = [name for name in distillers.names() if not distillers.specimen(name, {}).dense_only]


def epoch(make_fold, make_trial, info, method, device):
    """Losses of an epoch of STEPS steps, and where the host waits in it, how often."""
    trial, fold = make_trial(".", method=method), make_fold()
    optim = replace(trial.config.network.optim, batch_size=BATCH)
    config = replace(trial.config, network=replace(trial.config.network, optim=optim))
    few = replace(fold, train=fold.train[: STEPS * BATCH])
    with pretended() as places:
        there, runtime = few.to(device), Runtime.here(device)
        roles = make_roles(config, info, there, 0, storage=".", runtime=runtime)
        optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.01)
        places.clear()
        losses = train_epoch(config, 0, 0, there, roles, optimizer)
    return losses, Counter(places)


@pytest.mark.parametrize("method", SAMPLES)
def test_no_step_waits_and_an_epoch_a_few_times(method):
    _, found = epoch(small_fold, small_trial, INFO, method, DEVICE)
    assert set(found.values()) == {1}, found
    assert len(found) <= MOST, found


@pytest.mark.parametrize(("method", "times"), [("kd", 1), ("cirkd-v2", 7)])
def test_where_pixels_are_samples_a_step_waits_for_their_number(method, times):
    """CIRKD's queues of rows want to know more: which classes a picture has, what is held."""
    _, found = epoch(dense_fold, dense_trial, DENSE, method, DEVICE)
    assert sum(count for count in found.values() if count > 1) == times * STEPS, found


def test_the_device_that_is_none_computes_what_a_cpu_does():
    losses, _ = epoch(small_fold, small_trial, INFO, "kd", DEVICE)
    assert losses == epoch(small_fold, small_trial, INFO, "kd", CPU)[0]


def test_waits_are_noticed_and_so_are_mixed_devices():
    numbers = torch.arange(4.0)
    with pretended() as places:
        x = numbers.to(DEVICE, non_blocking=True)
        x.add_(1).sum()
        assert places == []
        for wait in (
            lambda: x.to("cpu"),
            lambda: x.sum().item(),
            lambda: x.tolist(),
            lambda: x[x > 2],
            lambda: x[torch.tensor([1])],
            lambda: labelled(x.long()),
            lambda: numbers.to(DEVICE),
            lambda: torch.tensor([1.0], device=DEVICE),
            lambda: x.new_tensor([1.0]),
        ):
            places.clear()
            wait()
            assert len(places) == 1
        with pytest.raises(RuntimeError, match="of the device and of the host"):
            x + numbers


DRAWN = np.random.default_rng(0)
KINDS = {
    "frames": ((40,), lambda: [Image.fromarray(DRAWN.integers(0, 255, (50, 40, 3), np.uint8))]),
    "scene-picture": ((8, 9), lambda: DRAWN.integers(0, 255, (10, 12, 3), np.uint8)),
    "scene-depth": ((8, 9), lambda: DRAWN.integers(0, 6000, (10, 12), np.uint16)),
    "scene-labels": ((8, 9), lambda: DRAWN.integers(0, 5, (10, 12), np.uint8)),
    "spectrogram-window": ((8, 30, 20), lambda: DRAWN.random((8, 30), np.float32)),
    "tokens": ((12,), lambda: list(range(1, 6))),
}


@pytest.mark.parametrize("name", KINDS)
def test_no_batch_of_any_kind_is_waited_for(name):
    shape, make = KINDS[name]
    kind = find(Payload(name, shape))
    cells = [kind.encode(make()) for _ in range(5)]
    held = kind.hold([cells], 5, reduce(add, map(kind.extent, cells)), 1)
    batches, draws = (torch.tensor([1, 4]), torch.tensor([0, 3])), torch.rand(5, 24)
    expected = list(training_views(held, batches, 0, name, 0))
    with pretended() as places:
        there = held.to(DEVICE)
        if name == "frames":
            there = replace(there, pixels=there.pixels.to(DEVICE))
        places.clear()
        found = list(training_views(there, batches, 0, name, 0))
        kind.view(kind.decode(cells, draws), draws, DEVICE)
        assert places == []
    for ours, other in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.inner, other, atol=0.02, rtol=0)  # a CPU resizes bytes

    def step(size: int) -> None:
        list(there.batches([torch.arange(size)], [draws[:size]]))
        kind.view(kind.decode(cells[:size], draws[:size]), draws[:size], DEVICE)

    assert operations(lambda: step(5)) == operations(lambda: step(2))


def test_a_text_is_not_looked_at_on_the_host():
    with torch.random.fork_rng():
        network = Bert(channels=50, num_classes=3, layers=1, width=64).eval()
    texts = torch.tensor([[5, 7, 9, 0, 0], [1, 2, 3, 4, 5]])
    expected = network(texts).logits
    with pretended() as places:
        network.to(DEVICE)
        there = texts.to(DEVICE)
        places.clear()
        found = network(there).logits
        assert places == []
    torch.testing.assert_close(found.inner, expected)
