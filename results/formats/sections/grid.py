"""A report as sections of text cells, before any markup: the same for all formats people read."""

from dataclasses import dataclass

from fdsweep.results.compute.statistics import seeds_needed

NOTHING = "–"
MIN_FOR_P = seeds_needed(1)
"""Differences from which on a sign-flip p can be below 0.05 at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Lines of text cells below their `headings`.

    `words` says of each column whether it holds words, and so stands to the left. `strong` are
    the cells (line, column) that stand out. `title` may be empty.
    """

    title: str
    headings: tuple[str, ...]
    words: tuple[bool, ...]
    lines: tuple[tuple[str, ...], ...]
    strong: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading, the grids below it, and whole sentences on them; `level` 1 is the report's.

    `lead` are sentences that say what the grids show, for who reads nothing else.
    """

    title: str
    level: int
    grids: tuple[Grid, ...]
    notes: tuple[str, ...]
    lead: tuple[str, ...] = ()


def spell_number(value: float | None, sign: str = "") -> str:
    """`value` to one decimal, a dash for None; `sign` "+" writes the plus too."""
    return NOTHING if value is None else f"{value:{sign}z.1f}"


def spell_difference(delta: float | None, span: tuple[float, float] | None) -> str | None:
    """A difference with its sign, and its interval where there is one; None for None."""
    interval = ", ".join(spell_number(end, "+") for end in span or ())
    return None if delta is None else spell_number(delta, "+") + (interval and f" [{interval}]")


def spell_p(p: float | None, n: int) -> str | None:
    """A p-value over `n` differences; None for None, and where it could not be below 0.05."""
    if p is None or n < MIN_FOR_P:
        return None
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def spell_amount(count: int) -> str:
    """`count` in three digits: 342, 11.2 M, 3.63 G."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{_in_three(count / size)} {unit}"
    return str(count)


def spell_latency(milliseconds: float) -> str:
    """`milliseconds` in three digits."""
    return f"{_in_three(milliseconds)} ms"


def _in_three(value: float) -> str:
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def spell_time(seconds: float) -> str:
    """`seconds` for people, in the largest unit that leaves two or more."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"
