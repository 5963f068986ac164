"""Push the trials of a plan through Ray Tune: teachers first, then students."""

import json
import uuid
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ray import tune
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.cluster import DRIVER_CPUS, ResourcePlan
from fdsweep.orchestrator.execution.trial import fit_trial, train_name
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.trials import Plan, TrialConfig
from fdsweep.trainers.protocol.reports import EndReport, EpochReport, Outcome


class Observer(Protocol):
    """Who is told what happens; every call comes from the driver's main thread."""

    def started(self, trial: TrialConfig) -> None:
        """The trial has its resources."""

    def epoch(self, trial: TrialConfig, report: EpochReport) -> None:
        """A replicate finished an epoch."""

    def finished(self, trial: TrialConfig, seed: int, outcome: Outcome) -> None:
        """A replicate ended well."""

    def failed(self, trial: TrialConfig, seed: int, error: str, traceback: str) -> None:
        """A replicate ended badly."""


def run_plan(plan: Plan, resources: ResourcePlan, storage: str, observer: Observer) -> None:
    """Train what `plan` has left. One failing trial never touches another.

    A student whose teacher failed fails with it.
    """
    lost = _run_stage(plan.teachers, resources, storage, observer)
    students = []
    for trial in plan.students:
        orphans = {
            s for s in trial.seeds if any((key, s) in lost for key in trial.config.teacher_keys)
        }
        for seed in orphans:
            observer.failed(trial, seed, "its teacher failed", "")
        seeds = tuple(seed for seed in trial.seeds if seed not in orphans)
        if seeds:
            students.append(replace(trial, seeds=seeds))
    _run_stage(students, resources, storage, observer)


def _run_stage(
    trials: Sequence[TrialConfig], resources: ResourcePlan, storage: str, observer: Observer
) -> set[tuple[str, int]]:
    """Run `trials`; the (key, seed) that failed."""
    if not trials:
        return set()
    relay = _Relay(trials, observer)
    for trial in trials:
        checkpoints.drop_damaged(storage, train_name(trial))
    fit(
        tune.with_parameters(fit_trial, trials=list(trials), resources=resources),
        storage,
        relay,
        lambda trial: train_name(trials[trial.config["index"]]),
        tune.TuneConfig(max_concurrent_trials=resources.concurrent),
        {"index": tune.grid_search(list(range(len(trials))))},
    )
    return relay.lost


class Callback(tune.Callback):  # type: ignore[misc]
    """Remembers trials that broke off: Tune writes down why only after it has told so."""

    def __init__(self) -> None:
        self.broken: list[Trial] = []

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its callbacks; this one is of no use in another process

    @override
    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self.broken.append(trial)

    def tell_broken(self) -> None:
        """Tell why each broken trial broke off."""
        for trial in self.broken:
            self.broke_off(trial, str(trial.get_error() or "the trial broke off").strip())

    @abstractmethod
    def broke_off(self, trial: Trial, error: str) -> None:
        """Tell that `trial` broke off; the last line of `error` is the error itself."""


def fit(
    trainable: Callable[..., None],
    storage: str,
    callback: Callback,
    name_of: Callable[[Trial], str],
    config: tune.TuneConfig,
    space: Mapping[str, object] | None = None,
) -> None:
    """Run trials of `trainable` through a new Tuner; `name_of` names a trial.

    Nothing is ever restored from what Tune writes: what is left is planned anew.
    """
    name = f"tune-{uuid.uuid4().hex[:12]}"
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"CPU": DRIVER_CPUS}),
        param_space=space,
        tune_config=replace(
            config, reuse_actors=True, trial_name_creator=name_of, trial_dirname_creator=name_of
        ),
        run_config=tune.RunConfig(
            name=name,
            storage_path=Storage(storage).uri(layout.RAY),
            callbacks=[callback],
            verbose=0,
        ),
    )
    tuner.fit()
    callback.tell_broken()
    Storage(storage).delete_folder(layout.tuner_folder(name))


class _Relay(Callback):
    """Turns Tune's callbacks into the observer's calls and counts every replicate once."""

    def __init__(self, trials: Sequence[TrialConfig], observer: Observer) -> None:
        super().__init__()
        self.trials, self.observer = trials, observer
        self.ended: set[tuple[str, int]] = set()
        self.lost: set[tuple[str, int]] = set()

    @override
    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self.observer.started(self._config(trial))

    @override
    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: EpochReport | EndReport,
        **info: object,
    ) -> None:
        config = self._config(trial)
        if "outcome" not in result:
            self.observer.epoch(config, result)
            return
        seed, outcome = result["seed"], json.loads(result["outcome"])
        if (config.key, seed) in self.ended:
            return
        self.ended.add((config.key, seed))
        if "error" in outcome:
            self._fail(config, seed, outcome["error"], outcome["traceback"])
        else:
            self.observer.finished(config, seed, outcome)

    @override
    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        checkpoints.drop(self._config(trial).storage, train_name(self._config(trial)))

    @override
    def broke_off(self, trial: Trial, error: str) -> None:
        config = self._config(trial)
        for seed in config.seeds:
            if (config.key, seed) not in self.ended:
                self._fail(config, seed, error.splitlines()[-1], error)

    def _fail(self, config: TrialConfig, seed: int, error: str, traceback: str) -> None:
        self.lost.add((config.key, seed))
        self.observer.failed(config, seed, error, traceback)

    def _config(self, trial: Trial) -> TrialConfig:
        index: int = trial.config["index"]
        return self.trials[index]
