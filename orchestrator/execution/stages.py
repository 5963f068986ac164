"""Push the trials of a plan through Ray Tune: teachers first, each student after its own."""

import contextlib
import errno
import json
import logging
import os
import pickle
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol

from ray import tune
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints, retries
from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.orchestrator.execution.devices.meter import Meter, Timer
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.health.heartbeats import Heartbeats
from fdsweep.orchestrator.execution.leases import Leases
from fdsweep.orchestrator.execution.ray_compat.tune import every_death_told
from fdsweep.orchestrator.execution.retries import WORDS
from fdsweep.orchestrator.execution.trial import fit_trial, train_name
from fdsweep.orchestrator.execution.turns import InTurn, KeyAndSeed, Queue, Turns
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import public
from fdsweep.search_spaces.storage import Storage, told_if_full
from fdsweep.search_spaces.trials import Plan, TrialConfig
from fdsweep.trainers.protocol.reports import Broken, EndReport, EpochReport, Outcome


class Observer(Protocol):
    """Who is told what happens; every call but `keep` comes from the driver's main thread."""

    def started(self, trial: TrialConfig) -> None:
        """The trial has its resources."""

    def epoch(self, trial: TrialConfig, report: EpochReport) -> None:
        """A replicate finished an epoch."""

    def silent(self, trial: TrialConfig, seconds: float, *, over: bool) -> None:
        """The trial has taken no step for so long, or had not until now if that is `over`."""

    def keep(self, trial: TrialConfig, seed: int, end: Outcome | Broken) -> None:
        """Store for good how a replicate ended: `finished` or `failed` follows.

        It comes from a thread of the writer's, and again if it raised a StorageError.
        """

    def finished(self, trial: TrialConfig, seed: int, outcome: Outcome) -> None:
        """A replicate ended well, and is stored."""

    def failed(self, trial: TrialConfig, seed: int, error: str) -> None:
        """A replicate ended badly, and that is stored."""

    def interrupted(self, trial: TrialConfig, words: str) -> None:
        """The trial broke off and will be tried again; `words` say why, and when."""

    def trained_elsewhere(self, trial: TrialConfig) -> None:
        """Another driver trained the replicates of `trial`, which was planned here too."""

    def winding_down(self) -> None:
        """A trial has ended, and none is left to begin in its place."""

    def waiting(self, replicates: int, holder: str) -> None:
        """Nothing can be trained but by others; `holder` names one of them, if that is known."""


def run_plan(plan: Plan, resources: ResourcePlan, storage: str, observer: Observer) -> None:
    """Train what `plan` has left, but for what other drivers train: that is waited for.

    Once the budget is spent no trial begins, and others are waited for no more.

    One failing trial never touches another. A student whose teacher failed fails with it. What
    another driver failed at, or left when it died, is trained here.

    Raises:
        StorageError: what was trained cannot be stored; the next run stores it from the checkpoint.
    """
    left: Sequence[TrialConfig] = (*plan.teachers, *plan.students)
    failed: set[KeyAndSeed] = set()
    room = Room(resources, 1)
    with Leases(Storage(storage)) as leases, Writer() as writer:
        while left and not resources.budget.is_spent:
            turns = Turns(left, leases, failed)
            _train(turns, room, storage, observer, writer)
            left, failed = turns.others, turns.failed
            if turns.blocked and not resources.budget.is_spent:
                replicates = sum(len(trial.seeds) for trial in left)
                observer.waiting(replicates, leases.holder(turns.blocked[0]))
                leases.wait(turns.blocked)


def _train(turns: Turns, room: Room, storage: str, observer: Observer, writer: Writer) -> None:
    """Run what nobody else trains, until all is stored or the budget is spent."""
    room.expect(turns.able)
    # No work is left if others train it all: then Tune need not start.
    while (queue := InTurn(turns, room)).has_work():
        relay = _Relay(queue, turns, observer, writer)
        fit(fit_trial, room.resources, storage, relay)
    _tell_orphans(turns, observer, writer)
    writer.flush()
    for trial in turns.stored:
        observer.trained_elsewhere(trial)


def _tell_orphans(turns: Turns, observer: Observer, writer: Writer) -> None:
    """Have the students told of whose teachers failed."""
    while turns.orphans:
        trial = turns.orphans.pop()
        for seed in trial.seeds:
            end = Broken(error="its teacher failed", traceback="")
            _tell_end(observer, writer, trial, seed, end)


def _tell_end(
    observer: Observer, writer: Writer, trial: TrialConfig, seed: int, end: Outcome | Broken
) -> None:
    """Have the end of a replicate stored, and told after that."""
    if "error" in end:
        then = partial(observer.failed, trial, seed, end["error"])
    else:
        then = partial(observer.finished, trial, seed, end)
    writer.submit(partial(observer.keep, trial, seed, end), then)


class Callback(tune.Callback):  # type: ignore[misc]
    """Lets `writer` tell what is stored, and looks after trials that broke off.

    Tune does not tell of all of them.

    Args:
        queue: where the trials come from.
        writer: stores what became of them.
    """

    def __init__(self, queue: Queue, writer: Writer) -> None:
        self.queue, self.writer = queue, writer

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its callbacks; this one is of no use in another process

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        self.writer.step()
        for trial in trials:
            if trial.status == Trial.ERROR and trial.trial_id in self.queue.running:
                self._look_after(trial)

    def _look_after(self, trial: Trial) -> None:
        """Have a trial that broke off tried again, or tell that it failed.

        Raises:
            OSError: with ENOSPC, where that is why.
        """
        cause, text = retries.failure(trial)
        if os.strerror(errno.ENOSPC) in text:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if words := self.queue.broke_off(trial.trial_id, cause):
            self.interrupted(trial, words)
            return
        text = public(text.strip())
        last = text.splitlines()[-1]
        error = f"{WORDS[cause]} ({last})" if cause else last
        self.failed(trial, Broken(error=error, traceback=text))

    @abstractmethod
    def silent(self, trial: Trial, seconds: float, *, over: bool) -> None:
        """Tell that `trial` takes no steps, or that this is `over`."""

    @abstractmethod
    def interrupted(self, trial: Trial, words: str) -> None:
        """Tell that `trial` broke off and will be tried again."""

    @abstractmethod
    def failed(self, trial: Trial, end: Broken) -> None:
        """Tell that `trial` broke off for good."""


def fit(
    trainable: Callable[..., None],
    resources: ResourcePlan,
    storage: str,
    callback: Callback,
    **handed: object,
) -> None:
    """Run the trials of the callback's queue through a new Tuner.

    A trial holds what its workers need from before it starts to its end. Nothing is ever restored
    from what Tune writes: what is left is planned anew.

    Raises:
        StorageError: there is no room for what Tune writes.
    """
    queue, name = callback.queue, f"tune-{uuid.uuid4().hex[:12]}"
    shape = resources.shape

    def name_of(trial: Trial) -> str:
        return queue.folder(trial.config)[1]

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # the callback tells of errors
    with told_if_full(storage), _deleted(storage, layout.tuner_folder(name)), queue.room:
        tuner = tune.Tuner(
            tune.with_resources(
                tune.with_parameters(trainable, resources=resources, **handed),
                tune.PlacementGroupFactory(
                    [{}, *[shape.per_worker] * shape.workers], strategy=shape.strategy
                ),
            ),
            tune_config=tune.TuneConfig(
                search_alg=queue,
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=name_of,
                trial_dirname_creator=name_of,
            ),
            run_config=tune.RunConfig(
                name=name,
                storage_path=Storage(storage).uri(layout.RAY),
                callbacks=[
                    callback,
                    Heartbeats(callback.silent, resources.hang_seconds),
                    Meter(queue.budget, shape.devices),
                    Timer(resources.cluster),
                ],
                verbose=0,
            ),
        )
        try:
            with every_death_told():
                tuner.fit()
        except (EOFError, pickle.UnpicklingError):  # of an error that Tune wrote down, in part
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None


@contextlib.contextmanager
def _deleted(storage: str, folder: str) -> Iterator[None]:
    """Delete `folder` in the end."""
    try:
        yield
    finally:
        Storage(storage).delete_folder(folder)


class _Relay(Callback):
    """Turns Tune's callbacks into the observer's calls and counts every replicate once."""

    def __init__(self, queue: InTurn, turns: Turns, observer: Observer, writer: Writer) -> None:
        super().__init__(queue, writer)
        self.turns, self.observer = turns, observer
        self.ended: set[KeyAndSeed] = set()

    @override
    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self.observer.started(trial.config["trial"])

    @override
    def silent(self, trial: Trial, seconds: float, *, over: bool) -> None:
        self.observer.silent(trial.config["trial"], seconds, over=over)

    @override
    def on_trial_result(
        self,
        iteration: int,
        trials: list[Trial],
        trial: Trial,
        result: EpochReport | EndReport,
        **info: object,
    ) -> None:
        config: TrialConfig = trial.config["trial"]
        if "outcome" not in result:
            self.observer.epoch(config, result)
            return
        seed, outcome = result["seed"], json.loads(result["outcome"])
        if (config.key, seed) in self.ended:
            return
        self._end(config, seed, outcome)

    @override
    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: object
    ) -> None:
        self._over(trial.config["trial"])
        if not self.turns.left:
            self.observer.winding_down()
        self.writer.submit(partial(self._clear_up, trial.config["trial"]))

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        _tell_orphans(self.turns, self.observer, self.writer)
        super().on_step_end(iteration, trials, **info)

    @override
    def interrupted(self, trial: Trial, words: str) -> None:
        self.observer.interrupted(trial.config["trial"], words)

    @override
    def failed(self, trial: Trial, end: Broken) -> None:
        config: TrialConfig = trial.config["trial"]
        for seed in config.seeds:
            if (config.key, seed) not in self.ended:
                self._end(config, seed, end)
        self._over(config)
        self.writer.submit(partial(self.turns.free, config))

    def _over(self, config: TrialConfig) -> None:
        """Let the students of `config` begin, in as much room as the cluster can have."""
        if self.turns.over(config):
            self.queue.room.expect(len(self.queue.running) + self.turns.able)

    def _end(self, config: TrialConfig, seed: int, end: Outcome | Broken) -> None:
        self.ended.add((config.key, seed))
        if "error" in end:
            self.turns.failed.add((config.key, seed))
        _tell_end(self.observer, self.writer, config, seed, end)

    def _clear_up(self, config: TrialConfig) -> None:
        """Delete what an ended trial needs no more, and free its leases: its rows are stored."""
        if self.turns.leases.holds(train_name(config)):
            checkpoints.drop(config.storage, train_name(config))
        self.turns.free(config)
