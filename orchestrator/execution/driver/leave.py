"""The end of a process that used Ray."""

import threading

import ray

from fdsweep.orchestrator.execution.driver import processes
from fdsweep.orchestrator.execution.driver.watch import Watch

PATIENCE_S = 20.0
"""Ray may take so long to end its cluster; then its processes are killed."""


def leave(code: int) -> None:
    """End the cluster that this process started, or leave the one that it joined.

    Where that cannot be done in good order, since the head is dead or does not come to an end, the
    whole process ends here with exit code `code`: Ray itself would wait for a minute.
    """
    late = threading.Timer(PATIENCE_S, processes.end, [code])
    late.daemon = True
    late.start()
    if Watch().now():
        processes.end(code)
    processes.remember()
    ray.shutdown()
    processes.kill()
    late.cancel()
