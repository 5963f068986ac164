"""An Optuna study that proposes points and is told what became of them. No Ray here.

Trials are counted when they are proposed. One that is found `running` when a proposer is made was
left so by a driver that is gone (one driver has a study at a time): it is proposed again before any
new one, so that a search always ends with as many trials as were asked for.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState

from fdsweep.orchestrator.search import pruners
from fdsweep.orchestrator.search.samplers import SAMPLERS
from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import Constraint, Dimension, default_point, sample, violation
from fdsweep.trainers.protocol.reports import Broken, PointOutcome, PointReport

Goal = Literal["maximize", "minimize"]
Source = Literal["trained", "results", "repeated"]
Point = dict[str, Option]

MIN_TRIALS = 8
"""Trials from which on importances are given."""

MAX_REJECTED = 1000
"""Points outside the constraints in a row, after which there seems to be none inside."""

INFEASIBLE = "outside the constraints"
STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a study searches.

    `objectives` are "maximize" or "minimize"; with one objective a trial may be pruned after each
    of the epochs in `rungs`, by `pruner`, one of PRUNERS. `key_of` names what a point (with
    `defaults` for the rest) trains; `look_up` answers it from what is stored already, if it can.
    """

    dimensions: tuple[Dimension, ...]
    constraints: tuple[Constraint, ...]
    defaults: Mapping[str, Option]
    objectives: tuple[Goal, ...]
    rungs: tuple[int, ...]
    pruner: str = pruners.DEFAULT
    key_of: Callable[[Point], str]
    look_up: Callable[[Point], tuple[float, ...] | None]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A point to train: the number of its trial, and the key of what it trains."""

    number: int
    point: Point
    key: str


@dataclass(frozen=True, slots=True)
class End:
    """How the training of a point ended.

    `report` is that of its last epoch, None if there was none. A point has an `outcome` if it was
    trained to the end, a `failure` if it failed, and neither if it was pruned.
    """

    report: PointReport | None
    outcome: PointOutcome | None = None
    failure: Broken | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the point was trained to the end."""
        return self.outcome is not None


MAX_TRIALS = 100_000
"""Of one search."""


def check_trials(sampler: str, total: int) -> None:
    """Refuse an unknown sampler, or fewer than 1 trial, with a ConfigError."""
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS, "--sampler")
    if not 1 <= total <= MAX_TRIALS:
        fix = f"Give 1 to {MAX_TRIALS}"
        raise ConfigError(f"{total} trials asked for", "--trials", fix)


class Proposer:
    """Ask for points, tell what they gave. `total` counts the trials of the whole study.

    Args:
        storage: of the study, as Optuna has it.
        name: of the study in it; an existing one is gone on with.
        problem: what is searched.
        total: trials in all, those of earlier runs included.
        sampler: one of SAMPLERS. What it draws depends on the study's name and the number of the
            trial, and on what had been told by then.

    Raises:
        ConfigError: an unknown sampler, or fewer than 1 trial.

    Example:
        >>> proposal = proposer.ask()
        >>> proposer.tell(proposal, values=(0.8,), epochs=5)
    """

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        name: str,
        problem: Problem,
        total: int,
        sampler: str = "tpe",
    ) -> None:
        check_trials(sampler, total)
        self.name, self.problem, self.total, self.sampler = name, problem, total, sampler
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=list(problem.objectives),
            pruner=pruners.PRUNERS[problem.pruner].judge(problem.rungs),
            load_if_exists=True,
        )
        start = default_point(problem.dimensions)
        if start is not None and not self.study.get_trials(deepcopy=False):
            self.study.enqueue_trial(start)
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        self.storage, self.left_over = storage, [trial.number for trial in running]
        self.running: dict[str, optuna.Trial] = {}
        self.echoes: dict[str, list[optuna.Trial]] = {}

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to propose."""
        return not self.left_over and len(self.trials()) >= self.total

    def trials(self) -> list[FrozenTrial]:
        """The trials that count, in order of number: points outside the constraints do not."""
        found = self.study.get_trials(deepcopy=False)
        return [t for t in found if t.state != TrialState.WAITING and not _outside(t)]

    def infeasible(self) -> int:
        """How many points lay outside the constraints."""
        return sum(map(_outside, self.study.get_trials(deepcopy=False)))

    def ask(self) -> Proposal | None:
        """A point that must be trained, None when all trials have been proposed.

        Points that are known already, or that are in training now, are answered without being
        returned.

        Raises:
            ConfigError: no point inside the constraints can be found.
        """
        rejected = 0
        while (trial := self._next()) is not None:
            point = sample(self.problem.dimensions, trial)
            outside = violation(self.problem.constraints, point, self.problem.defaults)
            if outside > 0:
                trial.set_constraint(INFEASIBLE, outside)
                self.study.tell(trial, state=TrialState.PRUNED)
                rejected += 1
                if rejected == MAX_REJECTED:
                    what = f"{MAX_REJECTED} points in a row lay outside the constraints"
                    raise ConfigError(what, self.name, "Loosen them")
                continue
            rejected = 0
            key = self.problem.key_of(point)
            trial.set_user_attr("key", key)
            trial.set_user_attr("point", point)
            if key in self.running:
                self.echoes.setdefault(key, []).append(trial)
            elif not self._answer(trial, point, key):
                self.running[key] = trial
                return Proposal(trial.number, point, key)
        return None

    def report(self, proposal: Proposal, epoch: int, value: float) -> bool:
        """Tell the first objective after `epoch`; False if the trial is not worth going on.

        That it is not lasts, so that another driver does not let it go on.
        """
        trial = self.running[proposal.key]
        if len(self.problem.objectives) > 1:
            return True
        known = self.study.get_trials(deepcopy=False)[trial.number]
        if epoch not in known.intermediate_values:
            trial.report(value, epoch)
        if STOPPED in known.user_attrs:
            return False
        if epoch not in self.problem.rungs or not trial.should_prune():
            return True
        trial.set_user_attr(STOPPED, epoch)
        return False

    def tell(
        self,
        proposal: Proposal,
        *,
        values: Sequence[float] = (),
        error: str = "",
        epochs: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """End a trial: with its `values`, or with the `error` that it failed with, or pruned.

        `epochs` and `seconds` are what was spent on training it.
        """
        trial = self.running.pop(proposal.key)
        self._end(trial, values, error, "trained", epochs, seconds)
        for echo in self.echoes.pop(proposal.key, []):
            self._answer(echo, proposal.point, proposal.key)

    def importances(self) -> tuple[dict[str, float], int]:
        """How much each parameter matters for the first objective (PED-ANOVA), largest first.

        They compare trials at the same epoch: the last, or the latest rung that enough trials
        reached, which is given beside (0 for the last). Empty while there are too few.
        """
        for epoch in (0, *reversed(self.problem.rungs)):
            values = {t.number: _value_at(t, epoch) for t in self.trials()}
            known = [t for t in self.trials() if values[t.number] is not None]
            if len(known) >= MIN_TRIALS:
                return _importances(known, [values[t.number] for t in known]), epoch
        return {}, 0

    def _next(self) -> optuna.Trial | None:
        if self.left_over:
            return self._left_over(self.left_over.pop(0))
        trials = self.study.get_trials(deepcopy=False)
        if len(self.trials()) >= self.total:
            return None
        self._sample_for(sum(trial.state != TrialState.WAITING for trial in trials))
        with _quiet():
            return self.study.ask()

    def _sample_for(self, number: int) -> None:
        """Let the sampler draw what trial `number` draws."""
        seed = int(content_key(study=self.name, trial=number), 16) % 2**32
        with _quiet():
            self.study.sampler = SAMPLERS[self.sampler](seed, self.problem.dimensions)

    def _left_over(self, number: int) -> optuna.Trial:
        """The running trial `number`, to be gone on with; it may lack parameters yet."""
        self._sample_for(number)
        study_id = self.storage.get_study_id_from_name(self.name)
        trial_id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        return optuna.Trial(self.study, trial_id)

    def _answer(self, trial: optuna.Trial, point: Point, key: str) -> bool:
        """End `trial` as an equal one ended, or by stored results; False if there is neither."""
        for other in self.trials():
            if other.state.is_finished() and other.user_attrs.get("key") == key:
                if other.state == TrialState.PRUNED:
                    for epoch, value in other.intermediate_values.items():
                        trial.report(value, epoch)
                values = other.values if other.state == TrialState.COMPLETE else ()
                self._end(trial, values, other.user_attrs.get("error", ""), "repeated")
                return True
        found = self.problem.look_up(point)
        if found is None:
            return False
        self._end(trial, found, "", "results")
        return True

    def _end(
        self,
        trial: optuna.Trial,
        values: Sequence[float],
        error: str,
        source: Source,
        epochs: int = 0,
        seconds: float = 0.0,
    ) -> None:
        facts: dict[str, Any] = {"source": source, "epochs": epochs, "seconds": seconds}
        for name, fact in {**facts, **({"error": error} if error else {})}.items():
            trial.set_user_attr(name, fact)
        with _quiet():
            if error:
                self.study.tell(trial, state=TrialState.FAIL)
            elif values:
                self.study.tell(trial, list(values))
            else:
                self.study.tell(trial, state=TrialState.PRUNED)


def _value_at(trial: FrozenTrial, epoch: int) -> float | None:
    """The first objective after `epoch`, or at the end of a complete trial for 0."""
    if epoch:
        return trial.intermediate_values.get(epoch)
    return trial.values[0] if trial.state == TrialState.COMPLETE else None


def _importances(trials: Sequence[FrozenTrial], values: Sequence[float | None]) -> dict[str, float]:
    with _quiet():
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=value
            )
            for trial, value in zip(trials, values, strict=True)
        )
        try:
            return optuna.importance.get_param_importances(study)
        except (ValueError, RuntimeError):  # all values equal, or no parameter in all of them
            return {}


def _outside(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.PRUNED and "key" not in trial.user_attrs


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what Optuna says of its experimental parts and of distributions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
