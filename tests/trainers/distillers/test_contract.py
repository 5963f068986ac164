"""What every method must do; a new one is taken in by its name."""

from typing import Any

import pytest
import torch
from reference import DIM, OTHER_DIM, C, N, batch, build, losses, refusal
from torch import nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Outputs

CONTRACT: list[tuple[str, dict[str, Any]]] = [
    *[
        (name, {})
        for name in distillers.names()
        if not distillers.registry.get(name).factory.dense_only
    ],
    ("c2kd", {"proxies": "features"}),
    ("fd-cmkd", {"basis": "random"}),
    ("fd-cmkd", {"cutoff": "learn"}),
    ("fd-cmkd", {"cutoff": "learn", "basis": "random"}),
    ("fd-cmkd", {"band_heads": False}),
    ("fd-cmkd", {"freq": False, "align": True, "scale": False, "logmse": False}),
    ("freekd", {"prompts": 2, "whole": 5.0}),
    ("feat+fd-cmkd", {"feat.weight": 3.0}),
]


@pytest.mark.parametrize("teacher_dim", [DIM, OTHER_DIM])
@pytest.mark.parametrize(("name", "options"), CONTRACT)
class TestEveryDistiller:
    def test_terms_are_finite_scalars_and_the_total_has_them_with_their_weights(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options)
        student, teacher, labels = batch(teacher_dim)
        found = losses(distiller, student, teacher, labels)
        terms = distiller(student, teacher, labels)
        assert terms.keys() == distiller.weights.keys()
        assert not {"task", "total"} & terms.keys()
        assert all(x.shape == () and x.isfinite() for x in terms.values())
        assert list(found) == ["task", *terms, "total"]
        expected = cross_entropy(student.logits, labels)
        assert_close(found["task"], expected, rtol=0, atol=0)
        for term, value in terms.items():
            assert_close(found[term], value, rtol=0, atol=0)
            expected = expected + distiller.weights[term] * value
        assert_close(found["total"], expected)
        if "+" not in name:
            assert_close(distiller.combine(found["task"], terms), expected)

    def test_gradients_flow_where_the_method_says(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options)
        student, teacher, labels = batch(teacher_dim)
        inner = [step.loss(student, teacher, labels) for step in distiller.inner_steps()]
        total = losses(distiller, student, teacher, labels)["total"]
        (total + sum(inner)).backward()
        assert student.logits.grad is not None
        assert student.logits.grad.any()
        if distiller.needs_teacher and "logits" not in distiller.level:
            tensors = (student.features, *(student.maps or ()))
            assert any(x.grad is not None and x.grad.any() for x in tensors)
        for weight_name, weight in distiller.named_parameters():
            assert weight.grad is not None, weight_name
            assert weight.grad.any(), weight_name
        assert teacher.maps is not None
        reached = [
            x.grad is not None and bool(x.grad.any())
            for x in (teacher.features, teacher.logits, *teacher.maps)
        ]
        assert any(reached) == distiller.moves_teacher

    def test_only_declared_maps_are_read(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options)
        student, teacher, labels = batch(teacher_dim)
        expected = distiller(student, teacher, labels)
        if not distiller.student_maps:
            student = student._replace(maps=None)
        if not distiller.teacher_maps:
            teacher = teacher._replace(maps=None)
        assert_close(distiller(student, teacher, labels), expected, rtol=0, atol=0)

    def test_a_network_without_maps_will_do(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = distillers.build(
            name, num_classes=C, student_dim=DIM, teacher_dim=teacher_dim, **options
        )
        distiller.attach(build_teacher(teacher_dim))
        student, teacher, labels = batch(teacher_dim)
        terms = distiller(student._replace(maps=None), teacher._replace(maps=None), labels)
        assert all(x.shape == () and x.isfinite() for x in terms.values())

    def test_heads_predict_without_a_teacher(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options).eval()
        student, _, _ = batch(teacher_dim)
        heads = distiller.heads(student)
        assert heads["logits"] is student.logits
        assert all(x.shape == (N, C) and x.isfinite().all() for x in heads.values())

    def test_the_seed_decides_the_weights_and_the_state_carries_them(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        first, again = (build(name, teacher_dim, **options) for _ in range(2))
        assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
        other = build(name, teacher_dim, **options)
        for weight in other.parameters():
            weight.data.normal_()
        other.load_state_dict(first.state_dict())
        inputs = batch(teacher_dim)
        assert_close(other(*inputs), first(*inputs), rtol=0, atol=0)

    def test_it_says_whether_a_batch_may_come_in_parts(
        self, name: str, options: dict[str, Any], teacher_dim: int
    ) -> None:
        distiller = build(name, teacher_dim, **options)
        student, teacher, labels = batch(teacher_dim)
        whole, parts = losses(distiller, student, teacher, labels)["total"], 0.0
        for rows in (slice(0, 2), slice(2, N)):
            own, other = (_rows(outputs, rows) for outputs in (student, teacher))
            share = len(labels[rows]) / N
            parts += share * losses(distiller, own, other, labels[rows])["total"]
        if not distiller.couples_samples:
            assert not distiller.inner_steps()
            assert not any(
                isinstance(x, nn.modules.batchnorm._BatchNorm) for x in distiller.modules()
            )
            assert_close(parts, whole)
        elif not options:  # some options leave no coupling, and the method says nothing of it
            assert distiller.inner_steps() or not torch.allclose(parts, whole)

    def test_it_says_what_it_is(self, name: str, options: dict[str, Any], teacher_dim: int) -> None:
        distiller = build(name, teacher_dim, **options)
        assert distiller.group in ("Uni", "Logit", "Feature", "Cross", "Combined")
        assert distiller.level
        if distiller.needs_teacher and "+" not in name:
            assert distiller.paper
        option = distiller.response_option
        assert not option or option in distillers.resolve_options(name, options)
        assert distiller.look is None or 0 <= distiller.look < 48


def _rows(outputs: Outputs, rows: slice) -> Outputs:
    maps = outputs.maps and tuple(x[rows] for x in outputs.maps)
    return Outputs(outputs.features[rows], outputs.logits[rows], maps)


def test_no_two_methods_look_alike() -> None:
    looks = [distillers.registry.get(name).factory.look for name in distillers.names()]
    known = [look for look in looks if look is not None]
    assert sorted(known) == list(range(14))


def build_teacher(dim: int) -> Any:
    from fdsweep.trainers import backbones

    return backbones.build("cnn1d", channels=1, num_classes=C, width=dim)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("kdd", {}, "unknown method 'kdd'. Choose from: "),
        ("none", {"weight": 1}, "unknown option of none 'weight'"),
        ("feat", {"weight": -0.5}, "weight: -0.5 is not a weight. Give a number of 0 or more."),
        ("feat", {"reduction": "none"}, "reduction: unknown value 'none'. Choose from: mean, sum"),
        ("feat+feat", {}, "feat+feat: a method stands twice. Name each method once."),
        ("feat+nono", {}, "unknown method 'nono'. Choose from: "),
        ("feat+none", {"weight": 1.0}, "'weight' belongs to none of its methods. Write <method>."),
        ("feat+none", {"feat.wait": 1.0}, "unknown option of feat 'wait'. Choose from: reduction"),
    ],
)
def test_a_wrong_choice_is_answered_in_a_sentence(
    name: str, options: dict[str, Any], message: str
) -> None:
    assert message in refusal(build, name, **options)


def test_detached_outputs_keep_their_values_and_no_graph() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    outputs = Outputs(x * 2, x * 3, (x * 4,)).detach()
    assert outputs.maps is not None
    assert not any(t.requires_grad for t in (outputs.features, outputs.logits, *outputs.maps))
    assert_close([outputs.features, outputs.logits, *outputs.maps], [x.data * k for k in (2, 3, 4)])
    assert Outputs(x, x).detach().maps is None


def test_an_embedding_is_what_the_classifier_sees() -> None:
    network = build_teacher(5)
    outputs = network(torch.randn(3, 1, 40))
    assert_close(network.classifier(outputs.embedding()), outputs.logits)
    features = torch.tensor([[1.0, -2.0]])
    assert_close(Outputs(features, features).embedding(), torch.tensor([[1.0, 0.0]]))
