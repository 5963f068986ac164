"""One command is one job: the same command again follows it, and only a failed one starts anew.

A job is called `ablation-3f2a91bc-1`: the command, eight digits of what it says and ships, and the
number of the attempt, since Ray gives a name once.
"""

import re
import shlex
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from fdsweep.orchestrator.jobs.packages import digest
from fdsweep.orchestrator.jobs.request import Request
from fdsweep.orchestrator.jobs.server import Job, JobServer
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.keys import content_key

RESULT = "---- fdsweep: what it prints ----"
"""This line of a log stands between what a command says on the way and what it prints."""

NAME = re.compile(r"(?P<command>.+)-(?P<attempt>\d+)")


def submit(server: JobServer, request: Request, *, again: bool) -> tuple[Job, bool]:
    """The job of `request`, and whether it was started just now.

    Args:
        server: where.
        request: what.
        again: start it even if it has been done.
    """
    with tempfile.TemporaryDirectory(prefix="fdsweep-") as place:
        folder = Path(place)
        entrypoint = _entrypoint(request.ship(folder))
        digits = content_key(settings=request.settings, shipped=digest(folder))[:8]
        name = f"{request.words[0]}-{digits}"
        while True:
            attempts = [job for job in server.jobs() if _attempt(job.id, name)]
            last = max(attempts, key=lambda job: _attempt(job.id, name), default=None)
            if last and (not last.over or (last.status == "SUCCEEDED" and not again)):
                return last, False
            new = f"{name}-{_attempt(last.id, name) + 1 if last else 1}"
            if server.start(new, entrypoint, request, folder):
                return server.job(new), True


def find(jobs: Sequence[Job], name: str) -> Job:
    """The job called `name`, or the latest attempt of the only command whose jobs begin so.

    Raises:
        ConfigError: there is none, or there are several.
    """
    found = {job.id: job for job in jobs if job.id.startswith(name)}
    if name in found:
        return found[name]
    commands = {_command(job_id) for job_id in found}
    if not found:
        raise unknown("job", name, [job.id for job in jobs], "")
    if len(commands) > 1:
        what = f"{len(commands)} commands begin so: {', '.join(sorted(commands))}"
        raise ConfigError(what, name, "Give more of the name")
    return max(found.values(), key=lambda job: _attempt(job.id, _command(job.id)))


def parted(say: Callable[[str], None], show: Callable[[str], None]) -> Callable[[str], None]:
    """Takes pieces of a log; whole lines before RESULT go to `say`, what follows to `show`."""
    to, begun = say, ""

    def take(piece: str) -> None:
        nonlocal to, begun
        *lines, begun = (begun + piece).split("\n")
        for line in lines:
            if line == RESULT:
                to = show
            else:
                to(line)

    return take


def _entrypoint(words: Sequence[str]) -> str:
    """The command for a shell, with what it prints set apart from what it says on the way."""
    return (
        f"printed=$({shlex.join(['fdsweep', *words])}); code=$?; echo {shlex.quote(RESULT)}; "
        'if [ -n "$printed" ]; then printf "%s\\n" "$printed"; fi; exit $code'
    )


def _command(job_id: str) -> str:
    match = NAME.fullmatch(job_id)
    return match["command"] if match else job_id


def _attempt(job_id: str, command: str) -> int:
    """Its number, 0 if it is none of `command`."""
    match = NAME.fullmatch(job_id)
    return int(match["attempt"]) if match and match["command"] == command else 0
