"""The job server of a Ray cluster: Ray's client, with errors that a person can put right."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fdsweep.orchestrator.execution.cluster import take_token
from fdsweep.orchestrator.jobs.request import Request
from fdsweep.search_spaces.errors import ClusterError, ConfigError, first_line

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

COMMAND = "fdsweep.command"
"""Under this name a job's metadata has its command; jobs of others have no such name."""

TYPED = "fdsweep.typed"
"""The same for all that was typed to submit it."""

ENDS = {"SUCCEEDED": 0, "FAILED": 1, "STOPPED": 130}
"""Ray's words for jobs that have ended, and the exit code of fdsweep for each."""

NOT_FOUND = 127
"""A shell's exit code for a program that is not there."""

FAILURES = {1: 1, 2: 2, 130: 130, NOT_FOUND: 2, None: 2}
"""What became of a failed job's command -> exit code; all else is 1, such as a killed one."""

PATIENCE = 60.0
"""Seconds for which a server that was there may be away."""

POLL = 0.5
"""Seconds between two looks at a job whose log has ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """A command of ours on a cluster.

    Args:
        id: its name for the server.
        status: Ray's word: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.
        command: what it runs.
        typed: what was typed to submit it.
        started: seconds since 1970; None if it has not.
        ended: the same; None if it has not.
        driver_code: exit code of its command; None if it has none.
        message: what Ray says of it.
    """

    id: str
    status: str
    command: str
    typed: str
    started: float | None
    ended: float | None
    driver_code: int | None
    message: str

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in ENDS

    @property
    def exit_code(self) -> int:
        """That of its command, if it is one of ours; 2 if the command could not begin."""
        if self.status != "FAILED" or self.driver_code not in FAILURES:
            return ENDS[self.status]
        return FAILURES[self.driver_code]


class JobServer:
    """The job server at `address`, such as http://head:8265.

    Raises:
        ClusterError: nobody answers there, it wants another token, or Ray's job client is not
            installed.
    """

    def __init__(self, address: str) -> None:
        address, self.where = _checked(address)
        _import_needs()
        take_token()
        os.environ["RAY_API_SERVER_ADDRESS"] = address  # Ray takes it before any argument
        from ray.job_submission import JobSubmissionClient

        with self._told():
            self._client = JobSubmissionClient(address)

    def jobs(self) -> list[Job]:
        """All commands of ours, oldest first."""
        with self._told():
            found = [_job(details) for details in self._client.list_jobs() if _is_ours(details)]
        return sorted(found, key=lambda job: job.started or float("inf"))

    def job(self, job_id: str) -> Job:
        """How the job of that name is."""
        with self._told():
            return _job(self._client.get_job_info(job_id))

    def start(self, job_id: str, entrypoint: str, request: Request, folder: Path) -> bool:
        """Start the shell command of `request` in a copy of `folder`.

        Returns:
            False if there is a job of that name, and nothing was started.

        Raises:
            ConfigError: `folder` is too large to be shipped.
        """
        surroundings = {"working_dir": str(folder), "env_vars": dict(request.environment)}
        with self._told(), _quiet():
            try:
                self._client.submit_job(
                    entrypoint=entrypoint,
                    submission_id=job_id,
                    runtime_env=surroundings,
                    metadata={COMMAND: request.command, TYPED: request.typed},
                )
            except ValueError as error:
                fix = "Install them on the cluster instead"
                raise ConfigError(first_line(error), "your packages", fix) from None
            except RuntimeError as error:
                if "already exists" in str(error):
                    return False
                raise
        return True

    def stop(self, job_id: str) -> Job:
        """End a job, and wait until it has."""
        with self._told():
            self._client.stop_job(job_id)
        return self._ended(job_id)

    def follow(self, job_id: str, tell: Callable[[str], None]) -> Job:
        """Pass the job's log on to `tell`, from its first line to its last, piece by piece.

        A connection that breaks is made anew, and what was told is not told again.

        Raises:
            ClusterError: the log was out of reach for longer than PATIENCE.
        """
        from aiohttp import ClientError

        told, heard = 0, time.monotonic()

        async def pass_on() -> None:
            nonlocal told, heard
            came = 0
            try:
                async for piece in self._client.tail_job_logs(job_id):
                    tell(piece[max(0, told - came) :])
                    came += len(piece)
                    told = max(told, came)
            finally:
                heard = time.monotonic() if came else heard

        while True:
            try:
                asyncio.run(pass_on())
                job = self.job(job_id)
                if job.over:
                    return job
            except (RuntimeError, ClientError, ClusterError) as error:
                if time.monotonic() - heard > PATIENCE:
                    what = f"the log is out of reach ({first_line(error)})"
                    fix = "The job may go on; type the same again to follow it"
                    raise ClusterError(what, self.where, fix) from None
            time.sleep(POLL)

    def _ended(self, job_id: str) -> Job:
        while not (job := self.job(job_id)).over:
            time.sleep(POLL)
        return job

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what Ray's client raises into one sentence, which holds no token."""
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError:
            raise ClusterError(
                "the job server wants a token that is not this one",
                self.where,
                "Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's",
            ) from None
        except (OSError, RuntimeError) as error:
            raise ClusterError(
                f"the job server does not do as asked ({first_line(error)})",
                self.where,
                "Check --address and the log of the cluster's head",
            ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Within it nobody hears of packages that are packed and sent."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


def _import_needs() -> None:
    """Import what Ray's job client needs beside Ray."""
    try:
        import aiohttp  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        fix = "Type: pip install 'fdsweep[cluster]'"
        raise ClusterError(f"the job client needs {error.name}", "fdsweep submit", fix) from None


def _checked(address: str) -> tuple[str, str]:
    """`address` with its scheme, and its host and port, once somebody answers there.

    Ray itself may wait for minutes.
    """
    full = address if "://" in address else f"http://{address}"
    fix = "Give --address http://HEAD:8265, where Ray's dashboard is; docs/how-to/cluster.md"
    try:
        parts = urlsplit(full)
        usual = {"http": 80, "https": 443}[parts.scheme]
        port = parts.port or usual
    except (KeyError, ValueError):
        raise ConfigError("is not the address of a job server", address, fix) from None
    if not parts.hostname or (full != address and not parts.port):
        raise ConfigError("is not the address of a job server", address, fix)
    where = f"{parts.hostname}:{port}"
    try:
        socket.create_connection((parts.hostname, port), timeout=10).close()
    except OSError as error:
        what = f"no job server answers ({first_line(error)})"
        raise ClusterError(what, where, fix) from None
    return full.rstrip("/"), where


def _is_ours(details: "JobDetails") -> bool:
    return bool(details.submission_id) and COMMAND in (details.metadata or {})


def _job(details: "JobDetails") -> Job:
    return Job(
        id=details.submission_id,
        status=str(details.status.value),
        command=details.metadata[COMMAND],
        typed=details.metadata[TYPED],
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        driver_code=details.driver_exit_code,
        message=details.message or "",
    )
