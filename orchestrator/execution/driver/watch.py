"""A driver notices that its cluster is gone.

Left alone, Ray waits for a dead head for a minute and then ends the process from within its C++
code: nothing can be said or printed any more. A thread that asks now and then is faster.
"""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from fdsweep.orchestrator.execution.driver import processes
from fdsweep.orchestrator.execution.ray_compat import head
from fdsweep.search_spaces.errors import FdsweepError, LostClusterError, first_line

POLL_S = 2.0
"""Between two looks at the cluster."""

GRACE_S = 20.0
"""So long the head of a cluster that was joined may be silent: it may be restarted, or the network
be. Ray itself gives up after 60 s."""

PATIENCE_S = 15.0
"""So long after it was interrupted the main thread may take no notice, since a call of Ray's waits
for the head: then the process ends without it, before Ray ends it without a word."""

_kept: list[BaseException] = []
"""What ended the work of a lost cluster, with all that it was at work on: a handle of Ray's that
is let go of would ask the head."""


class Watch:
    """Looks after the cluster from a thread, and interrupts the main thread when it is gone.

    Args:
        fault: why the cluster is gone, or ""; a ConnectionError where nobody knows.
        poll: seconds between two looks.
        grace: seconds that nobody may know for.
        patience: seconds that an interrupted main thread may take no notice for.

    Attributes:
        lost: why the cluster is gone; "" as long as it is not.
    """

    def __init__(
        self,
        fault: Callable[[], str] = head.fault,
        *,
        poll: float = POLL_S,
        grace: float = GRACE_S,
        patience: float = PATIENCE_S,
    ) -> None:
        self.fault, self.poll, self.grace, self.patience = fault, poll, grace, patience
        self.lost = ""
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, name="cluster", daemon=True)

    def now(self) -> str:
        """Why the cluster is gone or cannot be reached at this moment; "" if all is well."""
        try:
            return self.fault()
        except ConnectionError as error:
            return f"its head does not answer: {first_line(error)}"

    def _look(self) -> None:
        answered = time.monotonic()
        while not self.lost and not self.over.wait(self.poll):
            try:
                self.lost = self.fault()
                answered = time.monotonic()
            except ConnectionError:
                silence = time.monotonic() - answered
                if silence > self.grace:
                    self.lost = f"its head has not answered for {silence:.0f} s"
            processes.remember()
        if not self.over.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            if not self.over.wait(self.patience):
                sys.stderr.write(f"\nfdsweep: {_loss(self.lost)}\n")
                processes.end(1)


@contextlib.contextmanager
def attended(watch: Watch | None = None) -> Iterator[None]:
    """Within it, in the main thread, the loss of this process's cluster is raised at once.

    Tune cleans up after an Exception, which asks the head again and again; it does not after an
    interrupt. So the thread sends what Ctrl-C sends, also where Ctrl-C is ignored.

    Raises:
        LostClusterError: the cluster is gone.
    """
    watch = watch or Watch()
    found = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if watch.lost and not watch.over.is_set():
            raise KeyboardInterrupt
        if callable(found):
            found(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    watch.thread.start()
    try:
        yield
    except FdsweepError:
        raise
    except (KeyboardInterrupt, Exception) as error:
        why = watch.lost or watch.now()
        if not why:
            raise
        _kept.append(error)
        raise _loss(why) from None
    finally:
        watch.over.set()
        signal.signal(signal.SIGINT, found)


def _loss(why: str) -> LostClusterError:
    return LostClusterError(
        f"the Ray cluster is gone ({why})",
        head.log_folder(),
        "The same command goes on from what is stored",
    )
