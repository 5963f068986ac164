"""Whether a report in a file still matches the data."""

import csv
import difflib
import io
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, TypeAlias

from fdsweep.results.document import Report
from fdsweep.results.formats import latex
from fdsweep.results.report import FORMATS, SCHEMA, to_text
from fdsweep.search_spaces.errors import ConfigError, unknown

OPENINGS = {
    "json": "{",
    "html": "<!DOCTYPE html>",
    "latex": latex.OPENING,
    "csv": "sweep,table,",
    "markdown": "#",
}
"""What a report in each format begins with."""

FIX = "Give a file that `fdsweep report --format ...` printed"
BAR = re.compile(r"(?<!\\)\|")
AMPERSAND = re.compile(r"(?<!\\)&")
RULE = re.compile(r"\|[ :|-]+\||\\(top|mid|bottom)rule")
TEXTS = ("h1", "h2", "h3", "h4", "li", "summary", "th", "td")
BLOCKS = ("h1", "h2", "h3", "h4", "li", "summary", "tr")
"""Tags of a page that hold text, and those that are a line each."""

Leaves: TypeAlias = dict[tuple[str, ...], Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What stands in one line of a report: a text, or the cells of a table below `headings`."""

    number: int
    cells: tuple[str, ...]
    headings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What a line of a table is called: its row, or what stands first."""
        lower = [heading.lower() for heading in self.headings]
        return self.cells[lower.index("row") if "row" in lower else 0]

    @property
    def identity(self) -> tuple[str, ...]:
        """Lines that are the same line, with whatever numbers, have the same."""
        return (self.name, "row") if self.headings else self.cells


def check(report: Report, path: str | Path, form: str | None = None) -> list[str]:
    """What in the file at `path` is no longer as in `report`: a sentence each, none if all is.

    `form` is one of the `FORMATS`; None: what the file looks like. Layout and pictures are not
    compared.

    Raises:
        ConfigError: the file cannot be read or is no report, or `form` is no format.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, "--format")
    old = _read(path)
    form = form or _format(old, path)
    new = to_text(report, form)
    if form == "json":
        return list(_compare_leaves(_leaves(_document(old, path)), _leaves(json.loads(new))))
    before, after = _lines(old, form), _lines(new, form)
    matcher = difflib.SequenceMatcher(
        None, [line.identity for line in before], [line.identity for line in after], autojunk=False
    )
    if matcher.ratio() == 0:
        raise ConfigError(f"is no {form} report", str(path), FIX)
    return list(_compare_lines(before, after, matcher))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot be read ({error.strerror})", str(path), FIX) from None
    except UnicodeDecodeError:
        raise ConfigError("is no report, but a binary file", str(path), FIX) from None


def _format(text: str, path: str | Path) -> str:
    for form, opening in OPENINGS.items():
        if text.startswith(opening):
            return form
    raise ConfigError("is no report", str(path), FIX)


def _document(text: str, path: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ConfigError("is no json report", str(path), FIX)
    return content


def _leaves(value: Any, place: tuple[str, ...] = ()) -> Leaves:
    """The values of a document by their place in it; rows go by their names."""
    if isinstance(value, Mapping):
        items = {str(name): one for name, one in value.items()}
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = {_item(one, number): one for number, one in enumerate(value)}
    else:
        return {place: value}
    found = [_leaves(one, (*place, name)) for name, one in items.items()]
    return {place: value for leaves in found for place, value in leaves.items()}


def _item(value: Any, number: int) -> str:
    if not isinstance(value, Mapping) or "row" not in value:
        return str(number)
    direction = f"{value.get('teacher_modality')} -> {value.get('student_modality')}"
    label = f", class {value['label']}" if "label" in value else ""
    return f"{value['row']} ({direction}{label})"


def _compare_leaves(old: Leaves, new: Leaves) -> Iterator[str]:
    for place in dict.fromkeys((*old, *new)):
        where = ", ".join(place)
        if place not in new:
            yield f"{where}: no longer there ({json.dumps(old[place], ensure_ascii=False)})"
        elif place not in old:
            yield f"{where}: new ({json.dumps(new[place], ensure_ascii=False)})"
        elif old[place] != new[place]:
            before, after = (json.dumps(one[place], ensure_ascii=False) for one in (old, new))
            yield f"{where}: {before} -> {after}"


def _compare_lines(
    old: Sequence[Line], new: Sequence[Line], matcher: "difflib.SequenceMatcher[Any]"
) -> Iterator[str]:
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        pairs = itertools.zip_longest(old[start:end], new[new_start:new_end])
        for before, after in pairs:
            if kind == "equal":
                yield from _compare_cells(before, after) if before.headings else ()
            elif before is None:
                place = f"after line {old[start - 1].number if start else 0}"
                yield f"{place}: new: {_spell(after)}"
            elif after is None:
                yield f"line {before.number}: no longer there: {_spell(before)}"
            else:
                yield f"line {before.number}: {_change(before, after)}"


def _compare_cells(old: Line, new: Line) -> Iterator[str]:
    """Columns that come or go are told once, in the line of the headings."""
    is_heading = old.cells == old.headings
    before = dict(zip(old.headings, old.cells, strict=True))
    after = dict(zip(new.headings, new.cells, strict=True))
    for heading in dict.fromkeys((*before, *after)):
        if heading in before and heading in after:
            if before[heading] != after[heading]:
                change = f"{before[heading]} -> {after[heading]}"
                yield f"line {old.number}, {old.name}, {heading}: {change}"
        elif is_heading:
            word = "no longer there" if heading in before else "new"
            yield f"line {old.number}, column {heading}: {word}"


def _spell(line: Line) -> str:
    return " | ".join(line.cells)


def _change(old: Line, new: Line) -> str:
    """The words that differ, with dots for those that do not."""
    before, after = _spell(old).split(), _spell(new).split()
    head = _shared(before, after)
    tail = _shared(before[head:][::-1], after[head:][::-1])
    spelt = [" ".join(words[head : len(words) - tail]) or "nothing" for words in (before, after)]
    dots = ("… " if head else "", " …" if tail else "")
    return f"{dots[0]}{spelt[0]} -> {spelt[1]}{dots[1]}"


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _lines(text: str, form: str) -> list[Line]:
    """What stands in a report, line by line; markup that says nothing is left out."""
    if form == "html":
        parser = _PageLines()
        parser.feed(text)
        return _headed(parser.found)
    if form == "csv":
        reader = csv.reader(io.StringIO(text))
        return _headed((reader.line_num, tuple(cells)) for cells in reader)
    split = _markdown_cells if form == "markdown" else _latex_cells
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return _headed((number, split(line)) for number, line in lines if not RULE.fullmatch(line))


def _headed(found: Iterable[tuple[int, tuple[str, ...]]]) -> list[Line]:
    """Lines with several cells are a table as long as nothing else comes between."""
    lines = []
    headings: tuple[str, ...] = ()
    for number, cells in found:
        if len(cells) < 2:
            headings = ()
        elif len(cells) != len(headings):
            headings = cells
        if any(cells):
            lines.append(Line(number, cells, headings))
    return lines


def _markdown_cells(line: str) -> tuple[str, ...]:
    if not line.startswith("|"):
        return (line,)
    return tuple(cell.strip() for cell in BAR.split(line)[1:-1])


def _latex_cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in AMPERSAND.split(line.removesuffix("\\\\")))


class _PageLines(HTMLParser):
    """Texts and lines of tables of a page, with the line of the file that they begin in."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, tuple[str, ...]]] = []
        self._cells: list[str] = []
        self._start = 0
        self._reading = False
        self._in_pictures = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_pictures |= ("class", "pictures") in attrs
        if tag in BLOCKS:
            self._start, self._cells = self.getpos()[0], []
        if tag in TEXTS and not self._in_pictures:
            self._cells.append("")
            self._reading = True

    def handle_data(self, data: str) -> None:
        if self._reading:
            self._cells[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in_pictures &= tag != "section"
        if tag in TEXTS:
            self._reading = False
        if tag in BLOCKS:
            self.found.append((self._start, tuple(self._cells)))
        if tag == "table":
            self.found.append((self._start, ()))
