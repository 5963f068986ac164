"""What the networks of a sweep cost beside what they reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fdsweep.results.compute.statistics import mean_interval
from fdsweep.results.compute.tables.model import TO_PERCENT, TableRow
from fdsweep.results.records.costs import Costs, NetworkCost
from fdsweep.results.records.manifest import Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherScore:
    """Over the `n` seeds of a teacher, in percent on test: mean, SD, 95 % t interval."""

    n: int
    mean: float
    std: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Taught:
    """A row that the network is the student of, and the `mean` that it reaches, in percent."""

    row: str
    teacher_modality: str
    mean: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkRow:
    """A network of a sweep: what a prediction costs, and what it reaches.

    `parameters`, `flops` and `device` are as in `NetworkCost`; `latency_ms` is of one sample alone
    and `batch_latency_ms` of each in a pass of `batch`. `as_teacher` is None where it teaches
    nobody, `as_student` in the order of the table.
    """

    modality: str
    backbone: str
    parameters: int
    flops: int
    latency_ms: float
    batch: int
    batch_latency_ms: float
    device: str
    as_teacher: TeacherScore | None
    as_student: tuple[Taught, ...]


def network_rows(
    manifest: Manifest,
    costs: Costs,
    rows: Sequence[TableRow],
    teachers: Mapping[str, Sequence[float]],
) -> tuple[NetworkRow, ...]:
    """The networks of `manifest` that `costs` knows, students first, in the order of `rows`.

    `teachers` gives the test scores (fractions, one per seed) of each modality's teacher.
    """
    keys = {(row.row, row.direction): row.key for row in manifest.rows}
    taught: dict[str, list[Taught]] = {}
    for row in rows:
        network = costs.students.get(keys[row.row, row.direction], "")
        told = Taught(row=row.row, teacher_modality=row.teacher_modality, mean=row.mean)
        taught.setdefault(network, []).append(told)
    scores = {key: teachers.get(modality, ()) for modality, key in manifest.teachers.items()}
    return tuple(
        _network_row(costs.networks[key], scores.get(key, ()), taught.get(key, ()))
        for key in dict.fromkeys((*taught, *manifest.teachers.values()))
        if key in costs.networks
    )


def _network_row(
    cost: NetworkCost, scores: Sequence[float], taught: Sequence[Taught]
) -> NetworkRow:
    return NetworkRow(
        modality=cost.modality,
        backbone=cost.backbone,
        parameters=cost.parameters,
        flops=cost.flops,
        latency_ms=1e3 * cost.latency,
        batch=cost.batch,
        batch_latency_ms=1e3 * cost.batch_latency / cost.batch,
        device=cost.device,
        as_teacher=_teacher_score(scores) if scores else None,
        as_student=tuple(taught),
    )


def _teacher_score(scores: Sequence[float]) -> TeacherScore:
    values = TO_PERCENT * np.array(scores)
    low, high = mean_interval(values) or (None, None)
    return TeacherScore(
        n=len(values),
        mean=float(values.mean()),
        std=float(values.std(ddof=1)) if len(values) > 1 else None,
        ci_low=low,
        ci_high=high,
    )
