"""Signs of life: a worker tells of its steps, the driver of a trial that takes none.

A worker tells the cluster's head when its last step was. The driver looks there, and takes what
stays as it was for silence, so that no two clocks need to agree. A worker without a step for too
long ends itself, and Ray Train starts the trial again from its checkpoint. A worker that cannot,
because it was stopped, does not answer Ray Train's health check either, whose limit is the same.
"""

import contextlib
import faulthandler
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from fdsweep.orchestrator.execution import ray_compat
from fdsweep.trainers.distributed import beat, last_beat

EVERY_S = 2.0
"""Between two looks at the steps: the worker's, and the driver's."""

SILENT_S = 30.0

STDERR = 2


@contextlib.contextmanager
def watched(name: str, limit: float) -> Iterator[None]:
    """In a worker: tell what it does under `name`, and end it `limit` s after its last step."""
    import ray.train

    def tell(sign: str) -> None:
        if is_first:
            ray_compat.put_sign(name, sign)

    is_first = ray.train.get_context().get_world_rank() == 0
    with guarded(limit, tell):
        yield


@contextlib.contextmanager
def guarded(limit: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Inside, this process ends `limit` s after its last beat, with its stacks on stderr.

    What ends it is a thread without Python, which a step that holds Python's lock cannot hinder.
    `tell` is given the last beat as it changes, in words that mean nothing but that.
    """
    every, stopped = min(EVERY_S, limit / 4), threading.Event()

    def watch() -> None:
        known = 0.0
        while not stopped.is_set():
            last = last_beat()
            if last != known:
                known = last
                left = max(last + limit - time.monotonic(), every)
                faulthandler.dump_traceback_later(left, exit=True, file=STDERR)
                tell(repr(last))
            stopped.wait(every)

    beat()
    watching = threading.Thread(target=watch, name="heartbeat", daemon=True)
    watching.start()
    try:
        yield
    finally:
        stopped.set()
        watching.join()
        faulthandler.cancel_dump_traceback_later()


@dataclass(frozen=True, slots=True)
class Silence:
    """A trial by its name, how many seconds it took no step, and whether that is over."""

    name: str
    seconds: float
    over: bool


@dataclass(slots=True)
class _Heard:
    """The last sign of a trial and when it came, s; how long a silence is to be for a word."""

    since: float
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
    looked: float = 0.0

    def look(self, running: Collection[str]) -> list[Silence]:
        """What is to be told now of the `running` trials; often nothing."""
        self.looked = time.monotonic()
        for gone in {*self.trials} - {*running}:
            del self.trials[gone]
            ray_compat.drop_sign(gone)
        signs = ray_compat.signs(running)
        return [] if signs is None else list(self.hear(running, signs, self.looked))

    @property
    def is_due(self) -> bool:
        """Whether it is time to look."""
        return time.monotonic() - self.looked >= EVERY_S

    def hear(
        self, running: Collection[str], signs: Mapping[str, str], now: float
    ) -> Iterator[Silence]:
        """The same of `running` trials whose last signs are `signs`, at the time `now` in s."""
        for name in running:
            heard, sign = self.trials.setdefault(name, _Heard(now, self.worth)), signs.get(name, "")
            seconds = now - heard.since
            if sign != heard.sign:
                if heard.told:
                    heard.worth = 2 * seconds if heard.sign else self.worth
                    yield Silence(name, seconds, over=True)
                heard.since, heard.sign, heard.told = now, sign, False
            elif seconds >= heard.worth and not heard.told:
                heard.told = True
                yield Silence(name, seconds, over=False)
