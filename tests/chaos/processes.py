"""A driver's processes, found by walking from it over parents to children."""

import contextlib
import signal
from collections.abc import Iterable

from fdsweep.orchestrator.execution.ray_compat.head import psutil


def family(root: int) -> list[psutil.Process]:
    """The process `root` and all that come from it; none if it has ended."""
    try:
        first = psutil.Process(root)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def named(processes: Iterable[psutil.Process], word: str) -> list[psutil.Process]:
    """Those of `processes` that call themselves by `word`: their program, or a title."""
    return [one for one in processes if word in _title(one)]


def send(process: psutil.Process, number: signal.Signals) -> str:
    """Send a signal; in words what was hit, "" if it has ended."""
    title = _title(process)
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return ""
    return f"{number.name}, {title}, {process.pid}"


def left_after(processes: Iterable[psutil.Process], seconds: float) -> list[str]:
    """Those that still live after so many seconds; they are killed."""
    _, living = psutil.wait_procs([one for one in processes if _lives(one)], timeout=seconds)
    return [hit for one in living if _lives(one) and (hit := send(one, signal.SIGKILL))]


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline()[:1])
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""
