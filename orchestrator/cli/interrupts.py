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
    """What SIGINT does, from its first press on.

    Attributes:
        deaf: whether presses count no more, since all that is left is to end.
    """

    def __init__(self) -> None:
        self.deaf = False
        self.last = -DOUBLE_S

    def __call__(self, _number: int, _frame: object) -> None:
        """Interrupt the main thread, if that makes sense now."""
        now = time.monotonic()
        is_new, self.last = now - self.last >= DOUBLE_S, now
        if is_new and not self.deaf:
            raise KeyboardInterrupt


@contextlib.contextmanager
def heard() -> Iterator[Interrupts]:
    """Within it SIGINT goes to the interrupts given; once they are deaf, for good.

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
        if not interrupts.deaf:
            signal.signal(signal.SIGINT, found)
