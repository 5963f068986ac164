from types import SimpleNamespace
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
    Sizes,
    arrays,
    batch,
    build_on_maps,
    cross_entropy,
    haar,
    linear,
    losses,
    refusal,
    weights,
)
from reference import build as build_pooled
from reference import outputs_on_maps as outputs
from torch import nn
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller

Array = NDArray[np.float64]

LABELS = torch.arange(N) % C
ROWS: Sizes = ((5, 12), (6, 7), (11, 3))
IMAGES: Sizes = ((5, 6, 4), (11, 5, 7))
PAIRS: list[tuple[Sizes, Sizes]] = [
    (ROWS, ROWS),
    (ROWS, ((4, 12), (8, 7), (9, 3))),
    (ROWS, ((6, 14),)),
    (IMAGES, IMAGES),
    (IMAGES, ((8, 6, 4), (9, 5, 7))),
    (((8, 2, 4),), ((9, 4, 4),)),
]


def build(student: Sizes, teacher: Sizes, **options: Any) -> Distiller:
    return build_on_maps("freekd", student, teacher, **options)


def masked(guess: Array, target: Array, mask: bool) -> float:
    error = np.abs(guess - target)
    if mask:
        for n in range(N):
            size = np.abs(target[:, n]).mean((0, 1))
            spread = size.std() if size.size > 1 else 1
            m = 1 / (1 + np.exp(-(size - size.mean()) / spread))
            error[:, n] = error[:, n] * m
    return float(error.mean())


def on_positions(x: Array, positions: tuple[int, ...]) -> Array:
    """`x` with each axis repeated a whole number of times."""
    for axis, size in enumerate(positions, start=2):
        x = np.repeat(x, size // x.shape[axis], axis)
    return x


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"levels": 1, "mask": False},
        {"levels": 2},
        {"weight_low": 0, "weight_high": 3, "mask": False},
        {"weight_low": 2, "weight_high": 0, "levels": 4},
    ],
)
@pytest.mark.parametrize(("own", "others"), PAIRS)
def test_freekd_is_its_formula(own: Sizes, others: Sizes, options: dict[str, Any]) -> None:
    if others == ((6, 14),):
        own = (*own, (4, 7))  # a student with more stages, the last of half the length
    distiller = build(own, others, **options)
    student, teacher = outputs(own, 0), outputs(others, 1)
    given = {"weight_low": 1, "weight_high": 1, "levels": 3, "mask": True} | options
    assert student.maps is not None
    assert teacher.maps is not None
    low = high = 0.0
    maps = [x.detach().numpy() for x in student.maps[-len(others) :]]
    for i, (x, y) in enumerate(zip(maps, (y.detach().numpy() for y in teacher.maps), strict=True)):
        mapped = linear(weights(distiller), f"projects.{i}", np.moveaxis(x, 1, -1))
        guess = on_positions(np.moveaxis(mapped, -1, 1), y.shape[2:])
        (low_s, high_s), (low_t, high_t) = (haar(z, given["levels"]) for z in (guess, y))
        low += masked(low_s, low_t, given["mask"])
        high += sum(masked(a, b, given["mask"]) for a, b in zip(high_s, high_t, strict=True))
    task = cross_entropy(student.logits.detach().numpy(), LABELS)
    total = task + given["weight_low"] * low + given["weight_high"] * high
    terms = losses(distiller, student, teacher, LABELS)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "low": low, "high": high, "total": total}, rel=0, abs=1e-8
    )


def test_maps_of_different_rank_are_compared_in_one_row() -> None:
    student, teacher = outputs(((5, 12),), 0), outputs(((5, 3, 4),), 1)
    assert teacher.maps is not None
    row = teacher._replace(maps=(teacher.maps[0].flatten(2),))
    distiller = build(((5, 12),), ((5, 3, 4),))
    terms = distiller(student, teacher, LABELS)
    assert_close(terms, distiller(student, row, LABELS), rtol=0, atol=0)
    assert terms["high"] > 0


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
def test_without_maps_every_band_is_a_multiple_of_the_features(teacher_dim: int) -> None:
    student, teacher, labels = batch(teacher_dim)
    student, teacher = student._replace(maps=None), teacher._replace(maps=None)
    torch.manual_seed(3)
    distiller = distillers.build(
        "freekd", num_classes=C, student_dim=DIM, teacher_dim=teacher_dim, mask=False
    )
    (x_s, _), (x_t, _) = arrays(student), arrays(teacher)
    error = np.abs(linear(weights(distiller), "projects.0", x_s) - x_t).mean()
    factors = [np.sqrt(0.5) ** level for level in (1, 2, 3)]
    terms = losses(distiller, student, teacher, labels)
    assert terms["low"].item() == pytest.approx(factors[-1] * error, rel=0, abs=1e-8)
    assert terms["high"].item() == pytest.approx(sum(factors) * error, rel=0, abs=1e-8)
    terms["total"].backward()
    assert student.features.grad is not None
    assert student.features.grad.any()


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize(
    "options", [{}, {"levels": 1, "weight_low": 2}, {"weight_low": 0, "weight_high": 5}]
)
def test_pooled_is_its_formula(options: dict[str, Any], teacher_dim: int) -> None:
    distiller = build_pooled("freekd-pooled", teacher_dim, **options)
    student, teacher, labels = batch(teacher_dim)
    (x_s, z_s), (x_t, _) = arrays(student), arrays(teacher)
    guess = linear(weights(distiller), "project", x_s)
    levels = options.get("levels", 3)
    (low_s, high_s), (low_t, high_t) = haar(guess, levels, 1), haar(x_t, levels, 1)
    low = ((low_s - low_t) ** 2).sum() / x_t.size
    high = sum(((a - b) ** 2).sum() for a, b in zip(high_s, high_t, strict=True)) / x_t.size
    task = cross_entropy(z_s, labels)
    total = task + options.get("weight_low", 1) * low + options.get("weight_high", 1) * high
    terms = losses(distiller, student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "low": low, "high": high, "total": total}, rel=0, abs=1e-8
    )


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize("levels", [1, 3, 6])
def test_pooled_with_equal_weights_is_feat(levels: int, teacher_dim: int) -> None:
    """Parseval; the projectors are drawn alike."""
    weights = {"weight_low": 3.0, "weight_high": 3.0}
    pooled = build_pooled("freekd-pooled", teacher_dim, levels=levels, **weights)
    feat = build_pooled("feat", teacher_dim, weight=3.0)
    inputs = batch(teacher_dim)
    terms, expected = losses(pooled, *inputs), losses(feat, *inputs)
    assert_close(terms["total"], expected["total"], rtol=0, atol=1e-12)
    assert_close(terms["low"] + terms["high"], expected["feat"], rtol=0, atol=1e-12)
    assert terms["low"] > 0
    assert terms["high"] > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [ROWS, IMAGES])
def test_zero_maps_give_finite_gradients(sizes: Sizes, dtype: torch.dtype) -> None:
    some = outputs(sizes, 0, dtype)
    assert some.maps is not None
    for student, teacher in [(0, 0), (0, 1), (1, 0)]:
        own = some._replace(maps=tuple((x * student).detach().requires_grad_() for x in some.maps))
        other = some._replace(maps=tuple(x * teacher for x in some.maps))
        terms = losses(build(sizes, sizes).to(dtype), own, other, LABELS)
        terms["total"].backward()
        assert all(x.dtype == dtype and x.isfinite() for x in terms.values())
        assert all(x.grad is not None and x.grad.isfinite().all() for x in own.maps)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompts": -1}, "prompts: -1 is below 0. Give 0 or more."),
        ({"prompts": 2, "mask": False}, "prompts make the mask, and mask=false leaves none."),
        ({"whole": -1}, "whole: -1.0 is not a weight."),
    ],
)
def test_prompts_that_cannot_be_are_answered_in_a_sentence(
    options: dict[str, Any], message: str
) -> None:
    assert message in refusal(build_pooled, "freekd", **options)


def test_prompts_ask_for_the_teachers_classifier() -> None:
    student, teacher = outputs(ROWS, 0), outputs(ROWS, 1)
    message = refusal(build(ROWS, ROWS, prompts=2), student, teacher, LABELS)
    assert message == "freekd: the teacher's classifier is missing. Call attach(teacher) first."


def test_prompts_learn_what_the_teachers_classifier_needs() -> None:
    distiller = build(((2, 4, 4),), ((2, 4, 4),), prompts=2, levels=1)
    distiller.attach(SimpleNamespace(classifier=nn.Linear(2, C)))
    teacher = outputs(((2, 4, 4),), 1)
    optimizer = torch.optim.SGD(distiller.parameters(), lr=0.5)
    found = []
    for _ in range(8):
        optimizer.zero_grad()
        prompt = distiller(teacher, teacher, LABELS)["prompt"]
        prompt.backward()
        optimizer.step()
        found.append(prompt.item())
    assert found == sorted(found, reverse=True)
    assert found[-1] < found[0] - 0.01


@pytest.mark.parametrize("name", ["freekd", "freekd-pooled"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_low": -1}, "weight_low: -1.0 is not a weight. Give a number of 0 or more."),
        ({"weight_high": -2}, "weight_high: -2.0 is not a weight. Give a number of 0 or more."),
        ({"levels": 0}, "levels: 0 is too small. Give a number above 0."),
    ],
)
def test_a_wrong_value_is_answered_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(build_pooled, name, **options)
