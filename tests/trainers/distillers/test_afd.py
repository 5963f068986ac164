from itertools import product
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from reference import C, N, Sizes, build_on_maps, cross_entropy, losses, refusal, softmax, weights
from reference import outputs_on_maps as outputs
from torch import Tensor
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller, Outputs

Array = NDArray[np.float64]

ROWS: Sizes = ((5, 12), (6, 7), (11, 3))
MORE_ROWS: Sizes = ((4, 9), (8, 5))
IMAGES: Sizes = ((5, 6, 4), (11, 3, 2))
MORE_IMAGES: Sizes = ((4, 8, 3), (8, 4, 4), (9, 1, 2))
POSITIONS = [(ROWS, MORE_ROWS), (IMAGES, MORE_IMAGES), (ROWS, MORE_IMAGES), (IMAGES, ROWS)]


def build(student: Sizes, teacher: Sizes, **options: Any) -> Distiller:
    return build_on_maps("afd", student, teacher, **options)


LABELS = torch.arange(N) % C


def averaged(x: Array, sizes: tuple[int, ...]) -> Array:
    """[N, ...] to [N, *sizes]: each position the mean over those of `x` that it overlaps."""
    out = np.empty((len(x), *sizes))
    for place in product(*map(range, sizes)):
        window = tuple(
            slice(i * long // short, ceil((i + 1) * long / short))
            for i, short, long in zip(place, sizes, x.shape[1:], strict=True)
        )
        out[(slice(None), *place)] = x[(slice(None), *window)].reshape(len(x), -1).mean(1)
    return out


def normalised(x: Array, own: dict[str, Array], name: str) -> Array:
    y = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    return np.asarray(y * own.get(f"{name}.weight", 1) + own.get(f"{name}.bias", 0))


def energies(x: Array) -> Array:
    return np.asarray((x**2).mean(1))


def reference(
    distiller: Distiller,
    means: tuple[list[Array], list[Array]],
    maps: tuple[list[Array], list[Array]],
    qk_dim: int,
) -> float:
    """The formula with the stages' means [N, C] and energies [N, ...] of student and teacher."""
    own = weights(distiller)
    keys = [
        np.maximum(normalised(x @ own[f"keys.{i}.0.0.weight"].T, own, f"keys.{i}.0.1"), 0)
        for i, x in enumerate(means[0])
    ]
    queries = [
        normalised(x @ own[f"queries.{i}.0.weight"].T, own, f"queries.{i}.1")
        for i, x in enumerate(means[1])
    ]
    spread = normalised(np.concatenate(keys) @ own["spread.0.weight"].T, own, "none")
    bilinear = spread.reshape(len(keys), N, len(queries), qk_dim)
    total = 0.0
    for n in range(N):
        for t, query in enumerate(queries):
            scores = [
                (bilinear[s, n, t] @ query[n])
                + own["teacher_positions"][t] @ own["student_positions"][s]
                for s in range(len(keys))
            ]
            shares = softmax(np.array(scores) / np.sqrt(qk_dim))
            for s, share in enumerate(shares):
                guess, target = maps[0][s][n : n + 1], maps[1][t][n : n + 1]
                if guess.ndim != target.ndim:
                    guess, target = guess.reshape(1, -1), target.reshape(1, -1)
                guess = averaged(guess, target.shape[1:])
                guess, target = (x / np.sqrt((x**2).sum()) for x in (guess, target))
                total += share * ((guess - target) ** 2).mean()
    return total / N


@pytest.mark.parametrize("options", [{}, {"qk_dim": 16}, {"weight": 1, "qk_dim": 3}])
@pytest.mark.parametrize(("own", "others"), POSITIONS)
def test_afd_is_its_formula(own: Sizes, others: Sizes, options: dict[str, Any]) -> None:
    distiller = build(own, others, **options)
    for weight in distiller.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    student, teacher = outputs(own, 0), outputs(others, 1)
    arrays = [[x.detach().numpy() for x in net.maps or ()] for net in (student, teacher)]
    means = [[x.reshape(*x.shape[:2], -1).mean(-1) for x in maps] for maps in arrays]
    squares = [[energies(x) for x in maps] for maps in arrays]
    afd = reference(
        distiller, (means[0], means[1]), (squares[0], squares[1]), options.get("qk_dim", 128)
    )
    task = cross_entropy(student.logits.detach().numpy(), LABELS)
    terms = losses(distiller, student, teacher, LABELS)
    total = task + options.get("weight", 200) * afd
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "afd": afd, "total": total}, rel=0, abs=1e-8
    )


@pytest.mark.parametrize("dims", [(11, 11), (11, 8), (8, 11)])
def test_without_maps_channels_are_the_positions(dims: tuple[int, int]) -> None:
    student, teacher = (outputs(((dim, 1),), i)._replace(maps=None) for i, dim in enumerate(dims))
    distiller = distillers.build("afd", num_classes=C, student_dim=dims[0], teacher_dim=dims[1])
    means = [[x.features.detach().numpy()] for x in (student, teacher)]
    squares = [[x**2 for x in net] for net in means]
    expected = reference(distiller, (means[0], means[1]), (squares[0], squares[1]), 128)
    afd = distiller(student, teacher, LABELS)["afd"]
    assert afd.item() == pytest.approx(expected, rel=0, abs=1e-8)
    afd.backward()
    assert student.features.grad is not None
    assert student.features.grad.any()


def test_a_method_without_map_dims_reads_the_last_map() -> None:
    student, teacher = outputs(ROWS, 0), outputs(MORE_ROWS, 1)
    distiller = build(ROWS[-1:], MORE_ROWS[-1:])
    assert student.maps is not None
    assert teacher.maps is not None
    last = distiller(
        student._replace(maps=student.maps[-1:]), teacher._replace(maps=teacher.maps[-1:]), LABELS
    )
    assert_close(distiller(student, teacher, LABELS), last, rtol=0, atol=0)


def test_the_scale_of_a_map_changes_no_distance_and_channels_may_be_permuted() -> None:
    """With one stage each the attention is 1, so that the distance alone remains."""
    student, teacher = outputs(ROWS[:1], 0), outputs(MORE_ROWS[:1], 1)
    distiller = build(ROWS[:1], MORE_ROWS[:1])
    expected = distiller(student, teacher, LABELS)["afd"]
    assert student.maps is not None
    for x in (7 * student.maps[0], student.maps[0].flip(1), -student.maps[0]):
        assert_close(distiller(student._replace(maps=(x,)), teacher, LABELS)["afd"], expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_maps_give_finite_gradients(value: float, dtype: torch.dtype) -> None:
    student, teacher = outputs(ROWS, 0), outputs(MORE_ROWS, 1)
    assert student.maps is not None
    maps = tuple(torch.full_like(x, value, dtype=dtype).requires_grad_() for x in student.maps)
    constant = Outputs(student.features.to(dtype), student.logits.to(dtype), maps)
    taught = Outputs(*(x.to(dtype) for x in teacher[:2]), tuple(x.to(dtype) for x in teacher.maps))
    distiller = build(ROWS, MORE_ROWS).to(dtype)
    terms = losses(distiller, constant, taught, LABELS)
    terms["total"].backward()
    assert terms["afd"].dtype == dtype
    assert terms["afd"].isfinite()
    gradients: list[Tensor | None] = [x.grad for x in (*maps, *distiller.parameters())]
    assert all(x is not None and x.isfinite().all() for x in gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "weight: -1.0 is not a weight. Give a number of 0 or more."),
        ({"qk_dim": 0}, "qk_dim: 0 is too small. Give a number above 0."),
    ],
)
def test_a_wrong_value_is_answered_in_a_sentence(options: dict[str, Any], message: str) -> None:
    assert message in refusal(build, ROWS, MORE_ROWS, **options)
