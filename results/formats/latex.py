"""A report as LaTeX tables for a paper, in plain ASCII.

They need the packages booktabs and graphicx, and any encoding will do.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from fdsweep.results.compute.tables import Table
from fdsweep.results.document import Report
from fdsweep.results.formats.sections.costs import costs_sections
from fdsweep.results.formats.sections.effects import effects_section
from fdsweep.results.formats.sections.grid import Grid, Section
from fdsweep.results.formats.sections.search import search_section
from fdsweep.results.formats.sections.table import table_section

WITHOUT = (
    *("people_delta", "detectable", "effect_size", "p_better", "worst_delta"),
    *("macro_recall", "macro_f1", "paper_verdict", "seconds"),
)
"""Columns that a page of a paper has no room for."""

OPENING = "% fdsweep report"
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(/\d+)?( ± \d+(\.\d+)?)?( \[[+-][\d.]+, [+-][\d.]+\])?†?‡?")
MATH = {
    **{"±": r"\pm", " [": r"\ ["},
    **{"†‡": r"^{\dagger\ddagger}", "†": r"^{\dagger}", "‡": r"^{\ddagger}"},
}
SYMBOLS = {
    **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
    **{symbol: f"${symbol}$" for symbol in "<>|"},
    **{symbol: f"{{{symbol}}}" for symbol in "[]*"},  # which would be read as arguments of \\
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\ldots{}"},
    **{"±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "→": r"$\to$", "−": "$-$"},
    **{"≥": r"$\geq$", "≤": r"$\leq$", "≈": r"$\approx$", "†": r"$^{\dagger}$", "°": r"$^{\circ}$"},
    **{"‡": r"$^{\ddagger}$"},
    **{"Δ": r"$\Delta$", "α": r"$\alpha$", "β": r"$\beta$", "λ": r"$\lambda$", "μ": r"$\mu$"},
    **{"ρ": r"$\rho$", "σ": r"$\sigma$", "τ": r"$\tau$", "ß": r"\ss{}", "æ": r"\ae{}"},
    **{"ø": r"\o{}", "ł": r"\l{}", "œ": r"\oe{}", "Æ": r"\AE{}", "Ø": r"\O{}", "Ł": r"\L{}"},
    **{"§": r"\S{}", "\u00a0": "~"},
}
ACCENTS = {
    **{"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u"},
    **{"\u0307": ".", "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"},
}


def to_latex(report: Report) -> str:
    """`report` as a `table` per direction; notes stand below the last one of their section.

    Bold marks rows that improve by more than the noise floor, and nothing else. Letters that LaTeX
    has no command for are written as their code point.
    """
    effects = (report.effects,) if report.effects else ()
    sections = [
        *map(_section, report.tables),
        *map(effects_section, effects),
        *costs_sections(report),
        *map(search_section, report.searches),
    ]
    return to_tables(report.sweep, sections)


def to_tables(name: str, sections: Sequence[Section]) -> str:
    """`sections` of the report called `name`, in the same way."""
    lines = itertools.chain.from_iterable(
        _lines(section, f"{_label(name)}-{number}")
        for number, section in enumerate(sections, start=1)
    )
    opening = f"{OPENING} {_text(name)}: needs \\usepackage{{booktabs,graphicx}}"
    return "\n".join([opening, *lines, ""])


def _section(table: Table) -> Section:
    return table_section(table, WITHOUT)


def _label(sweep: str) -> str:
    return "tab:" + re.sub("[^A-Za-z0-9]+", "-", sweep)


def _lines(section: Section, label: str) -> Iterator[str]:
    if not section.grids:
        yield f"\\noindent\\textbf{{{_text(section.title)}.}}"
        yield from _notes(section)
    for number, grid in enumerate(section.grids, start=1):
        title = f"{section.title}: {grid.title}" if grid.title else section.title
        yield "\\begin{table}[tbp]"
        yield "\\centering"
        yield f"\\caption{{{_text(title)}.}}"
        yield f"\\label{{{label}-{number}}}"
        yield "\\par\\smallskip"
        yield from _tabular(grid)
        if number == len(section.grids):
            yield "\\par\\medskip"
            yield "\\begin{minipage}{\\linewidth}"
            yield "\\footnotesize\\raggedright"
            yield from _notes(section)
            yield "\\end{minipage}"
        yield "\\end{table}"


def _tabular(grid: Grid) -> Iterator[str]:
    """The grid at \\footnotesize, and smaller where it would be wider than the text."""
    yield "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%"
    yield "\\footnotesize\\setlength{\\tabcolsep}{4pt}%"
    columns = "".join("l" if words else "r" for words in grid.words)
    yield f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}"
    yield "\\toprule"
    yield f"{' & '.join(map(_text, grid.headings))} \\\\"
    yield "\\midrule"
    for number, line in enumerate(grid.lines):
        cells = [_cell(cell, (number, place) in grid.strong) for place, cell in enumerate(line)]
        yield f"{' & '.join(cells)} \\\\"
    yield "\\bottomrule"
    yield "\\end{tabular}}"


def _notes(section: Section) -> Iterator[str]:
    yield from (f"{_text(note)}\\par" for note in section.notes)


def _cell(cell: str, strong: bool) -> str:
    if not NUMBER.fullmatch(cell):
        return f"\\textbf{{{_text(cell)}}}" if strong else _text(cell)
    for symbol, command in MATH.items():
        cell = cell.replace(symbol, command)
    return f"$\\mathbf{{{cell}}}$" if strong else f"${cell}$"


def _text(words: str) -> str:
    return "".join(map(_symbol, words.replace("->", "→")))


def _symbol(symbol: str) -> str:
    if symbol in SYMBOLS:
        return SYMBOLS[symbol]
    if symbol.isascii():
        return symbol if symbol.isprintable() else " "
    parts = unicodedata.normalize("NFD", symbol)
    letter, mark = parts[0], parts[1:]
    if letter.isascii() and mark in ACCENTS:
        return f"\\{ACCENTS[mark]}{{{letter}}}"
    return f"\\texttt{{U+{ord(symbol):04X}}}"
