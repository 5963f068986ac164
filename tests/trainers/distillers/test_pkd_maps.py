from typing import Any

import numpy as np
import pytest
import torch
from reference import (
    C,
    N,
    Sizes,
    build_on_maps,
    cross_entropy,
    linear,
    losses,
    outputs_on_maps,
    refusal,
    weights,
)
from torch.nn.functional import adaptive_avg_pool2d
from torch.testing import assert_close

from fdsweep.trainers.distillers import Distiller

LABELS = torch.arange(N) % C
ROWS: Sizes = ((5, 12), (6, 7), (11, 3))
IMAGES: Sizes = ((5, 6, 4), (11, 5, 7))
CASES: list[tuple[Sizes, Sizes]] = [
    (ROWS, ROWS),
    (IMAGES, IMAGES),
    (IMAGES, ((8, 6, 4), (9, 5, 7))),
    (ROWS, ((6, 7), (11, 3))),
    (ROWS, ((4, 2), (11, 6))),
    (IMAGES, ((8, 3, 2), (11, 10, 14))),
]


def build(student: Sizes, teacher: Sizes, **options: Any) -> Distiller:
    return build_on_maps("pkd-maps", student, teacher, **options)


def resized(x: np.ndarray, positions: tuple[int, ...]) -> np.ndarray:
    """`x` at `positions`, each the mean over those that it overlaps, by torch's own pooling."""
    rows = torch.from_numpy(x if x.ndim == 4 else x[:, :, None])
    pooled = adaptive_avg_pool2d(rows, positions if x.ndim == 4 else (1, *positions))
    return pooled.numpy().reshape(*x.shape[:2], *positions)


@pytest.mark.parametrize("weight", [0.0, 1.0, 6.0])
@pytest.mark.parametrize(("own", "others"), CASES)
def test_pkd_on_maps_is_its_formula(own: Sizes, others: Sizes, weight: float) -> None:
    distiller = build(own, others, weight=weight)
    student, teacher = outputs_on_maps(own, 0), outputs_on_maps(others, 1)
    pkd = pearson = 0.0
    last = min(len(own), len(others))
    for i, (x, y) in enumerate(zip(student.maps[-last:], teacher.maps[-last:], strict=True)):
        x, y = x.detach().numpy(), y.detach().numpy()
        mapped = linear(weights(distiller), f"projects.{i}", np.moveaxis(x, 1, -1))
        guess = resized(np.moveaxis(mapped, -1, 1), y.shape[2:])
        over = (0, *range(2, y.ndim))
        standard = [
            (z - z.mean(over, keepdims=True)) / z.std(over, keepdims=True) for z in (guess, y)
        ]
        pkd += ((standard[0] - standard[1]) ** 2).mean() / 2
        channels = [np.moveaxis(z, 1, 0).reshape(z.shape[1], -1) for z in (guess, y)]
        pearson += np.mean(
            [np.corrcoef(a, b)[0, 1] for a, b in zip(channels[0], channels[1], strict=True)]
        )
    task = cross_entropy(student.logits.detach().numpy(), LABELS)
    terms = losses(distiller, student, teacher, LABELS)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "pkd": pkd, "total": task + weight * pkd}, rel=0, abs=1e-8
    )
    assert terms["pkd"].item() == pytest.approx(last - pearson, rel=0, abs=1e-8)


def test_scale_and_shift_of_a_channel_do_not_matter() -> None:
    distiller = build(IMAGES, IMAGES)
    student, teacher = outputs_on_maps(IMAGES, 0), outputs_on_maps(IMAGES, 1)
    expected = distiller(student, teacher, LABELS)["pkd"]

    def moved(x: torch.Tensor) -> torch.Tensor:
        scale, shift = torch.linspace(0.1, 9, x.shape[1]), torch.linspace(-3, 5, x.shape[1])
        return x * scale[:, None, None] + shift[:, None, None]

    changed = teacher._replace(maps=tuple(map(moved, teacher.maps)))
    assert_close(distiller(student, changed, LABELS)["pkd"], expected)
    shuffled = teacher._replace(maps=tuple(x.flip(0) for x in teacher.maps))
    assert not torch.allclose(distiller(student, shuffled, LABELS)["pkd"], expected)


def test_maps_of_different_rank_are_compared_in_one_row() -> None:
    student, teacher = outputs_on_maps(((5, 12),), 0), outputs_on_maps(((5, 3, 4),), 1)
    row = teacher._replace(maps=(teacher.maps[0].flatten(2),))
    found = build(((5, 12),), ((5, 3, 4),))(student, teacher, LABELS)
    assert_close(found, build(((5, 12),), ((5, 12),))(student, row, LABELS))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_maps_give_finite_gradients(dtype: torch.dtype) -> None:
    student = outputs_on_maps(IMAGES, 0, dtype)
    maps = tuple(torch.full_like(x, 0.3).requires_grad_() for x in student.maps)
    teacher = outputs_on_maps(IMAGES, 1, dtype)
    terms = losses(build(IMAGES, IMAGES).to(dtype), student._replace(maps=maps), teacher, LABELS)
    terms["total"].backward()
    assert terms["pkd"].dtype == dtype
    assert terms["pkd"].isfinite()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in maps)
    assert all(x.grad is None for x in teacher.maps)


def test_a_negative_weight_is_answered_in_a_sentence() -> None:
    message = refusal(build, ROWS, ROWS, weight=-1.0)
    assert message == "weight: -1.0 is not a weight. Give a number of 0 or more."
