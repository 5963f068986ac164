"""Methods where samples have sets of labels, [N, C] of 0 and 1."""

import numpy as np
import pytest
import torch
from reference import C, N, batch, build
from torch.distributions import Bernoulli, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from fdsweep.trainers import distillers, tasks
from fdsweep.trainers.distillers import Outputs, base

SETS = torch.from_numpy(np.random.default_rng(4).integers(0, 2, (N, C)).astype(np.float64))
TASK = tasks.find("multilabel")
TAKEN = [
    name for name in distillers.names()
    if not (one := distillers.specimen(name, {})).dense_only and not one.one_label
]  # fmt: skip


@pytest.mark.parametrize("name", [*TAKEN, "kd+fd-cmkd"])
def test_terms_are_finite_and_the_student_learns_from_them(name):
    student, teacher, _ = batch()
    found = build(name).double().losses(student, (teacher,), SETS, TASK.loss)
    assert found["task"] == binary_cross_entropy_with_logits(student.logits, SETS)
    assert all(value.shape == () and value.isfinite() for value in found.values())
    found["total"].backward()
    assert student.logits.grad.abs().sum() > 0


def test_those_that_need_one_label_say_why():
    methods = {name: distillers.specimen(name, {}) for name in distillers.names()}
    refused = {name for name, one in methods.items() if one.one_label and not one.dense_only}
    assert refused == {"dkd", "c2kd", "unpaired"}
    assert distillers.specimen("kd+dkd", {}).one_label == methods["dkd"].one_label


def test_kd_is_the_divergence_of_each_class_by_itself():
    student, teacher, _ = batch()
    found = build("kd", temperature=2.0)(student, teacher, SETS)["kd"]
    of_each = (Bernoulli(logits=one.logits / 2.0) for one in (teacher, student))
    assert found.item() == pytest.approx(4 * kl_divergence(*of_each).mean().item())
    exact = torch.tensor([[60.0, -60.0]], dtype=torch.float64)  # sure of either: no NaN
    assert base.logit_divergence(-exact, exact, 1.0, SETS[:1, :2]).item() == pytest.approx(60)


def test_a_single_class_is_two_that_exclude_each_other():
    z = torch.randn(2, N, 1, generator=torch.Generator().manual_seed(0)).double()
    both = torch.cat([z, torch.zeros_like(z)], dim=-1)
    alone = base.logit_divergence(*z, 4.0, SETS[:, :1])
    assert alone.item() == pytest.approx(base.soft_divergence(*both, 4.0).item())


def test_dist_relates_the_probabilities_of_each_class():
    student, teacher, _ = batch()
    found = build("dist", temperature=2.0)(student, teacher, SETS)
    p, q = (1 / (1 + np.exp(-x.logits.detach().numpy() / 2)) for x in (student, teacher))
    inter = np.mean([1 - np.corrcoef(*rows)[0, 1] for rows in zip(p, q, strict=True)])
    intra = np.mean([1 - np.corrcoef(*rows)[0, 1] for rows in zip(p.T, q.T, strict=True)])
    assert found["inter"].item() == pytest.approx(4 * inter)
    assert found["intra"].item() == pytest.approx(4 * intra)


def test_the_classifiers_of_bands_learn_every_class_by_itself():
    student, teacher, _ = batch()
    method = build("fd-cmkd").double()
    heads = method.heads(student)
    expected = sum(binary_cross_entropy_with_logits(heads[band], SETS) for band in ("low", "high"))
    assert method(student, teacher, SETS)["heads"].item() == pytest.approx(expected.item())
    assert isinstance(student, Outputs)
