"""A study from its sweep to its report: plan, run what is missing, record, report."""

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from results.manifest import Manifest, ManifestRow
from results.report import Report, report, to_json, to_markdown
from results.schema import Replicate
from results.store import Store

from orchestrator.cluster import Request, check, connect
from orchestrator.estimate import Estimate, estimate
from orchestrator.plan import Cell, Plan, make_cells, make_plan
from orchestrator.progress import Progress, clock
from orchestrator.tracking import Tracker
from results import manifest as manifests
from search_spaces.configs import TrialConfig
from search_spaces.errors import ConfigError
from search_spaces.keys import spell
from search_spaces.sweep import Sweep
from trainers import data, teachers
from trainers.data import DatasetInfo, check_batch

VERSION = version("fdsweep")


@dataclass(frozen=True, slots=True)
class Failure:
    """A replicate that failed: which one, the error in one sentence, and where its log is."""

    name: str
    seed: int
    error: str
    log: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A study's report and the replicates that failed in this invocation."""

    report: Report
    failures: tuple[Failure, ...]

    def to_json(self) -> dict[str, Any]:
        """The report's document with `failures` beside it."""
        return {**to_json(self.report), "failures": [asdict(item) for item in self.failures]}


@dataclass(frozen=True, slots=True)
class Study:
    """A planned study, ready to run."""

    sweep: Sweep
    dataset: data.Dataset
    plan: Plan
    store: Store
    request: Request

    @property
    def info(self) -> DatasetInfo:
        """What is studied on."""
        return self.dataset.info


def prepare(
    sweep: Sweep, storage: str, request: Request, seeds_per_trial: int | None = None
) -> Study:
    """Check everything that can be checked before Ray starts, and plan what is left.

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    check(request)
    if seeds_per_trial is not None and seeds_per_trial < 1:
        raise ConfigError(
            f"{seeds_per_trial} seeds per trial asked for", "--seeds-per-trial", "Give 1 or more"
        )
    dataset = data.find(sweep.dataset)
    cells = make_cells(sweep, dataset.info)
    check_batch(dataset.info, cells[0].config.network.optim.batch_size, request.workers_per_trial)
    store = Store.create(storage)
    plan = make_plan(
        sweep,
        cells,
        finished=store.finished(),
        missing_teachers=lambda key, seeds: teachers.missing(store.root, key, seeds),
        storage=store.root,
        seeds_per_trial=seeds_per_trial,
    )
    return Study(sweep, dataset, plan, store, request)


def estimate_study(study: Study) -> Estimate:
    """What the rest of `study` will cost."""
    rows = study.store.replicates()
    history = rows[rows["status"] == "done"].to_dict("records")
    return estimate(study.plan, study.request, study.dataset, history)


def describe(study: Study, cost: Estimate) -> str:
    """The plan in a few lines for a person."""
    plan = study.plan
    n = len(plan.seeds)
    teachers_left = sum(len(trial.seeds) for trial in plan.teachers)
    students_left = sum(len(trial.seeds) for trial in plan.students)
    lines = [
        f"{plan.sweep}: {len({cell.key for cell in plan.cells})} cells x {n} seeds = "
        f"{plan.total} replicates; {plan.done} done, {students_left} left in "
        f"{len(plan.students)} trials, and {teachers_left} teachers in {len(plan.teachers)}",
    ]
    if plan.left and cost.seconds is not None:
        lines.append(
            f"training time about {clock(cost.seconds)} with {cost.concurrent} trials at a time "
            f"({cost.basis}); starting each trial comes on top"
        )
    elif plan.left:
        lines.append(f"training time unknown: {cost.basis}")
    effect = "no effect" if n < 2 else f"an effect of {cost.effect:.2f} SD of the differences"
    lines.append(
        f"{n} seeds can detect {effect} (paired t-test, 80 % power); "
        f"the exact sign-flip p cannot fall below {cost.smallest_p:.3g}"
    )
    return "\n".join(lines)


def plan_json(study: Study, cost: Estimate) -> dict[str, Any]:
    """The plan as a document."""
    plan = study.plan
    return {
        "schema": "fdsweep.plan/1",
        "sweep": plan.sweep,
        "seeds": list(plan.seeds),
        "replicates": {"total": plan.total, "done": plan.done},
        "trials": [
            {"kind": trial.kind, "key": trial.key, "seeds": list(trial.seeds)}
            for trial in (*plan.teachers, *plan.students)
        ],
        "estimate": {
            "training_seconds": cost.seconds,
            "basis": cost.basis,
            "concurrent_trials": cost.concurrent,
            "detectable_effect_sd": None if len(plan.seeds) < 2 else cost.effect,
            "smallest_p": cost.smallest_p,
        },
    }


def run(study: Study) -> Outcome:
    """Train what is missing, record it, and report.

    Raises:
        ClusterError: the devices asked for are not there.
    """
    plan, store = study.plan, study.store
    manifests.save(store, _manifest(study))
    failures: tuple[Failure, ...] = ()
    if plan.left:
        allotment = connect(study.request)
        from orchestrator.run import run_plan

        tags = {"fdsweep.study": study.sweep.study, "fdsweep.dataset": study.info.name}
        names = _names(study)
        with Tracker(store.root, plan.sweep, tags) as tracker:
            with Progress(plan.left, names) as progress:
                recorder = Recorder(study, names, tracker, progress)
                run_plan(plan, allotment, store.root, recorder)
            failures = tuple(recorder.failures)
            result = _report(study)
            tracker.finish({"report.md": to_markdown(result)}, _summary(result))
    else:
        result = _report(study)
    return Outcome(result, failures)


@dataclass
class Recorder:
    """Writes what a run's replicates report: Parquet, MLflow, the terminal."""

    study: Study
    names: dict[str, str]
    tracker: Tracker
    progress: Progress
    failures: list[Failure] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cells = {cell.key: cell for cell in self.study.plan.cells}

    def started(self, trial: TrialConfig) -> None:
        """See `orchestrator.run.Observer`."""
        self.progress.started(trial)

    def epoch(self, trial: TrialConfig, metrics: dict[str, Any]) -> None:
        """See `orchestrator.run.Observer`."""
        self.progress.epoch(trial, metrics)

    def finished(self, trial: TrialConfig, seed: int, outcome: dict[str, Any]) -> None:
        """See `orchestrator.run.Observer`."""
        row = self._row(trial, seed, "done", outcome)
        curves = [tuple(point) for point in outcome["curves"]]
        if trial.kind == "student":
            self.study.store.put(
                row,
                curves=[
                    {
                        "key": trial.key,
                        "seed": seed,
                        "epoch": e,
                        "split": s,
                        "metric": m,
                        "value": v,
                    }
                    for e, s, m, v in curves
                ],
                predictions=[
                    {
                        "key": trial.key,
                        "seed": seed,
                        "sample_id": sample,
                        "group": group,
                        "label": label,
                        "prediction": prediction,
                    }
                    for sample, group, label, prediction in zip(
                        outcome["sample_ids"],
                        outcome["groups"],
                        outcome["labels"],
                        outcome["predictions"],
                        strict=True,
                    )
                ],
            )
        self.tracker.log(asdict(row), curves, f"{self.names[trial.key]}, seed {seed}")
        self.progress.ended(trial, seed, outcome["val_accuracy"])

    def failed(self, trial: TrialConfig, seed: int, error: str, traceback: str) -> None:
        """See `orchestrator.run.Observer`."""
        name = self.names[trial.key]
        log = f"reports/{self.study.plan.sweep}/errors/{trial.kind}-{trial.key}-{seed}.txt"
        self.study.store.write_text(log, f"{name}, seed {seed}\n{error}\n\n{traceback}")
        row = self._row(trial, seed, "failed", {})
        if trial.kind == "student":
            self.study.store.put(row, curves=[], predictions=[])
        self.tracker.log(asdict(row), [], f"{name}, seed {seed} (failed)")
        self.failures.append(Failure(name, seed, error, self.study.store.path(log)))
        self.progress.ended(trial, seed, None)
        self.progress.say(f"failed: {name}, seed {seed}: {error}")

    def _row(
        self, trial: TrialConfig, seed: int, status: str, outcome: dict[str, Any]
    ) -> Replicate:
        cell = self.cells.get(trial.key)
        network = trial.config.network
        return Replicate(
            sweep=self.study.plan.sweep,
            study=self.study.sweep.study if cell else "teacher",
            row=cell.row.name if cell else "teacher",
            method=trial.config.method,
            dataset=network.dataset,
            teacher_modality=cell.teacher_modality if cell else "",
            student_modality=network.modality,
            seed=seed,
            key=trial.key,
            teacher_key=trial.config.teacher_key,
            status=status,
            epochs=network.optim.epochs,
            best_epoch=outcome.get("best_epoch"),
            best_head=outcome.get("best_head"),
            val_accuracy=outcome.get("val_accuracy"),
            test_accuracy=outcome.get("test_accuracy"),
            test_accuracy_last=outcome.get("test_accuracy_last"),
            test_accuracy_best=outcome.get("test_accuracy_best"),
            wall_seconds=outcome.get("seconds", 0.0),
            device=outcome.get("device", ""),
            fdsweep_version=VERSION,
            data_fingerprint=network.data_fingerprint,
            config=spell(trial.config),
        )


def _report(study: Study) -> Report:
    return report(study.store, study.plan.sweep, seeds=study.plan.seeds)


def _names(study: Study) -> dict[str, str]:
    names = {cell.key: cell_name(cell) for cell in study.plan.cells}
    return names | {
        trial.key: f"teacher {trial.config.network.modality}" for trial in study.plan.teachers
    }


def cell_name(cell: Cell) -> str:
    """A cell's words for people."""
    return f"{cell.row.name}, {cell.teacher_modality}->{cell.student_modality}"


def _manifest(study: Study) -> Manifest:
    plan, info = study.plan, study.info
    optim = plan.cells[0].config.network.optim
    new = Manifest(
        sweep=plan.sweep,
        study=study.sweep.study,
        title=study.sweep.title,
        dataset=info.name,
        paper_table=study.sweep.paper_table,
        epochs=optim.epochs,
        seeds=tuple(sorted(plan.seeds)),
        seed_history=(tuple(sorted(plan.seeds)),),
        rows=tuple(
            ManifestRow(
                row=cell.row.name,
                method=cell.config.method,
                teacher_modality=cell.teacher_modality,
                student_modality=cell.student_modality,
                key=cell.key,
                teacher_key=cell.config.teacher_key,
                paper=cell.row.paper,
            )
            for cell in plan.cells
        ),
        teachers={
            cell.config.teacher.modality: cell.config.teacher_key
            for cell in plan.cells
            if cell.config.teacher and cell.config.teacher_key
        },
        data_fingerprint=info.fingerprint,
    )
    return new


def _summary(result: Report) -> dict[str, float]:
    """Aggregate numbers for the parent run: mean and difference of every row."""
    numbers = {}
    for table in result.tables:
        for row in table.rows:
            name = _metric_name(f"{row.student_modality}/{row.row}")
            if row.mean is not None:
                numbers[f"{name}/mean"] = row.mean
            if row.delta is not None:
                numbers[f"{name}/delta"] = row.delta
    return numbers


def _metric_name(text: str) -> str:
    """`text` with the characters that MLflow allows in the name of a metric."""
    return "".join(c if c.isalnum() or c in "/_- ." else "-" for c in text)
