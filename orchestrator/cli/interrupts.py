"""Ctrl-C, or what Slurm and Kubernetes send: the first interrupts, and none disturbs the end."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

HEARD = (signal.SIGINT, signal.SIGTERM)

DOUBLE_S = 1.0
"""A press within so long of another is the same: whoever started this process may pass on what
the terminal has sent to it already."""


class Interrupts:
    """What SIGINT and SIGTERM do, from the first on."""

    def __init__(self) -> None:
        self.last = -DOUBLE_S

    def __call__(self, _number: int, _frame: object) -> None:
        """Interrupt the main thread, if that makes sense now."""
        now = time.monotonic()
        is_new, self.last = now - self.last >= DOUBLE_S, now
        if is_new:
            raise KeyboardInterrupt

    def end(self) -> None:
        """From now on they count no more, up to the end of the process."""
        for number in HEARD:
            if signal.getsignal(number) is self:
                signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def heard() -> Iterator[Interrupts]:
    """Within it SIGINT and SIGTERM go to the interrupts given.

    What is ignored, as SIGINT in a background job of a shell, stays so.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    found = {number: signal.getsignal(number) for number in HEARD}
    for number, handler in found.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupts)
    try:
        yield interrupts
    finally:
        for number, handler in found.items():
            if signal.getsignal(number) is interrupts:
                signal.signal(number, handler)
