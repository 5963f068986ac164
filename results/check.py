"""Whether a report in a file still matches the data."""

import difflib
import json
import re
from pathlib import Path

from fdsweep.results.document import Report
from fdsweep.results.formats.json import SCHEMA
from fdsweep.results.formats.latex import OPENING
from fdsweep.results.report import FORMATS, to_text
from fdsweep.search_spaces.errors import ConfigError, unknown

OPENINGS = {
    "json": "{",
    "html": "<!DOCTYPE html>",
    "latex": OPENING,
    "csv": "sweep,table,",
    "markdown": "#",
}
"""What a report in each format begins with."""

GENERATOR = '<meta name="generator" content="fdsweep report">'
"""What pages of others do not say."""

MARKED = re.compile(
    r"^<!-- fdsweep report -->\r?\n(.*?)^<!-- end of fdsweep report -->", re.DOTALL | re.MULTILINE
)
"""Where a markdown page of other things holds its report."""

FIX = "Give a file that `fdsweep report --format ...` printed"
PICTURES = re.compile(r'<section class="pictures">.*?</section>', re.DOTALL)
INNERMOST = re.compile(r"\{[^{}]*\}")


def check(report: Report, path: str | Path, form: str | None = None) -> list[str]:
    """The lines of difflib's unified difference from the file at `path` to `report`.

    None if it holds still. `form` is one of the `FORMATS`; None: what the file looks like. Line
    numbers are the file's, but those of a JSON document written with a table's row in each line.
    Pictures, ends of lines and the layout of a JSON document are not compared, nor is what
    stands outside the marks of a markdown page that has them: the comments `fdsweep report` and
    `end of fdsweep report`, a line each.

    Raises:
        ConfigError: the file cannot be read or is no report, or `form` is no format.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, "--format")
    old = _read(path)
    form = form or _format(old, path)
    before, after = (_lines(text) for text in _comparable(old, report, form, path))
    if not {*before} & {*after} - {""} or (form == "html" and GENERATOR not in before):
        raise ConfigError(f"is no {form} report", str(path), FIX)
    told = difflib.unified_diff(before, after, str(path), f"{report.sweep}, now", lineterm="", n=0)
    return list(told)


def _comparable(old: str, report: Report, form: str, path: str | Path) -> tuple[str, str]:
    """The file's text and the report's, alike in what does not matter."""
    if form == "json":
        return _canonical(old, path), _canonical(to_text(report, form), path)
    marked = MARKED.search(old) if form == "markdown" else None
    if marked:
        above = "\n" * old.count("\n", 0, marked.start(1))  # keeps the file's line numbers
        return above + marked[1], above + to_text(report, form)
    shown = PICTURES.search(old) if form == "html" else None
    new = to_text(report, form, {"any.svg": b""} if shown else {})
    return old, PICTURES.sub(lambda _: shown[0], new) if shown else new


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


def _canonical(text: str, path: str | Path) -> str:
    """A document in one spelling: names in order, a row of a table in a line."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise ConfigError("is no json report", str(path), FIX)
    spelt = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    return INNERMOST.sub(lambda found: re.sub(r"\n *", " ", found[0]), spelt)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]
