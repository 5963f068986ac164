"""A small real network, the inner steps of `unpaired`, and all of it again by hand on a copy."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from fdsweep.trainers import backbones, distillers, tasks
from fdsweep.trainers.distillers import InnerStep
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loop import Part, Roles, train_step
from fdsweep.trainers.protocol.lookahead import ahead

torch.set_num_threads(1)  # threads wait for each other on tensors this small

LR = 0.3
N, C = 12, 3


class Setting:
    """Student, teacher's outputs and method with a projector, always the same."""

    def __init__(self, **options):
        torch.manual_seed(5)
        self.student = backbones.build("cnn1d", channels=2, num_classes=C, width=6).double().train()
        teacher = backbones.build("cnn1d", channels=3, num_classes=C, width=8).double().eval()
        self.distiller = distillers.build(
            "unpaired", num_classes=C, student_dim=6, teacher_dim=8, **options
        ).double()
        self.distiller.attach(teacher)
        self.inputs = torch.randn(N, 2, 24, dtype=torch.float64)
        self.labels = torch.arange(N) % C
        with torch.no_grad():
            self.taught = teacher(torch.randn(N, 3, 24, dtype=torch.float64)).detach()
        self.runs = 0

    def outputs(self):
        self.runs += 1
        return self.student(self.inputs)

    def ahead(self, steps=None):
        steps = self.distiller.inner_steps() if steps is None else steps
        return ahead(steps, self.student, self.outputs, (self.taught,), self.labels, LR)


def values(tensors):
    return [x.detach().clone() for x in tensors]


def by_hand(setting, steps, lr=LR):
    """Where `steps` lead a copy, its cross-entropy gradient there, the method's, and the losses."""
    student, distiller = copy.deepcopy(setting.student), setting.distiller
    own = list(distiller.parameters())
    collected = [torch.zeros_like(x) for x in own]
    losses = []
    for name, rate, weight in steps:
        outputs = student(setting.inputs)
        if name == "fa":
            loss = distiller.feature_alignment(outputs, setting.taught, setting.labels)
            moving = list(student.parameters())
        else:
            loss = distiller.label_alignment(outputs, setting.taught, setting.labels)
            moving = list(student.classifier.parameters())
        losses.append(loss.item())
        gradients = torch.autograd.grad(weight * loss, [*moving, *own], allow_unused=True)
        for x, gradient in zip(moving, gradients, strict=False):
            if gradient is not None:  # the classifier has no part in "fa"
                x.data -= lr * rate * gradient
        collected = [
            x + gradient for x, gradient in zip(collected, gradients[len(moving) :], strict=True)
        ]
    task = F.cross_entropy(student(setting.inputs).logits, setting.labels)
    gradient = torch.autograd.grad(task, list(student.parameters()))
    return values(student.parameters()), gradient, collected, losses, task.item()


OPTIONS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"feature_steps": 1, "head_steps": 0},
        {"feature_steps": 0, "head_steps": 3},
        {"feature_steps": 3, "head_steps": 2, "inner_rate": 0.4},
        {"weight_fa": 3.0, "weight_la": 0.5},
    ],
)


def plan(options):
    given = {"feature_steps": 2, "head_steps": 1, "inner_rate": 1.0} | options
    fa, la = (
        (name, given["inner_rate"], given.get(f"weight_{name}", 1.0)) for name in ("fa", "la")
    )
    return [fa] * given["feature_steps"] + [la] * given["head_steps"]


@OPTIONS
def test_the_gradient_is_taken_where_the_steps_lead_and_left_with_the_student(options):
    setting = Setting(**options)
    before = values(setting.student.parameters())
    moved, gradient, collected, losses, _ = by_hand(setting, plan(options))
    with setting.ahead() as reported:
        assert_close(values(setting.student.parameters()), moved)
        F.cross_entropy(setting.outputs().logits, setting.labels).backward()
    assert_close(values(setting.student.parameters()), before, rtol=0, atol=0)
    assert_close([x.grad for x in setting.student.parameters()], list(gradient))
    assert_close([x.grad for x in setting.distiller.parameters()], collected)
    first = {name: losses[i] for i, (name, *_) in reversed(list(enumerate(plan(options))))}
    assert {name: x.item() for name, x in reported.items()} == pytest.approx(first)
    assert not any(x.requires_grad for x in reported.values())


@OPTIONS
def test_batch_statistics_see_the_batch_once_and_before_the_student_moves(options):
    setting = Setting(**options)
    expected = copy.deepcopy(setting.student)
    expected(setting.inputs)
    with setting.ahead():
        F.cross_entropy(setting.outputs().logits, setting.labels).backward()
    assert setting.runs == len(plan(options)) + 1
    assert_close(values(setting.student.buffers()), values(expected.buffers()), rtol=0, atol=0)


def test_head_steps_move_the_classifier_alone_and_others_everything():
    setting = Setting()
    before = {name: x.detach().clone() for name, x in setting.student.named_parameters()}

    def moved(head_only):
        loss = lambda student, teacher, labels: F.cross_entropy(student.logits, labels)  # noqa: E731
        with setting.ahead((InnerStep("task", loss, head_only=head_only),)):
            names = {k for k, x in setting.student.named_parameters() if (x != before[k]).any()}
        return names

    assert moved(True) == {"classifier.weight", "classifier.bias"}
    assert moved(False) == set(before)


def test_without_steps_nothing_happens():
    setting = Setting(bilevel=False)
    before = {k: x.clone() for k, x in setting.student.state_dict().items()}
    with setting.ahead() as reported:
        assert reported == {}
    assert setting.runs == 0
    assert_close(dict(setting.student.state_dict()), before, rtol=0, atol=0)
    assert all(x.grad is None for x in setting.student.parameters())


@OPTIONS
def test_a_training_step_applies_the_copy_s_gradient_to_the_student(options):
    setting = Setting(**options)
    before = values(setting.student.parameters())
    projector = values(setting.distiller.parameters())
    _, gradient, collected, losses, task = by_hand(setting, plan(options))
    student = Runtime.here(torch.device("cpu")).place(setting.student)
    roles = Roles(tasks.find("classification"), student, setting.distiller)
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=LR)
    for _ in range(2):  # what an earlier step left behind must not matter
        for x, start in zip(roles.trained().parameters(), [*before, *projector], strict=True):
            x.data.copy_(start)
        part = Part(setting.inputs, (setting.taught,), setting.labels)
        terms = train_step([part], len(setting.labels), roles, optimizer)
    expected = [x - LR * g for x, g in zip(before, gradient, strict=True)]
    assert_close(values(setting.student.parameters()), expected)
    expected = [x - LR * g for x, g in zip(projector, collected, strict=True)]
    assert_close(values(setting.distiller.parameters()), expected)
    first = {name: losses[i] for i, (name, *_) in reversed(list(enumerate(plan(options))))}
    assert {k: x.item() / len(setting.labels) for k, x in terms.items()} == pytest.approx(
        {**first, "task": task, "total": task}
    )
