"""fdsweep as a user types it, in a process of its own, and clusters that it joins."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

IMPATIENT = """
import functools
from fdsweep.orchestrator.studies import plan
plan.TrialConfig = functools.partial(plan.TrialConfig, checkpoint_seconds=0.0)
"""
"""A checkpoint after each epoch instead of every ten seconds."""

INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
"""Ctrl-C is heard as in a terminal; a shell's background jobs ignore it."""


def command(*words: object, first: str = "") -> list[str]:
    """What starts the command line with `words`, after it has done `first`, lines of Python."""
    program = f"{first}\nfrom fdsweep.orchestrator.cli import app\napp()"
    return [sys.executable, "-c", program, *map(str, words)]


def calm(*words: object) -> list[str]:
    """The same without Ray, one replicate after the other: what every other way must come to."""
    return [sys.executable, str(Path(__file__).with_name("chaos") / "calm.py"), *map(str, words)]


def surroundings(**more: str) -> dict[str, str]:
    """The variables of this process, without those of Ray, and `more`."""
    return {k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | more


def start(
    *words: object,
    first: str = "",
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> "subprocess.Popen[str]":
    """The command line at work in `folder`, what it says in pipes."""
    return subprocess.Popen(
        command(*words, first=first),
        env=surroundings() if environment is None else environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def cluster(
    program: str, environment: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The process of a cluster of Ray, and the address that it prints first.

    It does what its `program` does with lines of its input, and ends with it.
    """
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, process.stdout.readline().strip()
        process.stdin.close()
