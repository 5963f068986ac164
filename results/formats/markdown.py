"""A report as markdown that also reads well as it is: aligned, no wider than it must be."""

import itertools
import re
from collections.abc import Iterator

from fdsweep.results.compute.tables import Table
from fdsweep.results.document import Report
from fdsweep.results.formats.sections.costs import costs_sections
from fdsweep.results.formats.sections.effects import effects_section
from fdsweep.results.formats.sections.grid import Grid, Section
from fdsweep.results.formats.sections.search import search_section
from fdsweep.results.formats.sections.table import table_section
from fdsweep.search_spaces.errors import one_line

WIDTH = 120
"""Characters in a line of a table."""

ALWAYS_LEFT_OUT = ("effect_size", "p_better", "macro_recall", "macro_f1")
LEFT_OUT_TO_FIT = ("seconds", "people_delta", "gap", "detectable", "paper_verdict", "worst_delta")
"""Columns that are left out, the first one first, until the lines fit into `WIDTH`."""

TAG = re.compile("<(?=[A-Za-z/!?])")
"""What begins an element of HTML, unlike <0.001 and <- do."""

MIN_DASHES = 3  # dashes that every reader of markdown takes for a table


def to_markdown(report: Report) -> str:
    """`report` as markdown, a table per direction."""
    effects = (report.effects,) if report.effects else ()
    sections = [
        *map(_fitting, report.tables),
        *map(effects_section, effects),
        *costs_sections(report),
        *map(search_section, report.searches),
    ]
    return "\n".join(itertools.chain.from_iterable(map(lines, sections)))


def _fitting(table: Table) -> Section:
    for spared in range(len(LEFT_OUT_TO_FIT)):
        section = table_section(table, without=(*ALWAYS_LEFT_OUT, *LEFT_OUT_TO_FIT[:spared]))
        if all(len(line) <= WIDTH for grid in section.grids for line in aligned(grid)):
            return section
    return table_section(table, without=(*ALWAYS_LEFT_OUT, *LEFT_OUT_TO_FIT))


def lines(section: Section) -> Iterator[str]:
    """The lines of `section`: its heading, its lead, its grids, its notes."""
    yield f"{'#' * section.level} {_plain(section.title)}"
    yield ""
    if section.lead:
        yield from (f"- {_plain(sentence)}" for sentence in section.lead)
        yield ""
    for grid in section.grids:
        if grid.title:
            yield f"**{_plain(grid.title)}**"
            yield ""
        yield from aligned(grid)
        yield ""
    yield from (f"- {_plain(note)}" for note in section.notes)
    yield ""


def _escaped(cell: str) -> str:
    return _plain(cell).replace("|", "\\|")


def _plain(text: str) -> str:
    """`text` in one line in which nothing begins an element of HTML."""
    return TAG.sub("&lt;", one_line(text))


def aligned(grid: Grid) -> Iterator[str]:
    """Columns of equal width, words to the left and numbers to the right."""
    escaped = [[_escaped(cell) for cell in line] for line in (grid.headings, *grid.lines)]
    widths = [max(MIN_DASHES, *map(len, column)) for column in zip(*escaped, strict=True)]
    justify = [str.ljust if words else str.rjust for words in grid.words]
    ends = ["-" if words else ":" for words in grid.words]
    rule = [end.rjust(width, "-") for end, width in zip(ends, widths, strict=True)]
    for line in (escaped[0], rule, *escaped[1:]):
        cells = [put(cell, n) for put, cell, n in zip(justify, line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |"
