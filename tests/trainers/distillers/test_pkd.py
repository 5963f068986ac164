import numpy as np
import pytest
import torch
from reference import DIM, OTHER_DIM, arrays, batch, build, cross_entropy, linear, losses, weights
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_pkd_is_its_formula(weight: float, teacher_dim: int) -> None:
    distiller = build("pkd", teacher_dim, weight=weight)
    student, teacher, labels = batch(teacher_dim)
    (x_s, z_s), (x_t, _) = arrays(student), arrays(teacher)
    guess = linear(weights(distiller), "project", x_s)
    standard = [(x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True) for x in (guess, x_t)]
    pkd = ((standard[0] - standard[1]) ** 2).mean() / 2
    task = cross_entropy(z_s, labels)
    terms = losses(distiller, student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "pkd": pkd, "total": task + weight * pkd}, rel=0, abs=1e-8
    )
    pearson = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(guess, x_t, strict=True)])
    assert terms["pkd"].item() == pytest.approx(1 - pearson, rel=0, abs=1e-8)


def test_scale_and_shift_of_a_sample_do_not_matter() -> None:
    distiller = build("pkd")
    student, teacher, labels = batch()
    expected = distiller(student, teacher, labels)["pkd"]
    n = len(labels)
    scale, shift = torch.linspace(0.1, 9, n)[:, None], torch.linspace(-3, 5, n)[:, None]
    for own, other in [(scale, 1), (1, scale)]:
        for up, down in [(shift, 0), (0, shift)]:
            moved = student._replace(features=own * student.features + up)
            taught = teacher._replace(features=other * teacher.features + down)
            assert_close(distiller(moved, taught, labels)["pkd"], expected)
    turned = student._replace(features=-student.features)
    assert_close(distiller(turned, teacher, labels)["pkd"], 2 - expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features_give_finite_gradients(dtype: torch.dtype) -> None:
    student, teacher, labels = batch()
    constant = torch.full_like(student.features, 0.3).to(dtype).requires_grad_()
    features = torch.zeros_like(teacher.features)
    for taught in (features, teacher.features):
        own = student._replace(features=constant)
        other = teacher._replace(features=taught.to(dtype))
        terms = losses(build("pkd").to(dtype), own, other, labels)
        terms["total"].backward()
        assert terms["pkd"].dtype == dtype
        assert terms["pkd"].isfinite()
        assert constant.grad is not None
        assert constant.grad.isfinite().all()


def test_a_negative_weight_is_answered_in_a_sentence() -> None:
    with pytest.raises(ConfigError, match=r"weight: -1.0 is not a weight. Give a number of 0"):
        build("pkd", weight=-1)
