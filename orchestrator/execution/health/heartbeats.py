"""In the driver: which trials take no steps, and which are given up for that."""

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ray import tune
from ray.tune.experiment import Trial
from typing_extensions import override

from fdsweep.orchestrator.execution.health import EVERY_S
from fdsweep.orchestrator.execution.ray_compat import head
from fdsweep.orchestrator.execution.ray_compat.tune import end_process

SILENT_S = 30.0

GRACE_S = 60.0
"""So much longer than a trial may take no step it is waited for what ends it by itself."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A trial by its name, how many seconds it took no step, and whether that is over."""

    name: str
    seconds: float
    over: bool


@dataclass(slots=True)
class _Heard:
    """The last sign of a trial and when it came, s; how long a silence is to be for a word.

    `asked` is when a trial was last overdue, if it was since.
    """

    since: float
    asked: float
    worth: float
    sign: str = ""
    told: bool = False


@dataclass(slots=True)
class Listener:
    """Notices which trials fall silent.

    One that was silent between two steps has to be silent for twice as long to be told of again:
    its steps may take their time.

    Args:
        worth: how many seconds of silence are worth a word.
    """

    worth: float = SILENT_S
    trials: dict[str, _Heard] = field(default_factory=dict)

    def hear(
        self, running: Collection[str], signs: Mapping[str, str], now: float
    ) -> Iterator[Silence]:
        """What is to be told of the `running` trials, whose last signs are `signs`, at `now` s."""
        for name in running:
            heard = self.trials.setdefault(name, _Heard(now, now, self.worth))
            seconds, sign = now - heard.since, signs.get(name, "")
            if sign != heard.sign:
                if heard.told:
                    heard.worth = 2 * seconds if heard.sign else self.worth
                    yield Silence(name, seconds, over=True)
                heard.since = heard.asked = now
                heard.sign, heard.told = sign, False
            elif seconds >= heard.worth and not heard.told:
                heard.told = True
                yield Silence(name, seconds, over=False)

    def overdue(self, limit: float, now: float) -> list[str]:
        """Those that have been silent for more than `limit` s; each is named once in that time."""
        found = [name for name, heard in self.trials.items() if now - heard.asked > limit]
        for name in found:
            self.trials[name].asked = now
        return found

    def forget(self, running: Collection[str]) -> set[str]:
        """Forget all but the `running` trials: which were these?"""
        gone = {*self.trials} - {*running}
        for name in gone:
            del self.trials[name]
        return gone


class Tell(Protocol):
    """Is told that a trial has taken no step for so long, or had not until now if it is `over`."""

    def __call__(self, trial: Trial, seconds: float, *, over: bool) -> None:
        """Tell it."""


class Heartbeats(tune.Callback):  # type: ignore[misc]
    """Looks now and then whether the running trials give signs.

    One whose worker should have ended long ago has a process that hangs itself: that is ended.

    Args:
        tell: is told of silences.
        limit: how many seconds a trial may take no step.
    """

    def __init__(self, tell: Tell, limit: float) -> None:
        self.tell, self.limit, self.listener, self.looked = tell, limit, Listener(), 0.0

    def __getstate__(self) -> dict[str, object]:
        return {}  # Tune pickles its callbacks; this one is of no use in another process

    @override
    def on_step_end(self, iteration: int, trials: list[Trial], **info: object) -> None:
        now = time.monotonic()
        if now - self.looked < EVERY_S:
            return
        self.looked = now
        running = {trial.trial_id: trial for trial in trials if trial.status == Trial.RUNNING}
        for gone in self.listener.forget(running):
            head.drop_sign(gone)
        signs = head.signs(running)
        if signs is not None:
            for silence in self.listener.hear(running, signs, now):
                self.tell(running[silence.name], silence.seconds, over=silence.over)
            for name in self.listener.overdue(self.limit + GRACE_S, now):
                end_process(running[name])
