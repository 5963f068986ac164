"""Sweeps and who trains them, in lines that fit."""

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from fdsweep.orchestrator.bulletins.hearing import Heard
from fdsweep.orchestrator.bulletins.record import Training, clock
from fdsweep.orchestrator.execution.devices.budget import spell_hours
from fdsweep.orchestrator.studies.status.looking import SweepStatus
from fdsweep.search_spaces.errors import clipped, one_line, public

UNITS = ((86400, "d"), (3600, "h"), (60, "min"))
LONGEST = 240
"""Characters of what a driver said."""

STEP = "  "
"""What stands below something is indented by this."""


def lines(found: Sequence[SweepStatus], width: float = math.inf) -> list[str]:
    """`found` for a person; no line takes more than `width` cells of a terminal."""
    if not found:
        return packed(["No sweep here yet.", "Type: fdsweep ablation"], width)
    return [line for status in found for line in _sweep(status, width)]


def ago(seconds: float) -> str:
    """`seconds` in words, roughly."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _sweep(status: SweepStatus, width: float) -> Iterator[str]:
    seeds = f", {len(status.seeds)} seeds" if status.seeds else ""
    spent = f", {spell_hours(status.device_hours)} device hours" if status.device_hours else ""
    best, left = status.best, status.seconds_left
    plural = "s" if status.teachers > 1 else ""
    counts = [
        f"{status.done} done,",
        *([f"{status.pruned} pruned,"] if status.pruned else []),
        f"{status.failed} failed,",
        *([f"{status.running} running,"] if status.at_work else []),
        *([f"{status.teachers} teacher{plural} running,"] if status.teachers else []),
        f"{status.left} left of {status.total}",
    ]
    yield from packed([f"{status.sweep}:", *counts, f"({status.title}{seeds}{spent})"], width)
    if best:
        told = f"best {best.split} {100 * best.score:.1f}"
        yield from packed([told, f"({best.name})"], width, STEP)
    if left is not None and status.is_open:
        yield from packed([f"ETA {clock(left)}"], width, STEP)
    for heard in status.drivers:
        yield from _driver(heard, width)


def _driver(heard: Heard, width: float) -> Iterator[str]:
    bulletin = heard.bulletin
    if heard.state == "running":
        since = f"for {clock(heard.now - bulletin.started)},"
        told = [since, f"{bulletin.ended} of {bulletin.total} ended,", f"heard of {ago(heard.age)}"]
    elif heard.state == "stopped":
        told = [f"stopped {ago(heard.age)}"]
    else:
        end = ["has ended,"] if heard.state == "gone" else []
        told = [*end, f"last heard of {ago(heard.age)}"]
    yield from packed([f"{heard.who}:", *told], width, STEP)
    if heard.state == "running":
        yield from _trials(bulletin.trials, heard.now, width)
    for line in bulletin.said:
        words = clipped(line.text, LONGEST).split(" ")
        yield from packed([f"{ago(heard.now - line.at)}:", *words], width, 2 * STEP)


def _trials(trials: Sequence[Training], now: float, width: float) -> Iterator[str]:
    """A table if it fits, else a few lines for each."""
    if not trials:
        return
    rows = [_cells(trial, now) for trial in trials]
    sizes = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    shown = [i for i, size in enumerate(sizes) if size]
    if len(2 * STEP) + sum(sizes[i] + len(STEP) for i in shown) - len(STEP) <= width:
        for row in rows:
            line = STEP.join(set_cell_size(row[i], sizes[i]) for i in shown)
            yield f"{2 * STEP}{line}".rstrip()
        return
    for trial in trials:
        name, *cells = (cell for cell in _cells(trial, now, short=True) if cell)
        yield cropped(f"{2 * STEP}{name}", width)
        yield from packed(cells, width, 3 * STEP)


def _cells(trial: Training, now: float, *, short: bool = False) -> list[str]:
    """Its name, where it is, the last score and the best, and since when it is silent, or ETA."""
    score = _percent(trial.split, trial.score)
    epoch = f"{trial.epoch}/{trial.epochs}"
    left = trial.seconds_left(now)
    last = f"ETA {clock(left)}" if left is not None else ""
    if trial.silent_since is not None:
        last = f"silent {clock(now - trial.silent_since)}"
    return [
        one_line(trial.name),
        _place(trial, short=short),
        ("" if short else "epoch ") + epoch if trial.epochs else "starting",
        "" if short else score,
        _percent("best", trial.best),
        last,
    ]


def _place(trial: Training, *, short: bool) -> str:
    """Which of its seeds is being trained, or how many rungs it has passed."""
    if trial.rungs:
        return f"rung {sum(trial.epoch > rung for rung in trial.rungs)}/{len(trial.rungs)}"
    if trial.seed is None:
        return ""
    several = not short and len(trial.seeds) > 1 and trial.seed in trial.seeds
    which = f" ({trial.seeds.index(trial.seed) + 1}/{len(trial.seeds)})" if several else ""
    return f"seed {trial.seed}{which}"


def _percent(word: str, score: float | None) -> str:
    return "" if score is None else f"{word} {100 * score:.1f}"


def packed(parts: Sequence[str], width: float, indent: str = "") -> list[str]:
    """`parts` in as few lines as hold them whole; one that is longer than a line is cropped."""
    found = [indent]
    for part in (one_line(public(part)) for part in parts):
        gap = " " if found[-1].strip() else ""
        if gap and cell_len(f"{found[-1]}{gap}{part}") > width:
            found.append(f"{indent}{STEP}{part}")
        else:
            found[-1] += gap + part
    return [cropped(line, width) for line in found]


def cropped(text: str, width: float) -> str:
    """`text`, or what fits of it with "…" behind it."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, int(width) - 1).rstrip() + "…"
