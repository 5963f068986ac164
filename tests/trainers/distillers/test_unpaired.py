from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import (
    DIM,
    OTHER_DIM,
    C,
    N,
    arrays,
    batch,
    cross_entropy,
    linear,
    losses,
    refusal,
    softmax,
    weights,
)
from reference import build as build_method
from scipy.optimize import linear_sum_assignment, linprog
from torch import Tensor
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers
from fdsweep.trainers.distillers.unpaired import Unpaired
from fdsweep.trainers.features.sinkhorn import sinkhorn

torch.set_num_threads(1)  # threads wait for each other on tensors this small

Array = NDArray[np.float64]
WIDTHS = pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])


def build(teacher_dim: int = DIM, **options: Any) -> Unpaired:
    distiller = build_method("unpaired", teacher_dim, **options)
    assert isinstance(distiller, Unpaired)
    return distiller


def plan_by_hand(cost: Array, epsilon: float, iterations: int) -> Array:
    kernel = np.exp(-cost / epsilon)
    v = np.ones(cost.shape[1])
    for _ in range(iterations):
        u = 1 / len(cost) / (kernel @ v)
        v = 1 / cost.shape[1] / (kernel.T @ u)
    return np.asarray(u[:, None] * kernel * v)


def exact_transport(cost: Array) -> float:
    """The smallest <P, cost> with uniform marginals, by linear programming."""
    n, m = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    sums = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    return float(linprog(cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=sums).fun)


def cosine_cost(x: Array, y: Array) -> Array:
    x, y = (z / np.linalg.norm(z, axis=1, keepdims=True) for z in (x, y))
    return np.asarray(1 - x @ y.T)


def random_cost(n: int, m: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(n * m).uniform(0, 2, (n, m)))


@pytest.mark.parametrize("shape", [(6, 6), (5, 8), (1, 3)])
def test_the_plan_is_that_of_the_scaling_algorithm(shape: tuple[int, int]) -> None:
    cost = random_cost(*shape)
    for epsilon, iterations in [(0.1, 1), (0.1, 7), (0.5, 100)]:
        plan = sinkhorn(cost, epsilon, iterations)
        assert_close(
            plan.numpy(), plan_by_hand(cost.numpy(), epsilon, iterations), rtol=0, atol=1e-12
        )


@pytest.mark.parametrize("shape", [(6, 6), (5, 8)])
def test_a_smaller_epsilon_comes_closer_to_the_exact_optimum(shape: tuple[int, int]) -> None:
    cost = random_cost(*shape)
    exact = exact_transport(cost.numpy())
    values = []
    for epsilon in (1.0, 0.3, 0.1, 0.03, 0.01, 0.003):
        plan = sinkhorn(cost, epsilon, 10000)
        assert_close(plan.sum(0), torch.full([shape[1]], 1 / shape[1]))
        assert_close(plan.sum(1), torch.full([shape[0]], 1 / shape[0]), rtol=0, atol=1e-4)
        values.append(float((plan * cost).sum()))
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(exact, rel=0, abs=1e-4)
    assert values[0] > exact + 0.1


def test_the_assignment_is_found_at_an_epsilon_where_kernels_underflow() -> None:
    cost = random_cost(7, 7)
    rows, columns = linear_sum_assignment(cost.numpy())
    plan = sinkhorn(cost, 1e-4, 20000)
    assert not np.exp(-cost.numpy() / 1e-4).sum(1).all()
    assert_close(float((plan * cost).sum()), float(cost[rows, columns].mean()), rtol=0, atol=1e-6)


def test_the_plan_keeps_no_gradient() -> None:
    assert not sinkhorn(random_cost(3, 3).requires_grad_(), 0.1, 5).requires_grad


@WIDTHS
@pytest.mark.parametrize("options", [{}, {"epsilon": 1.0}, {"iterations": 2}])
def test_feature_alignment_is_its_formula(options: dict[str, Any], teacher_dim: int) -> None:
    distiller = build(teacher_dim, **options)
    student, teacher, labels = batch(teacher_dim)
    guess = linear(weights(distiller), "project", arrays(student)[0])
    cost = cosine_cost(guess, arrays(teacher)[0])
    plan = plan_by_hand(cost, options.get("epsilon", 0.1), options.get("iterations", 100))
    fa = distiller.feature_alignment(student, teacher, labels)
    assert fa.item() == pytest.approx((plan * cost).sum(), rel=0, abs=1e-8)


def test_its_gradient_is_that_of_the_regularised_transport() -> None:
    """<P, C> - epsilon H(P) at its smallest, by central differences: P itself moves, too."""
    epsilon = 0.3
    distiller = build(epsilon=epsilon, iterations=300)
    student, teacher, labels = batch()
    distiller.feature_alignment(student, teacher, labels).backward()
    x_s, x_t = arrays(student)[0], arrays(teacher)[0]

    def objective(x: Array) -> float:
        cost = cosine_cost(x, x_t)
        plan = plan_by_hand(cost, epsilon, 300)
        return float((plan * cost).sum() + epsilon * (plan * np.log(plan)).sum())

    gradient = np.empty_like(x_s)
    for i in np.ndindex(*x_s.shape):
        step = np.zeros_like(x_s)
        step[i] = 1e-5
        gradient[i] = (objective(x_s + step) - objective(x_s - step)) / 2e-5
    assert student.features.grad is not None
    assert_close(student.features.grad.numpy(), gradient, rtol=0, atol=1e-8)


@WIDTHS
def test_the_teacher_s_order_does_not_matter(teacher_dim: int) -> None:
    student, teacher, labels = batch(teacher_dim)
    other = teacher._replace(features=teacher.features.flip(0))
    unpaired, feat = build(teacher_dim), build_method("feat", teacher_dim)
    fa, again = (unpaired.feature_alignment(student, x, labels) for x in (teacher, other))
    assert_close(again, fa, rtol=0, atol=1e-10)
    paired, moved = (feat(student, x, labels)["feat"].item() for x in (teacher, other))
    assert abs(paired - moved) > 1e-3


@WIDTHS
@pytest.mark.parametrize("maps", [True, False])
def test_label_alignment_is_its_formula(maps: bool, teacher_dim: int) -> None:
    distiller = build(teacher_dim)
    student, teacher, labels = batch(teacher_dim)
    if maps:
        assert student.maps is not None
        embedding = np.maximum(student.maps[-1].detach().numpy(), 0).mean(-1)
    else:
        student = student._replace(maps=None)
        embedding = np.maximum(arrays(student)[0], 0)
    own = weights(distiller)
    mapped = linear(own, "project", embedding)
    rows = np.arange(N), labels.numpy()
    taught = softmax(mapped @ own["teacher_weight"].T + own["teacher_bias"])[rows]
    probability = softmax(arrays(student)[1])[rows]
    la = np.mean(-np.log(probability) + taught * np.log(taught))
    value = distiller.label_alignment(student, teacher, labels)
    assert value.item() == pytest.approx(la, rel=0, abs=1e-8)


def test_kappa_is_a_constant() -> None:
    """d(la)/d(z') is -κ (softmax(z') - y) / N; with a moving κ it would have a further factor."""
    distiller = build()
    student, teacher, labels = batch()
    student = student._replace(maps=None)
    distiller.label_alignment(student, teacher, labels).backward()
    own = weights(distiller)
    x = arrays(student)[0]
    p = softmax(np.maximum(x, 0) @ own["teacher_weight"].T + own["teacher_bias"])
    kappa = p[np.arange(N), labels.numpy()][:, None]
    gradient = -kappa * (p - np.eye(C)[labels.numpy()]) / N @ own["teacher_weight"] * (x > 0)
    assert student.features.grad is not None
    assert_close(student.features.grad.numpy(), gradient, rtol=0, atol=1e-10)


@WIDTHS
def test_single_level_adds_the_losses_up(teacher_dim: int) -> None:
    distiller = build(teacher_dim, bilevel=False, weight_fa=3, weight_la=0.5)
    student, teacher, labels = batch(teacher_dim)
    task = cross_entropy(arrays(student)[1], labels)
    fa = distiller.feature_alignment(student, teacher, labels).item()
    la = distiller.label_alignment(student, teacher, labels).item()
    terms = losses(distiller, student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "fa": fa, "la": la, "total": task + 3 * fa + 0.5 * la}, rel=0, abs=1e-10
    )
    assert distiller.clip_norm == 5
    assert distiller.inner_steps() == ()


@WIDTHS
def test_bilevel_leaves_the_alignments_to_inner_steps(teacher_dim: int) -> None:
    options = {"feature_steps": 3, "head_steps": 2, "inner_rate": 0.7}
    distiller = build(teacher_dim, weight_fa=3, weight_la=0.5, **options)
    student, teacher, labels = batch(teacher_dim)
    terms = {k: v.item() for k, v in losses(distiller, student, teacher, labels).items()}
    task = cross_entropy(arrays(student)[1], labels)
    assert terms == pytest.approx({"task": task, "total": task}, rel=0, abs=1e-10)
    assert distiller.clip_norm is None
    steps = distiller.inner_steps()
    assert [(step.name, step.weight, step.rate, step.head_only) for step in steps] == [
        *[("fa", 3.0, 0.7, False)] * 3,
        *[("la", 0.5, 0.7, True)] * 2,
    ]
    fa = distiller.feature_alignment(student, teacher, labels)
    la = distiller.label_alignment(student, teacher, labels)
    assert_close(steps[0].loss(student, teacher, labels), fa)
    assert_close(steps[-1].loss(student, teacher, labels), la)


def test_the_defaults_are_the_paper_s() -> None:
    steps = [(step.name, step.rate, step.head_only) for step in build().inner_steps()]
    assert steps == [("fa", 1.0, False), ("fa", 1.0, False), ("la", 1.0, True)]
    assert build(feature_steps=0, head_steps=0).inner_steps() == ()


def test_the_teacher_s_classifier_is_copied_and_never_trained() -> None:
    teacher = torch.nn.Module()
    teacher.classifier = torch.nn.Linear(DIM, C)
    distiller = build()
    distiller.attach(teacher)  # type: ignore[arg-type]
    expected = teacher.classifier.weight.detach().clone()
    teacher.classifier.weight.data.zero_()
    assert_close(distiller.state_dict()["teacher_weight"], expected)
    assert list(distiller.parameters()) == []
    assert distiller.to(torch.float32).teacher_bias is not None
    assert distiller.teacher_bias.dtype == torch.float32


def test_a_teacher_that_was_never_attached_is_asked_for() -> None:
    distiller = distillers.build(
        "unpaired", num_classes=C, student_dim=DIM, teacher_dim=DIM, bilevel=False
    )
    with pytest.raises(ConfigError, match=r"unpaired: the teacher's classifier is missing. Call"):
        losses(distiller, *batch())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("epsilon", [0.1, 1e-4])
def test_constant_features_give_finite_gradients(
    epsilon: float, value: float, dtype: torch.dtype
) -> None:
    student, teacher, labels = batch()
    constant = torch.full_like(student.features, value, dtype=dtype).requires_grad_()
    own = student._replace(features=constant, logits=student.logits.to(dtype), maps=None)
    taught = teacher._replace(features=teacher.features.detach().to(dtype))
    distiller = build(bilevel=False, epsilon=epsilon).to(dtype)
    for other in (taught, taught._replace(features=torch.zeros_like(taught.features))):
        terms = losses(distiller, own, other, labels)
        terms["total"].backward()
        assert all(x.dtype == dtype and x.isfinite() for x in terms.values())
        assert constant.grad is not None
        assert constant.grad.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_fa": -1}, "weight_fa: -1.0 is not a weight. Give a number of 0 or more."),
        ({"weight_la": -1}, "weight_la: -1.0 is not a weight. Give a number of 0 or more."),
        ({"epsilon": 0}, "epsilon: 0.0 is too small. Give a number above 0."),
        ({"iterations": 0}, "iterations: 0 is too small. Give a number above 0."),
        ({"inner_rate": 0}, "inner_rate: 0.0 is too small. Give a number above 0."),
        ({"feature_steps": -1}, "feature_steps: -1 is below 0. Give 0 or more."),
        ({"head_steps": -2}, "head_steps: -2 is below 0. Give 0 or more."),
    ],
)
def test_a_wrong_value_is_answered_in_a_sentence(options: dict[str, Any], message: str) -> None:
    assert message in refusal(build, **options)
