"""The processes of the cluster that this process started: none of them outlives it.

Those of a raylet that was killed are nobody's children any more, so they are remembered.
"""

import contextlib
import os
import sys
from typing import NoReturn

from fdsweep.orchestrator.execution.ray_compat import head
from fdsweep.orchestrator.execution.ray_compat.head import psutil

_known: set[psutil.Process] = set()


def remember() -> None:
    """Remember those that run now."""
    running = {one for one in _known if one.is_running()}
    _known.clear()
    _known.update(running, head.own_processes())


def kill(seconds: float = 5.0) -> None:
    """End them all, and wait until they have ended, `seconds` at most."""
    remember()
    for one in _known:
        with contextlib.suppress(psutil.Error):
            one.kill()
    psutil.wait_procs(_known, timeout=seconds)


def end(code: int) -> NoReturn:
    """Kill them all, and end this process at once with exit code `code`."""
    kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
