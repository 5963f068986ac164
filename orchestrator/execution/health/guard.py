"""In a worker: tells of its steps, and ends it when it takes no more."""

import contextlib
import faulthandler
import threading
import time
from collections.abc import Callable, Iterator

from fdsweep.orchestrator.execution.health import EVERY_S
from fdsweep.orchestrator.execution.ray_compat import head
from fdsweep.trainers.distributed import beat, last_beat

STDERR = 2


@contextlib.contextmanager
def watched(name: str, limit: float) -> Iterator[None]:
    """Tell what this worker does under `name`, and end it `limit` s after its last step."""
    import ray.train

    def tell(sign: str) -> None:
        if is_first:
            head.put_sign(name, sign)

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
    watching = threading.Thread(target=watch, name="guard", daemon=True)
    watching.start()
    try:
        yield
    finally:
        stopped.set()
        watching.join()
        faulthandler.cancel_dump_traceback_later()
