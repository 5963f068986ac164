"""fd-cmkd with cutoff="learn": what its formulas (test_fd_cmkd.py) do not show."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import INFO, small_fold, small_trial
from reference import DIM, OTHER_DIM, batch, build
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Outputs
from fdsweep.trainers.features.learned_cutoff import temperature
from fdsweep.trainers.replicate import run_replicate

OFF = {"freq": False, "logmse": False}


def names(**options: Any) -> set[str]:
    return {name for name, _ in build("fd-cmkd", **options).named_parameters()}


def test_one_scalar_is_trained_beside_the_rest_and_starts_in_the_middle() -> None:
    assert names(cutoff="learn") - names() == {"cutoff.theta"}
    distiller = build("fd-cmkd", cutoff="learn")
    assert distiller.get_parameter("cutoff.theta").shape == ()
    assert distiller.measures() == {"cutoff": 0.5}


def test_the_cutoff_is_told_where_it_is_learned() -> None:
    distiller = build("fd-cmkd", cutoff="learn")
    distiller.get_parameter("cutoff.theta").data.fill_(math.log(3))
    assert distiller.measures() == {"cutoff": pytest.approx(0.75)}
    assert build("fd-cmkd").measures() == {}
    assert build("kd").measures() == {}


def test_without_freq_there_is_nothing_to_learn() -> None:
    learned, fixed = build("fd-cmkd", cutoff="learn", **OFF), build("fd-cmkd", **OFF)
    assert names(cutoff="learn", **OFF) == names(**OFF)
    assert learned.measures() == {}
    assert_close(learned(*batch()), fixed(*batch()), rtol=0, atol=0)


@pytest.mark.parametrize(("dim", "bins"), [(512, 256), (128, 64), (127, 63)])
def test_the_edge_narrows_geometrically(dim: int, bins: int) -> None:
    widths = np.array([temperature(dim, epoch, 11) for epoch in range(11)])
    assert widths[0] == pytest.approx(bins / 8)
    assert widths[5] == pytest.approx(math.sqrt(bins / 8 * 0.1))
    assert widths[10] == pytest.approx(0.1)
    np.testing.assert_allclose(np.diff(np.log(widths), 2), 0, atol=1e-12)
    assert widths[1] < widths[0]


@pytest.mark.parametrize(("dim", "first"), [(1, 0.1), (2, 0.125), (7, 0.375)])
def test_few_bins_have_an_edge_too(dim: int, first: float) -> None:
    widths = [temperature(dim, epoch, 3) for epoch in range(3)]
    assert widths == pytest.approx([first, math.sqrt(first * 0.1), 0.1])


def test_a_single_epoch_has_the_edge_of_the_last() -> None:
    assert temperature(512, 0, 1) == temperature(512, 4, 5) == pytest.approx(0.1)


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize("basis", ["fourier", "random"])
@pytest.mark.parametrize("scale", [False, True])
def test_the_gradient_of_every_term_is_right(scale: bool, basis: str, teacher_dim: int) -> None:
    """Against finite differences: it flows through the bands of the teacher as well."""
    distiller = build("fd-cmkd", teacher_dim, cutoff="learn", basis=basis, scale=scale)
    inputs = batch(teacher_dim)

    def terms(theta: Tensor) -> tuple[Tensor, ...]:
        values = functional_call(distiller, {"cutoff.theta": theta}, inputs)
        return tuple(values[name] for name in ("low", "high", "align", "heads"))

    distiller.epochs = 2
    assert torch.autograd.gradcheck(terms, torch.tensor(0.3, requires_grad=True))


@pytest.mark.parametrize(("bin_number", "head"), [(12, "high"), (20, "low")])
def test_a_head_draws_the_edge_past_the_bin_that_it_lacks(bin_number: int, head: str) -> None:
    """Of 32 bins one carries the classes, as its phase; it starts in the other head's band."""
    labels, dim = torch.arange(64) % 4, 64
    wave = 2 * math.pi * bin_number * torch.arange(dim) / dim
    student = Outputs(3 * torch.cos(wave + labels[:, None] * math.pi / 2), torch.zeros(64, 4))
    torch.manual_seed(0)
    distiller = distillers.build(
        "fd-cmkd", num_classes=4, student_dim=dim, teacher_dim=dim, cutoff="learn"
    )
    distiller.epochs = 2
    optimizer = torch.optim.SGD(distiller.parameters(), lr=0.1)
    for _ in range(40):
        optimizer.zero_grad()
        cross_entropy(distiller.heads(student)[head], labels).backward()
        optimizer.step()
    edge = 32 * distiller.measures()["cutoff"]
    assert edge < bin_number if head == "high" else edge > bin_number


@pytest.mark.parametrize("basis", ["fourier", "random"])
def test_training_moves_it_and_an_interrupted_replicate_ends_the_same(
    basis: str, tmp_path: Path
) -> None:
    trial = small_trial(str(tmp_path), options={"cutoff": "learn", "basis": basis}, epochs=3)
    snapshot: dict[str, Any] = {}

    def keep(history: Any, take: Any) -> None:
        if history.epochs == 2:
            snapshot.update(copy.deepcopy(take()))

    whole = run_replicate(trial, INFO, small_fold(), 0, on_epoch=keep)
    assert run_replicate(trial, INFO, small_fold(), 0, resume=snapshot) == whole
    cutoffs = [value for _, _, name, value in whole["curves"] if name == "cutoff"]
    assert len(set(cutoffs)) == 3
    assert all(0.3 < value < 0.7 for value in cutoffs)
