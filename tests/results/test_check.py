import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from fdsweep.results.check import check
from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.records.searches import Search
from fdsweep.results.report import FORMATS, to_text
from fdsweep.search_spaces.errors import ConfigError

PICTURES = {"forest.svg": b"<svg/>"}


def changed(report: Report, line: int, **changes: object) -> Report:
    (table,) = report.tables
    rows = list(table.rows)
    rows[line] = dataclasses.replace(rows[line], **changes)  # type: ignore[arg-type]
    return dataclasses.replace(report, tables=(dataclasses.replace(table, rows=tuple(rows)),))


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Report, str], Path]:
    def write(report: Report, form: str) -> Path:
        path = tmp_path / "report.of.ours"
        path.write_bytes(to_text(report, form, PICTURES).encode())
        return path

    return write


@pytest.mark.parametrize("form", FORMATS)
def test_what_was_written_matches(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    path = written(full, form)
    assert check(full, path) == []
    assert check(full, str(path), form) == []
    path.write_bytes(path.read_bytes() + b"\n")  # typer.echo ends with one more
    assert check(full, path) == []
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert check(full, path) == []


def test_a_page_of_other_things_is_compared_between_its_marks(full: Report, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = to_text(full, "markdown")
    marked = f"<!-- fdsweep report -->\n{text}\n<!-- end of fdsweep report -->\nThe end.\n"
    page.write_text(f"# A study\n\nWhat was asked.\n\n{marked}")
    assert check(full, page) == []
    place, old, new = told(check(changed(full, 0, mean=12.3), page))
    line = page.read_text().splitlines().index(old[0]) + 1
    assert place.startswith(f"@@ -{line}")
    assert ("12.3" in new[0], "12.3" in old[0]) == (True, False)
    page.write_text(f"# A study\n\n{text}")
    assert check(full, page) != []


def told(found: list[str]) -> tuple[str, list[str], list[str]]:
    """The only hunk's place, and the lines of the file and of the report."""
    assert [line[:4] for line in found[:2]] == ["--- ", "+++ "]
    (place,) = (line for line in found if line.startswith("@@"))
    old, new = ([line[1:] for line in found[2:] if line[0] == sign] for sign in "-+")
    return place, old, new


@pytest.mark.parametrize("form", FORMATS)
def test_a_number_that_changed_stands_in_the_old_and_in_the_new_line(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    old, new = ("64.04", "71.26") if form in ("csv", "json") else ("64.0", "71.3")
    path = written(full, form)
    found = check(changed(full, 1, mean=71.26), path)
    assert found[0] == f"--- {path}"
    assert found[1] == "+++ components_crema-d, now"
    place, (before,), (after,) = told(found)
    assert "*Freq*" in before or "{*}Freq{*}" in before
    assert re.sub(r"(?<![\d.])" + old, new, before) == after
    if form != "json":
        number = int(place.split()[1].removeprefix("-"))
        assert path.read_text().splitlines()[number - 1] == before


def test_line_numbers_behind_pictures_are_the_files(
    full: Report, search: Search, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    pictures = {"forest.svg": b"<svg/>", "gap.png": b"..", "paper.svg": b"<svg> </svg>"}
    path.write_text(to_text(full, "html", pictures))
    other = search.replace(notes=("Another note.",))
    place, (before,), (after,) = told(check(dataclasses.replace(full, searches=(other,)), path))
    number = int(place.split()[1].removeprefix("-"))
    assert path.read_text().splitlines()[number - 1] == before == "<li>A note of its own.</li>"
    assert after == "<li>Another note.</li>"


@pytest.mark.parametrize("form", FORMATS)
def test_rows_that_come_or_go_do_not_move_the_others(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    (table,) = full.tables
    fewer = dataclasses.replace(table, rows=(*table.rows[:3], *table.rows[4:]), per_class=())
    shorter = dataclasses.replace(full, tables=(fewer,))
    whole = dataclasses.replace(full, tables=(dataclasses.replace(table, per_class=()),))
    _, (gone,), nothing = told(check(shorter, written(whole, form)))
    assert "none" in gone
    assert nothing == []
    _, nothing, (new,) = told(check(whole, written(shorter, form)))
    assert new == gone
    assert nothing == []


def test_a_column_that_comes_or_goes_is_in_every_line_of_its_table(
    line: Callable[..., TableRow], written: Callable[[Report, str], Path]
) -> None:
    rows = (line("a", mean=60.0), line("b", mean=61.0))
    before = Report("s", (Table("t", (), rows, ()),))
    after = changed(before, 1, verdict="worse", gap=1.0)
    for one, other in ((before, after), (after, before)):
        place, old, new = told(check(one, written(other, "markdown")))
        assert place == "@@ -7,4 +7,4 @@"
        short, long = sorted((old, new), key=lambda lines: "verdict" in lines[0])
        assert len(short) == len(long) == 4
        assert "verdict" in long[0]
        assert "gap" in long[0]
        assert "worse" in long[3]


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_a_sentence_that_changed_is_told_as_it_was_and_as_it_is(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    (table,) = full.tables
    other = dataclasses.replace(table, notes=("Data 13 & 3 % <new>, a->b.", *table.notes[1:]))
    found = check(dataclasses.replace(full, tables=(other,)), written(full, form))
    _, (before,), (after,) = told(found)
    assert "Data 12" in before
    assert "Data 13" in after


def test_a_document_may_be_laid_out_in_another_way(
    full: Report, written: Callable[[Report, str], Path]
) -> None:
    path = written(full, "json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content, sort_keys=True, indent=7))
    assert check(full, path) == []
    content["tables"][0]["margin"] = 2.0
    content["tables"][0]["notes"].append("more")
    del content["sweep"]
    path.write_text(json.dumps(content))
    found = [line.strip("+- ,") for line in check(full, path) if line[0] in "+-"]
    assert {'"margin": 2.0', '"margin": 1.0', '"more"', '"sweep": "components_crema-d"'} <= {*found}


def test_whitespace_at_the_ends_of_lines_does_not_matter(
    full: Report, written: Callable[[Report, str], Path]
) -> None:
    path = written(full, "markdown")
    path.write_text(path.read_text().rstrip().replace("\n", "  \n"))
    assert check(full, path) == []


def test_pictures_are_not_compared(full: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_text(full, "html", {"paper.svg": b"<svg> </svg>"}))
    assert check(full, path) == []


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"",
            b"# A readme\n\nwith words\n",
            b'{"a": 1}',
            b"{",
            b"[]",
            b"\xff\xfe\x00",
            b"a,b\n1,2",
        ),
        b"<!DOCTYPE html><html><p>another page</p></html>",
        b"<!DOCTYPE html>\n<html>\n<body>\n<p>another page</p>\n</body>\n</html>\n",
    ],
)
def test_a_file_that_is_no_report(full: Report, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.md"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"some\.md: is no .*report"):
        check(full, path)


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_that_is_not_the_files(full: Report, tmp_path: Path, form: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk.\n")
    with pytest.raises(ConfigError, match=f"is no {form} report"):
        check(full, path, form)


def test_a_path_or_format_that_does_not_exist(full: Report, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        check(full, tmp_path / "nowhere.md")
    with pytest.raises(ConfigError, match="cannot be read"):
        check(full, tmp_path)
    with pytest.raises(ConfigError, match="unknown format 'word'"):
        check(full, tmp_path, "word")
