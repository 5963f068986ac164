import itertools
from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    C,
    N,
    arrays,
    batch,
    build,
    cross_entropy,
    divergence,
    losses,
    refusal,
    softmax,
)
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers.distillers import Outputs
from fdsweep.trainers.distillers.dist import pearson
from fdsweep.trainers.distillers.dkd import decouple

METHODS = ("kd", "dkd", "dist")
LOGIT_METHODS = (*METHODS, "figkd")
TEMPERATURES = pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])


def check(
    name: str, expected: dict[str, float], epoch: int = 0, epochs: int = 1, **options: object
) -> None:
    distiller = build(name, **options)
    distiller.epoch, distiller.epochs = epoch, epochs
    terms = losses(distiller, *batch())
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(expected, rel=0, abs=1e-10)


def soft(temperature: float) -> tuple[Any, Any, float, Any]:
    """Student's and teacher's probabilities at a temperature, the cross-entropy and the labels."""
    student, teacher, labels = batch()
    (_, z_s), (_, z_t) = arrays(student), arrays(teacher)
    p_s, p_t = softmax(z_s / temperature), softmax(z_t / temperature)
    return p_s, p_t, cross_entropy(z_s, labels), labels.numpy()


@TEMPERATURES
@pytest.mark.parametrize("weight", [0.0, 1.0, 3.5])
def test_kd_is_its_formula(weight: float, temperature: float) -> None:
    p_s, p_t, task, _ = soft(temperature)
    kd = temperature**2 * divergence(p_t, p_s).mean()
    expected = {"task": task, "kd": kd, "total": task + weight * kd}
    check("kd", expected, weight=weight, temperature=temperature)


def parts_of_dkd(temperature: float) -> tuple[list[float], list[float]]:
    p_s, p_t, _, labels = soft(temperature)
    tckd, nckd = [], []
    for s, t, y in zip(p_s, p_t, labels, strict=True):
        b_s, b_t = np.array([s[y], 1 - s[y]]), np.array([t[y], 1 - t[y]])
        q_s, q_t = np.delete(s, y) / (1 - s[y]), np.delete(t, y) / (1 - t[y])
        tckd.append(temperature**2 * float(divergence(b_t, b_s)))
        nckd.append(temperature**2 * float(divergence(q_t, q_s)))
    return tckd, nckd


@TEMPERATURES
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 8.0), (0.0, 2.0), (3.0, 0.0)])
def test_dkd_is_its_formula(alpha: float, beta: float, temperature: float) -> None:
    task = soft(temperature)[2]
    tckd, nckd = (float(np.mean(part)) for part in parts_of_dkd(temperature))
    total = task + alpha * tckd + beta * nckd
    expected = {"task": task, "tckd": tckd, "nckd": nckd, "total": total}
    check("dkd", expected, alpha=alpha, beta=beta, temperature=temperature)


@pytest.mark.parametrize(
    ("options", "epochs", "epoch", "factor"),
    [
        *[({}, 240, epoch, share) for epoch, share in [(0, 0.05), (9, 0.5), (19, 1), (50, 1)]],
        *[({}, 30, 0, 0.4), ({}, 30, 1, 0.8), ({}, 30, 2, 1), ({}, 1, 0, 1)],
        *[({"warmup_share": 0.0}, 240, 0, 1), ({"warmup_share": 0.5}, 4, 0, 0.5)],
    ],
)
def test_dkd_warms_up_linearly(
    options: dict[str, float], epochs: int, epoch: int, factor: float
) -> None:
    task = soft(4.0)[2]
    tckd, nckd = (float(np.mean(part)) for part in parts_of_dkd(4.0))
    expected = {"task": task, "tckd": tckd, "nckd": nckd}
    expected["total"] = task + factor * (tckd + 8 * nckd)
    check("dkd", expected, epoch, epochs, **options)


@TEMPERATURES
def test_the_parts_of_dkd_make_up_kd_for_every_sample(temperature: float) -> None:
    student, teacher, labels = batch()
    p_s, p_t, _, y = soft(temperature)
    tckd, nckd = (
        part.detach().numpy()
        for part in decouple(student.logits, teacher.logits, labels, temperature)
    )
    assert tckd.shape == nckd.shape == (N,)
    np.testing.assert_allclose(
        tckd + (1 - p_t[np.arange(N), y]) * nckd,
        temperature**2 * divergence(p_t, p_s),
        rtol=0,
        atol=1e-10,
    )
    expected = parts_of_dkd(temperature)
    np.testing.assert_allclose([tckd, nckd], expected, rtol=0, atol=1e-10)


@TEMPERATURES
@pytest.mark.parametrize(("beta", "gamma"), [(1.0, 1.0), (0.0, 2.0), (3.0, 0.0)])
def test_dist_is_its_formula(beta: float, gamma: float, temperature: float) -> None:
    p_s, p_t, task, _ = soft(temperature)
    inter = np.mean([1 - np.corrcoef(s, t)[0, 1] for s, t in zip(p_s, p_t, strict=True)])
    intra = np.mean([1 - np.corrcoef(s, t)[0, 1] for s, t in zip(p_s.T, p_t.T, strict=True)])
    inter, intra = temperature**2 * inter, temperature**2 * intra
    total = task + beta * inter + gamma * intra
    expected = {"task": task, "inter": inter, "intra": intra, "total": total}
    check("dist", expected, beta=beta, gamma=gamma, temperature=temperature)


def test_pearson_does_not_see_positive_affine_maps_of_the_teachers_probabilities() -> None:
    p_s, p_t = (torch.as_tensor(x) for x in soft(1.0)[:2])
    scale, shift = torch.rand(N, 1) + 0.1, torch.randn(N, 1)
    relation = pearson(p_s, p_t)
    assert_close(pearson(p_s, scale * p_t + shift), relation, rtol=0, atol=1e-12)
    assert_close(pearson(p_s, shift - scale * p_t), -relation, rtol=0, atol=1e-12)
    assert_close(pearson(p_s, 2 * p_s + 3), torch.ones(N), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("classes", [2, 3, 7, 100])
def test_a_constant_row_has_no_correlation_and_gets_no_gradient(
    classes: int, dtype: torch.dtype
) -> None:
    logits = torch.stack([torch.full((classes,), 0.3), torch.arange(classes) / classes])
    logits = logits.to(dtype).requires_grad_()
    target = torch.arange(classes, 0, -1, dtype=dtype).expand(2, classes)
    correlation = pearson(logits.softmax(-1), target.softmax(-1))
    correlation.sum().backward()
    assert correlation[0] == 0
    assert correlation[1] < -0.1
    assert logits.grad is not None
    assert (logits.grad[0] == 0).all()
    assert logits.grad.isfinite().all()


def test_small_probabilities_are_correlated_as_well() -> None:
    p_s, p_t = (torch.as_tensor(x) for x in soft(1.0)[:2])
    assert_close(pearson(1e-30 * p_s, 1e-30 * p_t), pearson(p_s, p_t))


@pytest.mark.parametrize("name", LOGIT_METHODS)
def test_the_gradient_is_that_of_the_total(name: str) -> None:
    student, teacher, labels = batch()
    distiller = build(name)

    def total(logits: Tensor) -> Tensor:
        return losses(distiller, student._replace(logits=logits), teacher, labels)["total"]

    assert torch.autograd.gradcheck(total, student.logits)
    total(student.logits).backward()
    assert teacher.logits.grad is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LOGIT_METHODS)
def test_values_and_gradients_stay_finite(name: str, dtype: torch.dtype) -> None:
    for classes, spread in itertools.product((2, C), (0.0, 1e-9, 1.0, 1e4)):
        draw = torch.Generator().manual_seed(0)
        z_s, z_t = (spread * torch.randn(N, classes, generator=draw).to(dtype) for _ in range(2))
        z_s.requires_grad_()
        student, teacher = Outputs(z_s, z_s), Outputs(z_t, z_t)
        terms = losses(build(name), student, teacher, torch.arange(N) % classes)
        terms["total"].backward()
        assert all(x.isfinite() and x.dtype == dtype for x in terms.values()), (classes, spread)
        assert z_s.grad is not None
        assert z_s.grad.isfinite().all(), (classes, spread)


@pytest.mark.parametrize("name", [*LOGIT_METHODS, "c2kd"])
def test_nothing_is_read_back_from_the_device(name: str) -> None:
    """Tensors on "meta" have no values: a loss that asks for one, or for a count, fails there."""
    student, teacher, labels = batch()
    outputs = (Outputs(x.features.to("meta"), x.logits.to("meta")) for x in (student, teacher))
    terms = losses(build(name).to("meta"), *outputs, labels.to("meta"))
    assert all(x.is_meta and x.shape == () for x in terms.values())


def test_two_classes_leave_nothing_to_nckd() -> None:
    student, teacher, labels = batch()
    outputs = (Outputs(x.features, x.logits[:, :2]) for x in (student, teacher))
    terms = losses(build("dkd"), *outputs, labels % 2)
    assert terms["nckd"] == 0
    assert terms["tckd"] > 0


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("kd", "weight", 2.0),
        ("kd", "temperature", 2.0),
        ("dkd", "alpha", 2.0),
        ("dkd", "beta", 2.0),
        ("dkd", "temperature", 2.0),
        ("dist", "beta", 2.0),
        ("dist", "gamma", 2.0),
        ("dist", "temperature", 2.0),
    ],
)
def test_every_option_matters(name: str, option: str, value: float) -> None:
    total = losses(build(name), *batch())["total"].item()
    other = losses(build(name, **{option: value}), *batch())["total"].item()
    assert abs(other - total) > 1e-3


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kd", {"weight": -1.0}, "weight: -1.0 is not a weight. Give a number of 0 or more."),
        ("kd", {"temperature": 0.0}, "temperature: 0.0 is too small. Give a number above 0."),
        ("dkd", {"alpha": -1.0}, "alpha: -1.0 is not a weight"),
        ("dkd", {"beta": -1.0}, "beta: -1.0 is not a weight"),
        ("dkd", {"temperature": -4.0}, "temperature: -4.0 is too small"),
        (
            "dkd",
            {"warmup_share": 20.0},
            "warmup_share: 20.0 is not a share. Give a number from 0 to 1.",
        ),
        ("dist", {"beta": -1.0}, "beta: -1.0 is not a weight"),
        ("dist", {"gamma": -1.0}, "gamma: -1.0 is not a weight"),
        ("dist", {"temperature": 0.0}, "temperature: 0.0 is too small"),
    ],
)
def test_a_wrong_option_is_answered_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(build, name, **options)
