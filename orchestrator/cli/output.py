"""What commands print and how they end: results on stdout, the rest on stderr, exit codes."""

import contextlib
import itertools
import json
import math
import os
import shlex
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

import typer

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.cli import interrupts
from fdsweep.search_spaces.errors import FdsweepError, public

if TYPE_CHECKING:
    from fdsweep.orchestrator.tracking.recorder import Failure
    from fdsweep.results.formats.sections.grid import Section
    from fdsweep.results.report import Report

COLUMNS = 80
"""Columns of a terminal that does not tell."""

TYPED = "FDSWEEP_TYPED"
"""A job of a cluster finds here what was typed to submit it."""


@contextlib.contextmanager
def for_people() -> Iterator[None]:
    """Bad input, missing data, no cluster: one sentence on stderr, exit code 2.

    A cluster that the command started or joined is left, and Ctrl-C does not disturb that.
    """
    had_ray = _has_ray()
    with interrupts.heard() as pressed:
        code = 0
        try:
            yield
        except FdsweepError as error:
            if voice.is_verbose():
                traceback.print_exc()
            typer.echo(f"fdsweep: {error}", err=True)
            code = 2
        except KeyboardInterrupt:
            typer.echo(f"\nfdsweep: interrupted. To go on, type: {again()}", err=True)
            code = 130
        except typer.Exit as end:
            code = end.exit_code
        if _has_ray() and not had_ray:
            from fdsweep.orchestrator.execution.driver.leave import leave

            pressed.end()
            leave(code)
    if code:
        raise typer.Exit(code)


def _has_ray() -> bool:
    """Whether Ray was started or joined in this process; most commands do not even import it."""
    head = sys.modules.get("fdsweep.orchestrator.execution.ray_compat.head")
    return head is not None and head.is_up()


def again() -> str:
    """The command that was typed, if need be on another machine, without what is secret in URIs."""
    return os.environ.get(TYPED) or public(shlex.join(["fdsweep", *sys.argv[1:]]))


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_text(text: str) -> None:
    """Print `text`, ended by one line break."""
    typer.echo(text, nl=not text.endswith("\n"))


def show(text: str, document: Mapping[str, object], as_json: bool) -> None:
    """Print what was asked for: the document, or the text for people."""
    if as_json:
        print_json(document)
    else:
        print_text(text)


def terminal_width() -> float:
    """Columns of the terminal on stdout; without end if there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else math.inf


def report_text(report: "Report") -> str:
    """`report` in as many columns as a terminal has; as markdown where stdout is none."""
    from fdsweep.results.report import to_markdown, to_terminal

    width = terminal_width()
    return to_markdown(report) if math.isinf(width) else to_terminal(report, width)


def sections_text(sections: Callable[[float], "Sequence[Section]"]) -> str:
    """What `sections` gives for the columns of a terminal; as markdown where stdout is none."""
    from fdsweep.results.formats.markdown import lines
    from fdsweep.results.formats.terminal import sections_to_terminal

    width = terminal_width()
    found = sections(width)
    if math.isinf(width):
        return "\n".join(itertools.chain.from_iterable(map(lines, found)))
    return sections_to_terminal(found, width)


def show_plan(text: str, document: Mapping[str, object], *, dry_run: bool, as_json: bool) -> None:
    """Print a plan: on stdout if it is all that was asked for."""
    if dry_run and as_json:
        print_json(document)
    elif dry_run or not voice.is_quiet():
        typer.echo(_wrapped(text, sys.stdout if dry_run else sys.stderr), err=not dry_run)


def _wrapped(text: str, stream: TextIO) -> str:
    """`text` in as many columns as the terminal on `stream` has; as it is if that is none."""
    if not stream.isatty():
        return text
    columns = os.get_terminal_size(stream.fileno()).columns or COLUMNS
    wrap = textwrap.TextWrapper(columns, break_long_words=False, break_on_hyphens=False)
    wrap.subsequent_indent = "  "
    return "\n".join(wrap.fill(line) for line in text.splitlines())


def show_outcome(
    text: str,
    document: Mapping[str, object],
    failures: "Sequence[Failure]",
    as_json: bool,
    unfinished: str = "",
) -> None:
    """Print what came out, and what failed; exit code 1 if something did.

    `unfinished` says why something was not trained.
    """
    show(text, document, as_json)
    if unfinished:
        typer.echo(f"{unfinished}. To go on, type: {again()}", err=True)
    for failure in failures:
        who = failure.name if failure.seed is None else f"{failure.name}, seed {failure.seed}"
        typer.echo(public(f"failed: {who}: {failure.error} Log: {failure.log}"), err=True)
    if failures:
        typer.echo(f"To try again what failed or is left, type: {again()}", err=True)
    raise typer.Exit(1 if failures else 0)
