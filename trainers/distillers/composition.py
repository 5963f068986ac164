"""Methods added up: `kd+fd-cmkd` is the student's cross-entropy with the terms of both."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.distillers.base import Distiller, InnerStep
from fdsweep.trainers.features.outputs import Outputs


class Composition(Distiller):
    """The sum of several methods, the cross-entropy of the student's logits counted once.

    With k methods, `total` = Σ total_i - (k - 1) CE(logits_s, y), since each of them has that
    cross-entropy in its own. Terms are named `<method>.<term>`.
    """

    group = "Combined"

    def __init__(self, parts: Mapping[str, Distiller]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        methods = list(parts.values())
        self.level = " + ".join(dict.fromkeys(part.level for part in methods))
        self.needs_teacher = any(part.needs_teacher for part in methods)
        self.needs_pairs = any(part.needs_pairs for part in methods)
        self.moves_teacher = any(part.moves_teacher for part in methods)
        self.student_maps = any(part.student_maps for part in methods)
        self.teacher_maps = any(part.teacher_maps for part in methods)
        norms = [part.clip_norm for part in methods if part.clip_norm is not None]
        self.clip_norm = min(norms, default=None)

    def methods(self) -> dict[str, Distiller]:
        """The parts by name, each in the running epoch."""
        methods = {}
        for name, part in self.parts.items():
            assert isinstance(part, Distiller)
            part.epoch, part.epochs = self.epoch, self.epochs
            methods[name] = part
        return methods

    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """See `Distiller.forward`."""
        terms: dict[str, Tensor] = {}
        total = (1 - len(self.parts)) * F.cross_entropy(student.logits, labels)
        for name, part in self.methods().items():
            own = part(student, teacher, labels)
            total = total + own.pop("total")
            terms |= {f"{name}.{term}": value for term, value in own.items()}
        return {**terms, "total": total}

    def heads(self, student: Outputs) -> dict[str, Tensor]:
        """The heads of all parts; those beside the logits as `<method>.<head>`."""
        heads = {"logits": student.logits}
        for name, part in self.methods().items():
            own = part.heads(student)
            heads |= {f"{name}.{head}": x for head, x in own.items() if head != "logits"}
        return heads

    def measures(self) -> dict[str, float]:
        """Those of all parts, as `<method>.<measure>`."""
        return {
            f"{name}.{measure}": value
            for name, part in self.methods().items()
            for measure, value in part.measures().items()
        }

    def inner_steps(self) -> tuple[InnerStep, ...]:
        """Those of all parts, one part after the other."""
        return tuple(
            step._replace(name=f"{name}.{step.name}")
            for name, part in self.methods().items()
            for step in part.inner_steps()
        )

    def attach(self, teacher: Backbone) -> None:
        """Let every part take what it needs."""
        for part in self.methods().values():
            part.attach(teacher)
