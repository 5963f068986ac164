"""What becomes of a replicate: a row in Parquet, a run for the tracker, a line on the terminal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from fdsweep.orchestrator.bulletins.record import Training
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.runs import (
    Identity,
    curve_points,
    replicate_run,
    starting_run,
    usage_points,
)
from fdsweep.orchestrator.tracking.sync import keep
from fdsweep.orchestrator.tracking.tracker import Tracker
from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store
from fdsweep.results.records.store.compaction import Compaction
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.keys import spell
from fdsweep.search_spaces.sweep import Sweep
from fdsweep.search_spaces.trials import Plan, TrialConfig
from fdsweep.trainers import tasks
from fdsweep.trainers.protocol.reports import Broken, EpochReport, Outcome


@dataclass(frozen=True, slots=True)
class Failure:
    """A replicate or a trial of a search (no seed) that failed: the error, and where its log is."""

    name: str
    seed: int | None
    error: str
    log: str


@dataclass
class Recorder:
    """An `Observer` of `execution.stages` that records everything and keeps the failures.

    `devices` is how many of them a trial takes, `dashboard` the address of Ray's, if there is one;
    `prepare` is called where cores are left over for what comes after training.
    """

    sweep: Sweep
    plan: Plan
    store: Store
    tracker: Tracker
    progress: Progress
    devices: float = 1.0
    failures: list[Failure] = field(default_factory=list)
    dashboard: str = ""
    prepare: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.cells = {cell.key: cell for cell in self.plan.cells}
        task = self.plan.cells[0].config.network.task if self.plan.cells else ""
        self.copies = Compaction(self.store, self.cells.keys(), task, self.plan.done)
        self.waited_for = ""
        self.begun: set[Identity] = set()

    def started(self, trial: TrialConfig) -> None:
        """Show the trial, and its first replicate."""
        begun = Training(name=self._name(trial), kind=trial.kind, seeds=trial.seeds)
        self.progress.running(_identity(trial), begun)
        self._begin(trial, trial.seeds[0])

    def epoch(self, trial: TrialConfig, report: EpochReport) -> None:
        """Show the epoch."""
        epoch, epochs, seed = report["epoch"], report["epochs"], report["seed"]
        self._begin(trial, seed)
        points = curve_points(report["curves"])
        points += usage_points(report["usage"], epoch - 1)  # as curves count
        log = {"fdsweep.worker_log": report["log"]} if report["log"] else {}
        self.tracker.add((trial.key, str(seed)), points, log)
        self.progress.epoch(_identity(trial), epoch, epochs, report["score"], report["split"], seed)

    def silent(self, trial: TrialConfig, seconds: float, *, over: bool) -> None:
        """Say so."""
        name = f"{self._name(trial)}, seeds {spell_seeds(trial.seeds)}"
        self.progress.silent(_identity(trial), name, seconds, over=over)

    def keep(self, trial: TrialConfig, seed: int, end: Outcome | Broken) -> None:
        """Store a replicate, or that it failed, with its log; a teacher is in the storage already.

        Trackers are told after that.
        """
        name, outcome = self._name(trial), None
        if "error" in end:
            text = f"{name}, seed {seed}\n{end['error']}\n\n{end['traceback']}"
            self.store.write_text(self._log(trial, seed), text)
        else:
            outcome = end
        row = self._row(trial, seed, outcome)
        run = replicate_run(row.model_dump(), outcome["curves"] if outcome else (), name)
        if trial.kind == "teacher":  # `results/` has no row of it
            keep(self.store, self.plan.sweep, run)
        elif outcome:
            self.store.put(row, curves(outcome), predictions(outcome))
        else:
            self.store.put(row, [], [])
        self.tracker.log(run)
        if trial.kind != "teacher":
            self.copies.count()

    def finished(self, trial: TrialConfig, seed: int, outcome: Outcome) -> None:
        """Count a replicate that is stored."""
        self.progress.counts.done += 1
        if trial.kind == "student":
            split = "test" if outcome["val_score"] is None else "val"
            self.progress.reached(outcome["best_score"], self._name(trial), split)
        self._show_end(trial, seed)

    def interrupted(self, trial: TrialConfig, words: str) -> None:
        """Say so."""
        self.progress.idle(_identity(trial))
        self.progress.say(f"{self._name(trial)}: {words}")

    def failed(self, trial: TrialConfig, seed: int, error: str) -> None:
        """Count a replicate that failed, and say so."""
        name, log = self._name(trial), self.store.uri(self._log(trial, seed))
        self.failures.append(Failure(name, seed, error, log))
        self.progress.counts.failed += 1
        self._show_end(trial, seed)
        self.progress.say(f"failed: {name}, seed {seed}: {error}")

    def _log(self, trial: TrialConfig, seed: int) -> str:
        return layout.error_log(self.plan.sweep, f"{trial.kind}-{trial.key}-{seed}")

    def trained_elsewhere(self, trial: TrialConfig) -> None:
        """Count its replicates no more."""
        self.progress.counts.total -= len(trial.seeds)
        self.progress.show()

    def winding_down(self) -> None:
        """Prepare what comes next."""
        self.prepare()

    def waiting(self, replicates: int, holder: str) -> None:
        """Say so, whenever somebody else is waited for."""
        if holder != self.waited_for:
            self.waited_for = holder
            who = holder or "another driver"
            self.progress.say(f"waiting for {who}: {replicates} replicates are left to it")
        self.progress.show()

    def _begin(self, trial: TrialConfig, seed: int) -> None:
        """Have the tracker show that a replicate is in training, unless it was told."""
        identity = trial.key, str(seed)
        if identity not in self.begun:
            self.begun.add(identity)
            row = self._row(trial, seed, None).model_dump()
            self.tracker.begin(starting_run(row, self._name(trial), self.dashboard))

    def _show_end(self, trial: TrialConfig, seed: int) -> None:
        """Show the end of a replicate, and the next one of its trial."""
        later = trial.seeds[trial.seeds.index(seed) + 1 :]
        if not later:
            self.progress.idle(_identity(trial))
        elif _identity(trial) in self.progress.counts.running:
            self._begin(trial, later[0])
        self.progress.show()

    def _name(self, trial: TrialConfig) -> str:
        cell = self.cells.get(trial.key)
        if cell is None:
            return f"teacher {trial.config.network.modality}"
        return cell.name

    def _row(self, trial: TrialConfig, seed: int, outcome: Outcome | None) -> Replicate:
        """The row of a replicate that ended with `outcome`, or that failed (None)."""
        cell = self.cells.get(trial.key)
        network = trial.config.network
        ended: Mapping[str, Any] = outcome or {}
        return Replicate(
            sweep=self.plan.sweep,
            study=self.sweep.study if cell else "teacher",
            row=cell.row.name if cell else "teacher",
            method=trial.config.method,
            dataset=network.dataset,
            task=network.task,
            teacher_modality=cell.direction.teacher if cell else "",
            student_modality=network.modality,
            seed=seed,
            key=trial.key,
            teacher_keys=trial.config.teacher_keys,
            status="failed" if outcome is None else "done",
            epochs=network.optim.epochs,
            best_epoch=ended.get("best_epoch"),
            best_head=ended.get("best_head"),
            metric=tasks.metric(network.task),
            val_score=ended.get("val_score"),
            test_score=ended.get("test_score"),
            test_score_last=ended.get("test_score_last"),
            test_score_best=ended.get("test_score_best"),
            wall_seconds=ended.get("seconds", 0.0),
            devices=self.devices,
            device=ended.get("device", ""),
            fdsweep_version=version("fdsweep"),
            data_fingerprint=network.data_fingerprint,
            environment=ended.get("environment", ""),
            config=spell(trial.config),
        )


def _identity(trial: TrialConfig) -> tuple[str, str]:
    return trial.key, trial.group


def curves(outcome: Outcome) -> pa.Table:
    """The curves of `outcome` as columns epoch, split, metric, value."""
    columns = ("epoch", "split", "metric", "value")
    return pa.table({c: [point[i] for point in outcome["curves"]] for i, c in enumerate(columns)})


def predictions(outcome: Outcome) -> pa.Table:
    """What the task keeps of the test split, a column each."""
    return pa.table(outcome["kept"])
