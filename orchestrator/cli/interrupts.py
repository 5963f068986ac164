"""Ctrl-C: the first press interrupts, and none disturbs the end."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

DOUBLE_S = 1.0
"""A press within so long of another is the same: whoever started this process may pass on what
the terminal has sent to it already."""


class Interrupts:
    """What SIGINT does, from its first press on."""

    def __init__(self) -> None:
        self.last = -DOUBLE_S

    def __call__(self, _number: int, _frame: object) -> None:
        """Interrupt the main thread, if that makes sense now."""
        now = time.monotonic()
        is_new, self.last = now - self.last >= DOUBLE_S, now
        if is_new:
            raise KeyboardInterrupt

    def end(self) -> None:
        """From now on presses count no more, up to the end of the process."""
        if signal.getsignal(signal.SIGINT) is self:
            signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextlib.contextmanager
def heard() -> Iterator[Interrupts]:
    """Within it SIGINT goes to the interrupts given.

    Where SIGINT is ignored, as in a background job of a shell, it stays so.
    """
    interrupts = Interrupts()
    found = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or found is signal.SIG_IGN:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        if signal.getsignal(signal.SIGINT) is interrupts:
            signal.signal(signal.SIGINT, found)
