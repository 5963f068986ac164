"""Trials one after the other, each when there is room for it and nobody else trains it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from ray.tune.search import Searcher
from typing_extensions import override

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.leases import Leases
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import teachers


class Turns:
    """Leases each of `trials` when its turn comes, and sorts out what others train or trained.

    A trial's name is leased with its replicates: it is the name of a folder of Ray's.

    Attributes:
        others: what other drivers train.
        blocked: names of their leases.
        stored: what they had trained when the turn came.
    """

    def __init__(self, trials: Sequence[TrialConfig], leases: Leases) -> None:
        self.trials, self.leases = trials, leases
        self.others: list[TrialConfig] = []
        self.blocked: list[str] = []
        self.stored: list[TrialConfig] = []

    def __iter__(self) -> Iterator[TrialConfig]:
        for trial in self.trials:
            name = train_name(trial)
            if not self.leases.take([name]):
                self._leave(trial, [name])
                continue
            mine = self._take(trial)
            if mine:
                checkpoints.drop_damaged(trial.storage, name)
            yield from mine
            if not mine:
                self.leases.free([name])

    def free(self, trial: TrialConfig) -> None:
        """Give up the leases of `trial`."""
        self.leases.free([train_name(trial), *(_replicate(trial, seed) for seed in trial.seeds)])

    def _take(self, trial: TrialConfig) -> list[TrialConfig]:
        """`trial` with those seeds that are this driver's to train, if there are any."""
        names = {seed: _replicate(trial, seed) for seed in trial.seeds}
        taken = set(self.leases.take(list(names.values())))
        mine = {seed for seed, name in names.items() if name in taken}
        for refused in part(trial, {*names} - mine):
            self._leave(refused, [names[seed] for seed in refused.seeds])
        # Under the lease: another driver may have trained it since it was planned.
        left = {seed for own in part(trial, mine) for seed in missing(own)}
        self.stored += part(trial, mine - left)
        self.leases.free(names[seed] for seed in mine - left)
        return part(trial, left)

    def _leave(self, trial: TrialConfig, leases: Sequence[str]) -> None:
        self.others.append(trial)
        self.blocked += leases


class InTurn(Searcher):  # type: ignore[misc]
    """Hands Tune the next of `trials` whenever there is room for one."""

    def __init__(self, trials: Iterator[TrialConfig]) -> None:
        super().__init__()
        self.trials = trials

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its searcher; this one is of no use in another process

    @override
    def suggest(self, trial_id: str) -> dict[str, TrialConfig] | str:
        trial = next(self.trials, None)
        if trial is not None:
            return {"trial": trial}
        finished: str = Searcher.FINISHED
        return finished

    @override
    def on_trial_complete(
        self, trial_id: str, result: dict[str, object] | None = None, error: bool = False
    ) -> None:
        pass  # what follows does not depend on it

    @override
    def save(self, checkpoint_path: str) -> None:
        pass  # what is left is planned anew

    @override
    def restore(self, checkpoint_path: str) -> None:
        pass


def missing(trial: TrialConfig) -> tuple[int, ...]:
    """The seeds of `trial` whose outcome is not in the storage."""
    if trial.keeps_weights:
        return teachers.missing(trial.storage, trial.key, trial.seeds)
    done = Store(trial.storage).finished({trial.key})
    return tuple(seed for seed in trial.seeds if (trial.key, seed) not in done)


def part(trial: TrialConfig, seeds: Collection[int]) -> list[TrialConfig]:
    """`trial` with those of its seeds that are among `seeds`; nothing if none is."""
    own = tuple(seed for seed in trial.seeds if seed in seeds)
    return [replace(trial, seeds=own)] if own else []


def _replicate(trial: TrialConfig, seed: int) -> str:
    return f"{trial.key}-{seed}"
