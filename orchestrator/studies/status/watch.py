"""`fdsweep status --watch`: the storage looked at again and again, until Ctrl-C."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fdsweep.orchestrator.studies.status.looking import Looking, SweepStatus
from fdsweep.orchestrator.studies.status.view import cropped, lines, packed
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import StorageError, public

SCREEN_EVERY_S = 2.0
"""Between two looks in a terminal, which is drawn anew in place."""

BLOCK_EVERY_S = 10.0
"""The same elsewhere, where each look adds a block of lines."""

GAP_S = 10.0
"""Searches that nothing is heard of for so long are over: between two bulletins lies less."""


def watch(
    storage: str,
    sweep: str | None = None,
    *,
    console: Console | None = None,
    every: float | None = None,
) -> None:
    """Show the sweeps of `storage`, those in training first, until Ctrl-C.

    A `sweep` that is named is shown alone, and no longer than until nothing of it is left.

    Args:
        storage: what is looked at; Ray is not.
        sweep: its name, or that of searches that run, or the start of it.
        console: where to; stdout by default.
        every: seconds between two looks.

    Raises:
        StorageError: there is none, or it cannot be read at the first look.
        ConfigError: nothing or more than one goes by the name of `sweep`.
    """
    console = console or Console()
    looking = Looking(Store.open(storage), sweep)
    pause = every or (SCREEN_EVERY_S if console.is_interactive else BLOCK_EVERY_S)
    found, trouble, seen = _first_those_at_work(looking.look()), "", time.monotonic()
    with contextlib.suppress(KeyboardInterrupt), _shown(console) as show:
        while True:
            show(_block(console, looking.store.root, found, trouble))
            if sweep and _is_over(found, time.monotonic() - seen):
                break
            time.sleep(pause)
            try:
                new, trouble = looking.look(), ""
            except StorageError as error:
                new, trouble = [], f"{error} Trying again."
            if new:
                found, seen = _first_those_at_work(new), time.monotonic()
            elif trouble:
                seen = time.monotonic()
    if console.is_interactive:
        _print(console, lines(found, console.width))


def _is_over(found: Sequence[SweepStatus], unheard: float) -> bool:
    """Whether nothing is left of the one that is watched, or nothing was heard of it for long."""
    return unheard > GAP_S or not any(status.is_open for status in found)


def _first_those_at_work(found: Sequence[SweepStatus]) -> list[SweepStatus]:
    return sorted(found, key=lambda status: not status.at_work)


def _block(console: Console, root: str, found: Sequence[SweepStatus], trouble: str) -> list[str]:
    """What is shown after a look; in a terminal no more than it has lines."""
    width, height = console.size
    head = cropped(f"{time.strftime('%H:%M:%S')}  {public(root)}", width)
    block = [head, *(packed([trouble], width) if trouble else []), *lines(found, width)]
    if console.is_interactive and len(block) > height:
        more = len(block) - height + 1
        block = [*block[: height - 1], cropped(f"… {more} more lines", width)]
    return block


@contextlib.contextmanager
def _shown(console: Console) -> Iterator[Callable[[list[str]], None]]:
    """What shows a block: in a terminal on a screen of its own, which is gone at the end."""
    if not console.is_interactive:
        yield lambda block: _print(console, [*block, ""])
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def draw(block: list[str]) -> None:
            live.update(Text("\n".join(block), no_wrap=True, overflow="crop"), refresh=True)

        yield draw


def _print(console: Console, block: Sequence[str]) -> None:
    for line in block:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
