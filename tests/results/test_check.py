import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fdsweep.results.check import check
from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
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


@pytest.mark.parametrize(
    ("form", "end"),
    [
        ("markdown", "line 8, [x] 100 % *Freq*\\|#1, Top-1 ± SD: 64.0 ± 1.6 -> 71.3 ± 1.6"),
        (
            "latex",
            r"line 14, {[}x{]} 100 \% {*}Freq{*}$|$\#1, Top-1 $\pm$ SD: "
            r"$\mathbf{64.0 \pm 1.6}$ -> $\mathbf{71.3 \pm 1.6}$",
        ),
        ("html", ", [x] 100 % *Freq*|#1, Top-1 ± SD: 64.0 ± 1.6 -> 71.3 ± 1.6"),
        ("csv", "line 3, [x] 100 % *Freq*|#1, mean: 64.04 -> 71.26"),
        ("json", "tables, 0, rows, [x] 100 % *Freq*|#1 (audio -> visual), mean: 64.04 -> 71.26"),
    ],
)
def test_a_number_that_changed_is_named_with_both_values(
    full: Report, form: str, end: str, written: Callable[[Report, str], Path]
) -> None:
    (found,) = check(changed(full, 1, mean=71.26), written(full, form))
    assert found.endswith(end)


def test_lines_are_those_of_the_file(full: Report, written: Callable[[Report, str], Path]) -> None:
    for form, old in (("html", "1.6</td>"), ("latex", r"\mathbf{64.0"), ("markdown", "| [x]")):
        path = written(full, form)
        (sentence,) = check(changed(full, 1, mean=71.26), path)
        number = int(sentence.split(",")[0].removeprefix("line "))
        line = path.read_text().splitlines()[number - 1]
        assert old in line
        assert "[x]" in line or "{[}x{]}" in line


@pytest.mark.parametrize("form", ["markdown", "latex", "html", "csv"])
def test_rows_that_come_or_go_do_not_move_the_others(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    (table,) = full.tables
    fewer = dataclasses.replace(table, rows=(*table.rows[:3], *table.rows[4:]), per_class=())
    shorter = dataclasses.replace(full, tables=(fewer,))
    whole = dataclasses.replace(full, tables=(dataclasses.replace(table, per_class=()),))
    gone = check(shorter, written(whole, form))
    assert len(gone) == 1
    assert "no longer there: " in gone[0]
    new = check(whole, written(shorter, form))
    assert len(new) == 1
    assert ": new: " in new[0]
    assert "none" in new[0]


def test_columns_that_come_or_go_are_told_once_per_table(
    line: Callable[..., TableRow], written: Callable[[Report, str], Path]
) -> None:
    rows = (line("a", mean=60.0), line("b", mean=61.0))
    before = Report("s", (Table("t", (), rows, ()),))
    after = changed(before, 1, verdict="worse", gap=1.0)
    assert check(after, written(before, "markdown")) == [
        "line 5, column verdict: new",
        "line 5, column gap: new",
    ]
    assert check(before, written(after, "markdown")) == [
        "line 5, column verdict: no longer there",
        "line 5, column gap: no longer there",
    ]


@pytest.mark.parametrize("form", ["markdown", "html", "latex"])
def test_of_a_sentence_only_what_differs_is_told(
    full: Report, form: str, written: Callable[[Report, str], Path]
) -> None:
    (table,) = full.tables
    other = dataclasses.replace(table, notes=("Data 13 & 3 % <new>, a->b.", *table.notes[1:]))
    (found,) = check(dataclasses.replace(full, tables=(other,)), written(full, form))
    assert found.endswith("Data … 12 -> 13 …") or found.split(": ")[1] == "… 12 -> 13 …"


def test_places_of_a_document_that_come_or_go(
    full: Report, written: Callable[[Report, str], Path]
) -> None:
    path = written(full, "json")
    content = json.loads(path.read_text())
    content["tables"][0]["margin"] = 2.0
    content["tables"][0]["notes"].append("more")
    del content["sweep"]
    path.write_text(json.dumps(content))
    assert check(full, path) == [
        'tables, 0, notes, 2: no longer there ("more")',
        "tables, 0, margin: 2.0 -> 1.0",
        'sweep: new ("components_crema-d")',
    ]


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
