"""What trackers are told of a replicate, of a trial of a search, and of a line of a table.

And how to look at that, where a tracker can be told.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fdsweep.results.report import Report


Identity = tuple[str, str]
"""A replicate's key and its seed; the key of a search's trial, and no seed."""

Point = tuple[str, float, int]
"""A metric's name, its value, and the epoch."""

USAGE = "system/"
"""What the names of metrics begin with that tell of a worker's machine. They are told while a
replicate is in training, and stored nowhere else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A replicate of a study, or a trial of a search.

    One that is done is written once for its `identity`. `metrics` are (name, value, epoch), in the
    order of the curves; `seconds` are of training.
    """

    identity: Identity
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, object]
    metrics: list[Point]
    seconds: float
    done: bool


def replicate_run(
    row: dict[str, Any], curves: Iterable[tuple[int, str, str, float]], name: str
) -> Run:
    """The run of a replicate: its row of `results/`, its curves, and its cell's name.

    A score that there is not is None in the row, or NaN where a table held it.
    """
    shown = ("row", "method", "dataset", "teacher_modality", "student_modality", "seed", "key")
    finals = ("val_score", "test_score", "test_score_last", "test_score_best")
    scores = {field: row[field] for field in finals if row[field] is not None}
    metrics = [(f"final_{name}", x, 0) for name, x in scores.items() if not math.isnan(x)]
    metrics += curve_points(curves)
    return Run(
        identity=(row["key"], str(row["seed"])),
        name=f"{name}, seed {row['seed']}",
        tags={
            **{f"fdsweep.{field}": str(row[field]) for field in (*shown, "status")},
            "fdsweep.teacher_keys": "+".join(row["teacher_keys"]),
            "fdsweep.direction": f"{row['teacher_modality']}->{row['student_modality']}",
            "fdsweep.kind": row["study"],
        },
        params={
            **{field: row[field] for field in (*shown, "epochs", "device")},
            **_flat(json.loads(row["config"])),
        },
        metrics=metrics,
        seconds=row["wall_seconds"] or 0.0,
        done=row["status"] == "done",
    )


def starting_run(row: dict[str, Any], name: str, dashboard: str) -> Run:
    """The run of a replicate that is in training now, from what its `row` says before its end.

    `dashboard` is the address of Ray's, "" if there is none.
    """
    run = replicate_run({**row, "status": ""}, (), name)
    params = {field: value for field, value in run.params.items() if field != "device"}
    tags = {tag: value for tag, value in run.tags.items() if tag != "fdsweep.status"}
    return replace(run, params=params, tags={**tags, **link(dashboard)}, metrics=[])


def link(dashboard: str) -> dict[str, str]:
    """The tag of a run that is in training under a dashboard of Ray's, if there is one."""
    return {"fdsweep.dashboard": dashboard} if dashboard else {}


def curve_points(curves: Iterable[Sequence[Any]]) -> list[Point]:
    """Points of `curves`, each (epoch, split, metric, value)."""
    return [(f"{split}_{metric}", value, epoch) for epoch, split, metric, value in curves]


def usage_points(usage: Iterable[Sequence[Any]], epoch: int) -> list[Point]:
    """Points of what a worker tells of its machine, each (name, value), at `epoch`."""
    return [(f"{USAGE}{name}", value, epoch) for name, value in usage]


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """A way to look at an experiment's runs: which of them, and what of them.

    `where` is a filter of MLflow's. `columns` are `metrics.<name>`, `tags.<name>` and
    `attributes.<name>`, in their order. Runs are sorted by the column `by`, the largest first, and
    grouped by `tags`. `charts` says whether it opens on the charts rather than the table.
    """

    where: str
    columns: tuple[str, ...]
    by: str
    tags: tuple[str, ...]
    charts: bool = False


VIEWS = {
    "answer": View(
        where="tags.fdsweep.kind = 'summary'",
        columns=(
            *("tags.fdsweep.verdict", "metrics.delta", "metrics.delta_low", "metrics.delta_high"),
            *("metrics.p_holm", "metrics.mean", "metrics.sd", "metrics.n"),
        ),
        by="metrics.delta",
        tags=("fdsweep.direction",),
    ),
    "replicates": View(
        where="tags.fdsweep.seed != ''",
        columns=(
            *("metrics.final_test_score", "metrics.final_val_score"),
            *("metrics.final_test_score_last", "attributes.Dataset"),
        ),
        by="metrics.final_test_score",
        tags=("fdsweep.direction", "fdsweep.row"),
        charts=True,
    ),
}
"""By name: the lines of the sweep's table, and its replicates, the seeds of a row as one group."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a tracker holds of a run already; values of metrics by (name, epoch)."""

    params: dict[str, str]
    tags: dict[str, str]
    points: dict[tuple[str, int], float]

    def fits(self, run: Run, params: Mapping[str, str]) -> bool:
        """Whether `run`, with its `params` as text, comes of adding to this what is missing."""
        if any(self.params.get(name, text) != text for name, text in params.items()):
            return False
        told = {(name, epoch): value for name, value, epoch in run.metrics}
        for (name, epoch), value in self.points.items():
            if name.startswith(USAGE):
                continue
            other = told.get((name, epoch))
            if run.done if other is None else not _are_same(value, other):
                return False
        return True

    def lacking(self, run: Run) -> list[Point]:
        """Those points of `run` that are not held."""
        return [point for point in run.metrics if (point[0], point[2]) not in self.points]

    def usage(self) -> list[Point]:
        """Points of the worker's machine."""
        points = self.points.items()
        return [(name, value, at) for (name, at), value in points if name.startswith(USAGE)]


def _are_same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One line of a sweep's table as a run of its own, so that a tracker's run table is the table.

    A sweep run again brings the numbers of the same run up to date.
    """

    row: str
    direction: str
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def name(self) -> str:
        """Of the run; no replicate has it, for theirs ends with the seed."""
        return f"{self.row}, {self.direction}"


def summaries(report: "Report") -> list[Summary]:
    """The lines of a report's tables; scores and differences in percent."""
    return [
        Summary(
            row=row.row,
            direction=f"{row.teacher_modality}->{row.student_modality}",
            tags={
                "fdsweep.protocol": table.protocol,
                **({"fdsweep.verdict": row.verdict} if row.verdict else {}),
            },
            metrics={
                name: float(value)
                for name, value in {
                    "n": row.n,
                    "mean": row.mean,
                    "sd": row.std,
                    "delta": row.delta,
                    "delta_low": row.delta_ci[0] if row.delta_ci else None,
                    "delta_high": row.delta_ci[1] if row.delta_ci else None,
                    "p_holm": row.p_adjusted,
                    "last": row.last,
                    "test_selected": row.test_selected,
                }.items()
                if value is not None
            },
        )
        for table in report.tables
        for row in table.rows
    ]


def _flat(config: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """`config` with dotted names; several teachers stand under their modalities."""
    found: dict[str, object] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            found |= _flat({one["modality"]: one for one in value}, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found
