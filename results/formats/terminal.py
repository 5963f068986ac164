"""A report for a terminal: no line is wider than it.

Headings break into several lines; where that is not enough, columns that say less are left out and
named below, then words break, and what is still too wide stands as a line per cell.
"""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fdsweep.results.compute.tables import Table
from fdsweep.results.document import Report
from fdsweep.results.formats.markdown import ALWAYS_LEFT_OUT, LEFT_OUT_TO_FIT
from fdsweep.results.formats.sections.costs import costs_sections
from fdsweep.results.formats.sections.effects import effects_section
from fdsweep.results.formats.sections.grid import Grid, Section
from fdsweep.results.formats.sections.search import search_section
from fdsweep.results.formats.sections.table import WITHIN_NOISE, headings, table_section
from fdsweep.search_spaces.errors import one_line

NARROWEST, WIDEST = 20, 120
"""Characters of a line, whatever the terminal has: nobody reads sentences of 200."""

LEFT_OUT_WHERE_NARROW = ("test_selected", "last", "group", "p_adjusted", "paper")
"""Columns that go after those that reports in markdown can spare."""

GAP = "  "
MIN_WORDS = 16
"""Characters that a column of words keeps when it breaks."""

NOISE_MARK = " ~"
NOISE_NOTE = "~ within the noise floor: may be rounding alone."


def to_terminal(report: Report, width: float) -> str:
    """`report` in lines of at most `width` characters."""
    effects = (report.effects,) if report.effects else ()
    room = _room(width)
    sections = [
        *(_fitting(table, room) for table in report.tables),
        *map(effects_section, effects),
        *costs_sections(report),
        *map(search_section, report.searches),
    ]
    return sections_to_terminal(sections, room)


def sections_to_terminal(sections: Sequence[Section], width: float) -> str:
    """`sections` in lines of at most `width` characters."""
    room = _room(width)
    return "\n".join(itertools.chain.from_iterable(_lines(one, room) for one in sections))


def _room(width: float) -> int:
    return int(max(NARROWEST, min(width, WIDEST)))


def _fitting(table: Table, room: int) -> Section:
    """The section with as many columns as have room beside each other, unbroken."""
    spare = (*LEFT_OUT_TO_FIT, *LEFT_OUT_WHERE_NARROW)
    section = _marked(table_section(table, ALWAYS_LEFT_OUT))
    for spared in range(1, len(spare) + 1):
        if all(_total(_widths(grid)) <= room for grid in section.grids):
            return section
        section = _marked(table_section(table, (*ALWAYS_LEFT_OUT, *spare[:spared])))
        note = f"Left out to fit: {', '.join(headings(table, spare[:spared]))}; see --format html."
        section = replace(section, notes=(*section.notes, note))
    return section


def _marked(section: Section) -> Section:
    """`section` with a mark for what is within the noise floor, and a note on it."""
    grids = tuple(
        replace(grid, lines=tuple(tuple(map(_with_mark, line)) for line in grid.lines))
        for grid in section.grids
    )
    if grids == section.grids:
        return section
    return replace(section, grids=grids, notes=(NOISE_NOTE, *section.notes))


def _with_mark(cell: str) -> str:
    return cell.replace(WITHIN_NOISE, NOISE_MARK)


def _lines(section: Section, room: int) -> Iterator[str]:
    yield from textwrap.wrap(one_line(section.title), room)
    yield ""
    if section.lead:
        for sentence in section.lead:
            yield from _sentence(sentence, room)
        yield ""
    for grid in section.grids:
        if grid.title:
            yield from textwrap.wrap(one_line(grid.title), room)
            yield ""
        yield from _grid(grid, room)
        yield ""
    for note in section.notes:
        yield from _sentence(note, room)
    yield ""


def _sentence(text: str, room: int) -> list[str]:
    return textwrap.wrap(
        one_line(text), room, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
    )


def _grid(grid: Grid, room: int) -> Iterator[str]:
    """Columns beside each other if there is room for them, else a line per cell."""
    widths = _widths(grid)
    over = _total(widths) - room
    for place in sorted(range(len(widths)), key=lambda place: -widths[place]):
        if over > 0 and grid.words[place]:
            least = max(MIN_WORDS, min(widths[place], room // 4))
            less = max(0, min(over, widths[place] - least))
            widths[place] -= less
            over -= less
    if over > 0:
        yield from _stacked(grid, room)
        return
    yield from _row(grid.headings, widths, grid.words)
    yield GAP.join("-" * width for width in widths)
    for line in grid.lines:
        yield from _row(line, widths, grid.words)


def _widths(grid: Grid) -> list[int]:
    """What each column needs if only its heading breaks."""
    columns = zip(grid.headings, *grid.lines, strict=True)
    return [
        max(*(len(word) for word in heading.split()), *(len(one_line(cell)) for cell in cells), 1)
        for heading, *cells in columns
    ]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _row(cells: Sequence[str], widths: Sequence[int], words: Sequence[bool]) -> Iterator[str]:
    """The lines of one row: words to the left and numbers to the right."""
    broken = [
        textwrap.wrap(one_line(cell), width, break_on_hyphens=False) or [""]
        for cell, width in zip(cells, widths, strict=True)
    ]
    for parts in itertools.zip_longest(*broken, fillvalue=""):
        laid = (
            part.ljust(width) if left else part.rjust(width)
            for part, width, left in zip(parts, widths, words, strict=True)
        )
        yield GAP.join(laid).rstrip()


def _stacked(grid: Grid, room: int) -> Iterator[str]:
    for line in grid.lines:
        first, *rest = zip(grid.headings, line, strict=True)
        yield from textwrap.wrap(f"{first[0]}: {one_line(first[1])}", room)
        for heading, cell in rest:
            yield from textwrap.wrap(
                f"{heading}: {one_line(cell)}", room, initial_indent=GAP, subsequent_indent=2 * GAP
            )
