import math

import numpy as np
import pytest
from reference import (
    Array,
    arrays,
    batch,
    build,
    cross_entropy,
    divergence,
    losses,
    refusal,
    softmax,
)

from fdsweep.trainers.distillers import Outputs

CLASSES = pytest.mark.parametrize("classes", [2, 3, 6, 7])


def cut(outputs: Outputs, classes: int) -> Outputs:
    """The same outputs for the first `classes` classes only."""
    return Outputs(outputs.features, outputs.logits[:, :classes])


def details(logits: Array) -> Array:
    pairs = range(logits.shape[1] // 2)
    columns = [(logits[:, 2 * k] - logits[:, 2 * k + 1]) / math.sqrt(2) for k in pairs]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("classes", [2, 3, 4])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize(("weight_kd", "weight_detail"), [(1.0, 1.0), (0.0, 2.0), (3.0, 0.0)])
def test_figkd_is_its_formula(
    weight_kd: float, weight_detail: float, temperature: float, classes: int
) -> None:
    student, teacher, labels = batch()
    student, teacher, labels = cut(student, classes), cut(teacher, classes), labels % classes
    (_, z_s), (_, z_t) = arrays(student), arrays(teacher)
    task = cross_entropy(z_s, labels)
    p_s, p_t = softmax(z_s / temperature), softmax(z_t / temperature)
    kd = temperature**2 * divergence(p_t, p_s).mean()
    detail = ((details(z_s) - details(z_t)) ** 2).mean()
    total = task + weight_kd * kd + weight_detail * detail
    distiller = build(
        "figkd", weight_kd=weight_kd, weight_detail=weight_detail, temperature=temperature
    )
    terms = losses(distiller, student, teacher, labels)
    assert {k: v.item() for k, v in terms.items()} == pytest.approx(
        {"task": task, "kd": kd, "detail": detail, "total": total}, rel=0, abs=1e-10
    )


@pytest.mark.parametrize("option", ["weight_kd", "weight_detail", "temperature"])
def test_every_option_matters(option: str) -> None:
    total = losses(build("figkd"), *batch())["total"].item()
    other = losses(build("figkd", **{option: 2.0}), *batch())["total"].item()
    assert abs(other - total) > 1e-3


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("weight_kd", -1.0, "weight_kd: -1.0 is not a weight. Give a number of 0 or more."),
        ("weight_detail", -1.0, "weight_detail: -1.0 is not a weight"),
        ("temperature", 0.0, "temperature: 0.0 is too small. Give a number above 0."),
    ],
)
def test_a_wrong_option_is_answered_in_a_sentence(option: str, value: float, message: str) -> None:
    assert message in refusal(build, "figkd", **{option: value})
