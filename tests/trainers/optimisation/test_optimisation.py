"""Optimisers and schedules against their formulas, written out by hand."""

import copy
import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from conftest import INFO, small_roles, small_trial

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.loop import epoch_batches, train_epoch
from fdsweep.trainers.optimisation import (
    learning_rate,
    make_optimizer,
    optimizers,
    schedules,
    versioned,
)
from fdsweep.trainers.optimisation.eager import eager
from fdsweep.trainers.replicate import run_replicate

EPOCHS, STEPS = 10, 4
TOP, LAST, POWER = 0.2, 0.01, 0.9
OURS = OptimConfig(epochs=EPOCHS, lr=TOP, final_lr=LAST, power=POWER)


def rates(**changes):
    """Those of all steps of a training, one after the other."""
    optim = replace(OURS, **changes)
    return [learning_rate(optim, e, s, STEPS) for e in range(EPOCHS) for s in range(STEPS)]


def test_unset_the_rate_is_the_publisheds_bit_for_bit():
    """Polynomial decay, stepped once per epoch."""
    for epochs in (3, 30, 100):
        optim = OptimConfig(epochs=epochs)
        for epoch in range(epochs):
            published = 1e-4 + (0.01 - 1e-4) * (1 - epoch / epochs) ** 0.9
            assert {learning_rate(optim, epoch, s, STEPS) for s in range(STEPS)} == {published}


@pytest.mark.parametrize(
    ("schedule", "share"),
    [
        ("polynomial", lambda step, steps: (1 - (step - step % 4) / steps) ** 0.9),
        ("polynomial-per-step", lambda step, steps: (1 - step / steps) ** 0.9),
        ("cosine", lambda step, steps: 0.5 * (1 + math.cos(math.pi * step / steps))),
    ],
)
def test_each_schedule_is_its_formula_with_and_without_a_warm_up(schedule, share):
    plain = rates(schedule=schedule)
    assert plain == pytest.approx([0.01 + 0.19 * share(step, 40) for step in range(40)])
    assert plain[0] == TOP
    assert min(plain) > LAST

    warm = rates(schedule=schedule, warmup_epochs=2.0)
    assert warm[:8] == pytest.approx([0.2 * step / 8 for step in range(1, 9)])
    assert warm[7] == warm[8] == TOP
    assert warm[8:] == pytest.approx([0.01 + 0.19 * share(step, 32) for step in range(32)])


def test_a_warm_up_may_end_within_an_epoch_or_within_a_step():
    half = rates(warmup_epochs=0.5)
    assert half[:4] == pytest.approx([0.1, 0.2, 0.2, 0.2])
    assert half[4] == pytest.approx(0.01 + 0.19 * (1 - 0.5 / 9.5) ** 0.9)
    assert rates(warmup_epochs=0.1)[0] == TOP  # of one step, less than half


def test_a_power_of_0_keeps_the_rate():
    assert set(rates(power=0.0)) == {TOP}


@pytest.mark.parametrize("name", schedules.names())
def test_no_schedule_leaves_the_two_rates_between_which_it_runs(name):
    everywhere = rates(schedule=name, warmup_epochs=1.0)
    assert all(LAST < rate <= TOP for rate in everywhere[STEPS:])
    assert everywhere[STEPS:] == sorted(everywhere[STEPS:], reverse=True)


def one_step(fold, tmp_path, optim):
    """Weights before and after a step on one batch, and the gradient that torch gives."""
    trial = small_trial(str(tmp_path), method="none")
    part = replace(fold, train=fold.train[:16])
    roles = small_roles(trial, part)
    network = roles.student.network
    reference = copy.deepcopy(network).train()
    before = [x.detach().clone() for x in network.parameters()]
    train_epoch(trial.config, 0, 0, part, roles, make_optimizer(optim, network.parameters()))
    (order,) = epoch_batches(part.train, 16, 0, 0)
    logits = reference(part.inputs["right"].values[order]).logits
    torch.nn.functional.cross_entropy(logits, part.labels[order]).backward()
    gradients = [x.grad for x in reference.parameters()]
    return zip(before, network.parameters(), gradients, strict=True)


def test_a_step_of_sgd_adds_the_decay_to_the_gradient(fold, tmp_path):
    optim = replace(OURS, weight_decay=0.3)
    for before, after, gradient in one_step(fold, tmp_path, optim):
        torch.testing.assert_close(after, before - TOP * (gradient + 0.3 * before))


def test_a_step_of_adamw_decays_the_weight_itself(fold, tmp_path):
    """After one step both moments, corrected for their start, are the gradient and its square."""
    optim = replace(OURS, optimizer="adamw", weight_decay=0.3)
    for before, after, gradient in one_step(fold, tmp_path, optim):
        step = gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(after, before * (1 - TOP * 0.3) - TOP * step)


def test_two_steps_of_adamw_are_those_of_the_paper():
    """Algorithm 2 of Loshchilov and Hutter (2019), on one weight; momentum is its beta 1."""
    weight = torch.nn.Parameter(torch.tensor([1.5], dtype=torch.float64))
    optim = replace(OURS, optimizer="adamw", momentum=0.8, weight_decay=0.1)
    optimizer = make_optimizer(optim, [weight])
    w, m, v = 1.5, 0.0, 0.0
    for t, (gradient, lr) in enumerate([(0.5, 0.2), (-2.0, 0.05)], start=1):
        optimizer.param_groups[0]["lr"] = lr
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        m, v = 0.8 * m + 0.2 * gradient, 0.999 * v + 0.001 * gradient**2
        moved = (m / (1 - 0.8**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        w = w - lr * (moved + 0.1 * w)
        assert weight.item() == pytest.approx(w, abs=1e-12)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_eager_optimiser_takes_the_steps_of_torchs_own_to_the_bit(kind):
    given = {torch.optim.SGD: {"momentum": 0.9}, torch.optim.AdamW: {}}[kind]
    found = []
    for made in (kind, eager(kind)):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        optimizer = made(network.parameters(), lr=0.1, weight_decay=0.01, **given)
        for step in range(6):
            optimizer.zero_grad()
            network(torch.randn(8, 5)).square().mean().backward()
            optimizer.step()
            if step == 2:  # goes on from what a checkpoint holds
                state = copy.deepcopy(optimizer.state_dict())
                optimizer = made(network.parameters(), lr=0.5, **given)
                optimizer.load_state_dict(state)
        found.append(([*network.parameters()], optimizer.state_dict()))
    (plain, state), (ours, our_state) = found
    assert all(map(torch.equal, plain, ours))
    assert state["param_groups"] == our_state["param_groups"]
    for number, parts in state["state"].items():
        assert parts.keys() == our_state["state"][number].keys()
        assert all(torch.equal(parts[name], our_state["state"][number][name]) for name in parts)
    assert not ours[0].grad.requires_grad
    assert isinstance(optimizer, kind)


def test_training_does_not_import_torchs_compiler():
    """For torch's own optimisers it would: nearly as long as importing torch itself."""
    code = """
import sys
import torch
from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import make_optimizer
weight = torch.nn.Parameter(torch.ones(3))
for name in ("sgd", "adamw"):
    optimizer = make_optimizer(OptimConfig(optimizer=name), [weight])
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
print("torch._dynamo" in sys.modules)
torch.optim.SGD([weight])
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_adamw_arrives_in_a_replicate(fold, tmp_path):
    sgd, adamw = (
        run_replicate(small_trial(str(tmp_path), method="none", optimizer=name), INFO, fold, 0)
        for name in ("sgd", "adamw")
    )
    assert sgd["curves"] != adamw["curves"]


def test_a_package_adds_a_schedule(install, monkeypatch):
    monkeypatch.setattr(schedules, "_entries", dict(schedules._entries))
    code = (
        "from fdsweep.trainers.optimisation import schedules\n"
        '@schedules.register("halves", version=3)\n'
        "def halves(progress, optim):\n"
        "    return 0.5 ** int(2 * progress.by_step)\n"
    )
    install("halving", "halving", "halves", code, "fdsweep.schedules")
    optim = versioned(replace(OURS, schedule="halves"))
    assert (optim.schedule_version, optim.optimizer_version) == (3, 1)
    assert {learning_rate(optim, e, 0, STEPS) for e in range(5, 10)} == {0.01 + 0.19 * 0.5}


def test_what_there_is():
    assert optimizers.names() == ("adamw", "sgd")
    assert schedules.names() == ("cosine", "polynomial", "polynomial-per-step")
