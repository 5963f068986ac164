"""Several methods as one: added up (`kd+fd-cmkd`), or one for each of several teachers."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.distillers.base import OWN_HEAD, Distiller, InnerStep, TaskLoss
from fdsweep.trainers.features.outputs import Outputs

Value = TypeVar("Value")


class Several(Distiller):
    """Methods with names; what each has is called `<name>.<term>`, `<name>.<head>` and so on."""

    def __init__(self, names: Sequence[str], parts: nn.ModuleDict | nn.ModuleList) -> None:
        super().__init__()
        self.names, self.parts = tuple(names), parts

    def methods(self) -> dict[str, Distiller]:
        """The parts by name, each in the running epoch."""
        methods = {}
        for name, part in zip(self.names, self.parts.children(), strict=True):
            assert isinstance(part, Distiller)
            part.epoch, part.epochs = self.epoch, self.epochs
            methods[name] = part
        return methods

    @property
    @override
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """Those of all parts."""
        return _union({name: part.weights for name, part in self.methods().items()})

    @abstractmethod
    @override
    def distil(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> dict[str, Tensor]:
        """Those of all parts."""

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        return self.distil(student, (teacher,), labels)

    @override
    def heads(self, student: Outputs) -> dict[str, Tensor]:
        """The heads of all parts; those beside the logits as `<name>.<head>`."""
        own = {name: part.heads(student) for name, part in self.methods().items()}
        beside = {
            name: {head: x for head, x in heads.items() if head != OWN_HEAD}
            for name, heads in own.items()
        }
        return {OWN_HEAD: student.logits, **_union(beside)}

    @override
    def measures(self) -> dict[str, float]:
        """Those of all parts, as `<name>.<measure>`."""
        return _union({name: part.measures() for name, part in self.methods().items()})


class Composition(Several):
    """The terms of several methods, named `<method>.<term>`, with their weights."""

    group = "Combined"

    def __init__(self, parts: Mapping[str, Distiller]) -> None:
        super().__init__(tuple(parts), nn.ModuleDict(parts))
        methods = list(parts.values())
        self.level = " + ".join(dict.fromkeys(part.level for part in methods))
        taught = [part.max_teachers for part in methods if part.needs_teacher]
        self.needs_teacher = bool(taught)
        self.max_teachers = min(taught, default=1)
        self.needs_pairs = any(part.needs_pairs for part in methods)
        self.moves_teacher = any(part.moves_teacher for part in methods)
        self.student_maps = any(part.student_maps for part in methods)
        self.teacher_maps = any(part.teacher_maps for part in methods)
        self.on_maps = "maps" if all(part.on_maps for part in methods) else ""
        self.couples_samples = any(part.couples_samples for part in methods)
        self.same_steps = all(part.same_steps for part in methods)
        self.same_epochs = all(part.same_epochs for part in methods)
        self.dense_only = any(part.dense_only for part in methods)
        self.one_label = next((part.one_label for part in methods if part.one_label), "")
        self.needs_classes = next((one.needs_classes for one in methods if one.needs_classes), "")
        norms = [part.clip_norm for part in methods if part.clip_norm is not None]
        self.clip_norm = min(norms, default=None)
        drawn = [f"{n}.{part.response_option}" for n, part in parts.items() if part.response_option]
        self.response_option = next(iter(drawn), "")
        self.needs = {
            f"{n}.{switch}": f"{n}.{needed}"
            for n, part in parts.items()
            for switch, needed in part.needs.items()
        }

    @override
    def distil(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> dict[str, Tensor]:
        parts = self.methods().items()
        return _union(
            {name: part.distil(*part.as_seen(student, teachers, labels)) for name, part in parts}
        )

    @override
    def losses(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor, task: TaskLoss
    ) -> dict[str, Tensor]:
        """The task's loss counts once, whatever the number k of parts.

        To the last bit, `total` = Σ total_i - (k - 1) task, with each part's total as it is alone.
        """
        own = task(student, labels)
        total = (1 - len(self.parts)) * own
        terms = {}
        for name, part in self.methods().items():
            losses = part.losses(student, teachers, labels, task)
            del losses["task"]
            total = total + losses.pop("total")
            terms[name] = losses
        return {"task": own, **_union(terms), "total": total}

    @override
    def inner_steps(self) -> tuple[InnerStep, ...]:
        """Those of all parts, one part after the other."""
        return tuple(
            step._replace(name=f"{name}.{step.name}")
            for name, part in self.methods().items()
            for step in part.inner_steps()
        )

    @override
    def attach(self, teacher: Backbone) -> None:
        """Let every part take what it needs."""
        for part in self.methods().values():
            part.attach(teacher)


class OneEach(Several):
    """A method once for each of several teachers; what they teach is averaged by weight.

    In all, `total` = Σ share · total of the part: what a student of that teacher alone would lower.
    As the shares add up to 1, the task counts once: task + Σ share · weight · term. Each part
    starts as it would with its teacher alone, and sees nothing of the others.

    Args:
        parts: teacher -> its own instance of the method.
        shares: of each teacher, 1 in all.
    """

    def __init__(self, parts: Mapping[str, Distiller], shares: Mapping[str, float]) -> None:
        super().__init__(tuple(parts), nn.ModuleList(parts.values()))
        self.shares = dict(shares)
        one = next(iter(parts.values()))
        self.max_teachers = len(parts)
        self.group, self.level, self.needs = one.group, one.level, one.needs
        self.needs_pairs, self.clip_norm = one.needs_pairs, one.clip_norm
        self.student_maps, self.teacher_maps = one.student_maps, one.teacher_maps
        self.on_maps, self.dense_only = one.on_maps and "maps", one.dense_only
        self.couples_samples, self.one_label = one.couples_samples, one.one_label
        self.same_steps, self.same_epochs = one.same_steps, one.same_epochs
        self.needs_classes = one.needs_classes

    @property
    @override
    def weights(self) -> Mapping[str, float]:  # type: ignore[override]
        """Those of all parts, each times its teacher's share."""
        return _union(
            {
                name: {term: self.shares[name] * x for term, x in part.weights.items()}
                for name, part in self.methods().items()
            }
        )

    @override
    def distil(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
    ) -> dict[str, Tensor]:
        given = zip(self.methods().items(), teachers, strict=True)
        return _union(
            {
                name: part.distil(*part.as_seen(student, (teacher,), labels))
                for (name, part), teacher in given
            }
        )

    @override
    def losses(
        self, student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor, task: TaskLoss
    ) -> dict[str, Tensor]:
        """With "total", the parts' totals by share: it rounds as one teacher's own with a share 1.

        The task's own value is that of the first part.
        """
        found = {
            name: part.losses(student, (teacher,), labels, task)
            for (name, part), teacher in zip(self.methods().items(), teachers, strict=True)
        }
        own = [losses.pop("task") for losses in found.values()]
        totals = [self.shares[name] * losses.pop("total") for name, losses in found.items()]
        return {"task": own[0], **_union(found), "total": torch.stack(totals).sum()}

    @override
    def inner_steps(self) -> tuple[InnerStep, ...]:
        """Those of all parts, one teacher after the other."""
        return tuple(
            step._replace(
                name=f"{name}.{step.name}", weight=self.shares[name] * step.weight, teacher=number
            )
            for number, (name, part) in enumerate(self.methods().items())
            for step in part.inner_steps()
        )

    @override
    def attach_each(self, teachers: Sequence[Backbone]) -> None:
        """Let each part take what it needs of its own teacher."""
        for part, teacher in zip(self.methods().values(), teachers, strict=True):
            part.attach(teacher)


def _union(parts: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """What the parts have, as `<part>.<name>`."""
    return {
        f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()
    }
