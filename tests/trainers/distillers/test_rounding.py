"""Stored numbers rest on the order of every sum: totals and gradients to the last bit."""

import pytest
import torch
from reference import batch, build, losses
from torch import Tensor
from torch.nn.functional import cross_entropy

from fdsweep.trainers.distillers import Distiller, Outputs

Terms = dict[str, Tensor]
METHODS = {
    "dkd": {"alpha": 0.7, "beta": 1.3, "warmup_share": 1 / 7},
    "c2kd": {"weight_teacher": 0.7, "weight_proxy": 0.31, "weight_cross": 1.9},
    "fd-cmkd": {"weight_low": 1.3, "weight_high": 0.21, "weight_align": 0.77},
    "kd": {"weight": 0.37},
}


def single(seed: int) -> tuple[Outputs, Outputs, Tensor]:
    """A batch in float32, where three numbers rarely add up to the same in another order."""
    student, teacher, labels = batch(seed=seed)

    def cut(outputs: Outputs) -> Outputs:
        maps = tuple(x.detach().float().requires_grad_() for x in outputs.maps or ())
        features, logits = (x.detach().float().requires_grad_() for x in outputs[:2])
        return Outputs(features, logits, maps)

    return cut(student), cut(teacher), labels


def written_out(name: str, distiller: Distiller, student: Outputs, t: Terms, y: Tensor) -> Tensor:
    """The total as it was first published here."""
    task = cross_entropy(student.logits, y)
    if name == "dkd":
        return task + 1 / 7 * (0.7 * t["tckd"] + 1.3 * t["nckd"])
    if name == "c2kd":
        proxies = 0.31 * (t["student_proxy"] + t["teacher_proxy"])
        return task + 0.7 * t["teacher_task"] + proxies + 1.9 * t["cross"]
    if name == "fd-cmkd":
        for head, logits in distiller.heads(student).items():
            task = task if head == "logits" else task + cross_entropy(logits, y)
        return task + 1.3 * t["low"] + 0.21 * t["high"] + 0.77 * t["align"]
    return task + 0.37 * t["kd"]


@pytest.mark.parametrize("name", METHODS)
def test_totals_are_summed_as_ever(name: str) -> None:
    distiller = build(name, **METHODS[name]).float()
    distiller.epochs = 49
    for seed in range(20):
        student, teacher, labels = single(seed)
        found = losses(distiller, student, teacher, labels)
        expected = written_out(name, distiller, student, found, labels)
        assert torch.equal(found["total"], expected), seed


def test_compositions_are_summed_as_ever_and_so_are_their_gradients() -> None:
    """Each part with a cross-entropy of its own, of which one counts in the end."""
    names = ("fd-cmkd", "kd", "c2kd")
    options = {f"{part}.{k}": v for part in names for k, v in METHODS[part].items()}
    composition = build("+".join(names), **options).float()
    methods = dict(composition.get_submodule("parts").named_children())
    for seed in range(20):
        student, teacher, labels = single(seed)
        total = (1 - len(names)) * cross_entropy(student.logits, labels)
        for name in names:
            method = methods[name]
            assert isinstance(method, Distiller)
            total = total + losses(method, student, teacher, labels)["total"]
        found = losses(composition, student, teacher, labels)["total"]
        assert torch.equal(found, total), seed
        roots = [student.logits, student.features, *composition.parameters()]
        pairs = [torch.autograd.grad(x, roots, retain_graph=True) for x in (found, total)]
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(*pairs, strict=True)), seed
