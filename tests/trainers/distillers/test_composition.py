"""Methods added up, from their own parts."""

import pytest
import torch
from reference import DIM, OTHER_DIM, batch, build, losses
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller

WIDTHS = pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])


def parts(composition: Distiller) -> dict[str, Distiller]:
    return dict(composition.get_submodule("parts").named_children())  # type: ignore[arg-type]


@WIDTHS
@pytest.mark.parametrize("name", ["kd+fd-cmkd", "fd-cmkd+kd", "dist+pkd+c2kd"])
def test_terms_and_weights_are_those_of_the_parts_and_the_task_counts_once(
    name: str, teacher_dim: int
) -> None:
    composition = build(name, teacher_dim)
    student, teacher, labels = batch(teacher_dim)
    terms = losses(composition, student, teacher, labels)
    weights = dict(composition.weights)
    expected = cross_entropy(student.logits, labels)
    assert_close(terms.pop("task"), expected, rtol=0, atol=0)
    for part, method in parts(composition).items():
        for term, value in method(student, teacher, labels).items():
            assert_close(terms.pop(f"{part}.{term}"), value)
            assert weights.pop(f"{part}.{term}") == method.weights[term]
            expected = expected + method.weights[term] * value
    assert_close(terms.pop("total"), expected)
    assert not terms
    assert not weights


def test_a_part_that_adds_nothing_leaves_the_other_as_it_is() -> None:
    inputs = batch()
    assert_close(
        losses(build("none+dist"), *inputs)["total"], losses(build("dist"), *inputs)["total"]
    )


def test_every_option_reaches_its_part() -> None:
    composition = build("kd+fd-cmkd", **{"kd.temperature": 2.0, "fd-cmkd.cutoff": 0.25})
    kd, fd = parts(composition).values()
    assert (kd.temperature, fd.cutoff) == (2.0, 0.25)


def test_heads_are_those_of_the_parts() -> None:
    student, _, _ = batch()
    heads = build("kd+fd-cmkd").heads(student)
    assert list(heads) == ["logits", "fd-cmkd.low", "fd-cmkd.high"]


def test_what_one_part_needs_all_need() -> None:
    composition = build("c2kd+afd+unpaired")
    assert composition.moves_teacher
    assert composition.teacher_maps
    assert composition.needs_pairs
    assert not build("none+unpaired").needs_pairs
    assert build("kd+unpaired", **{"unpaired.bilevel": False}).clip_norm == 5.0
    steps = composition.inner_steps()
    assert [step.name for step in steps] == ["unpaired.fa", "unpaired.fa", "unpaired.la"]


def test_parts_hear_of_the_epoch() -> None:
    composition = build("none+dkd")
    composition.epochs = 60
    inputs = batch()
    first = losses(composition, *inputs)["total"]
    composition.epoch = 5
    assert not torch.allclose(losses(composition, *inputs)["total"], first)


def test_parts_hear_how_many_epochs_there_are() -> None:
    composition = build("none+fd-cmkd", **{"fd-cmkd.cutoff": "learn"})
    composition.epoch, composition.epochs = 1, 3
    alone = build("fd-cmkd", cutoff="learn")
    alone.epoch, alone.epochs = 1, 3
    alone.load_state_dict(parts(composition)["fd-cmkd"].state_dict())
    student, teacher, labels = batch()
    assert_close(
        losses(composition, student, teacher, labels)["total"], losses(alone, *batch())["total"]
    )
    assert_close(composition.heads(student)["fd-cmkd.low"], alone.heads(student)["low"])


def test_measures_are_those_of_the_parts() -> None:
    assert build("kd+fd-cmkd").measures() == {}
    learns = build("kd+fd-cmkd", **{"fd-cmkd.cutoff": "learn"})
    assert learns.measures() == {"fd-cmkd.cutoff": 0.5}


def test_versions_add_up() -> None:
    assert distillers.version("kd+feat+none") == 3
