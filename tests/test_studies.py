"""The studies in docs/: their pages hold what their committed rows give, and nothing else."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.results.document import SweepData
from fdsweep.results.plots import forest, render
from fdsweep.results.records.store import Store
from fdsweep.results.report import load

ROOT = Path(__file__).parent.parent
STUDIES = ROOT / "docs" / "studies"
PAGES = {
    **{page: page.with_suffix("") for page in sorted(STUDIES.glob("*.md"))},
    ROOT / "docs" / "index.md": STUDIES / "demo",
    ROOT / "docs" / "tutorial.md": STUDIES / "tutorial",
}
"""Pages with tables, and the storages that these are made from."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_regenerates_from_its_rows(page: Path) -> None:
    words = ["report", "--storage", str(PAGES[page]), "--check", str(page)]
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "matches the data" in result.stdout) == (0, True), result.output


def test_a_report_fits_80_columns_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsweep.orchestrator.cli.output.terminal_width", lambda: 80)
    words = ["report", "--storage", str(STUDIES / "rooms")]
    lines = CliRunner().invoke(app, words).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "Row: none" not in lines  # a line per row, not one per cell


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_not_committed_does_not_count_as_lost(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store.open(str(PAGES[page]))
    rows = store.replicates()
    assert store.finished() == {*zip(rows["key"], rows["seed"], strict=True)}
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_number_that_is_not_in_the_rows_is_found(page: Path, tmp_path: Path) -> None:
    wrong, text = tmp_path / "page.md", page.read_text()
    mean = re.search(r"\d+\.\d(?= ± )", text)
    assert mean is not None
    wrong.write_text(text.replace(f"{mean[0]} ±", f"{float(mean[0]) + 1:.1f} ±"))
    words = ["report", "--storage", str(PAGES[page]), "--check", str(wrong)]
    assert CliRunner().invoke(app, words).exit_code == 1


def test_every_picture_that_is_shown_is_there() -> None:
    for page in (ROOT / "README.md", *PAGES):
        for place in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text()):
            assert (page.parent / place).is_file(), place


@pytest.fixture(scope="module")
def watch() -> SweepData:
    return load(Store.open(str(STUDIES / "watch")))


@pytest.mark.slow
def test_the_forest_plot_is_that_of_the_rows(watch: SweepData) -> None:
    (kept,) = (STUDIES / "watch").rglob("forest.svg")
    names = [row.row for row in watch.table.rows[1:9]]
    figure = forest(watch)
    assert figure is not None
    drawn = render({"forest": figure})["forest.svg"].decode()
    for text in (drawn, kept.read_text()):
        assert all(name in text for name in names)
    values = re.compile(r"[+\u2212]\d\.\d \[[^]]+\]")
    assert values.findall(drawn) == values.findall(kept.read_text()) != []


def test_what_the_page_says_of_rounding_is_so(watch: SweepData) -> None:
    """5.8 points, another epoch in 14 of 40, 0.9 points at the last epoch."""
    largest, at_the_end, others, count = 0.0, 0.0, 0, 0
    chosen = watch.replicates.set_index(["key", "seed"])["best_epoch"].sort_index()
    for direction in {direction for _, direction in watch.cells}:
        cells = [watch.cells[row, direction] for row in ("A/A", "Feat")]
        repeated, baseline = (cell.done for cell in cells)
        largest = max(largest, (repeated.test_score - baseline.test_score).abs().max())
        last = repeated.test_score_last - baseline.test_score_last
        at_the_end = max(at_the_end, last.abs().max())
        one, other = (chosen[cell.row.key] for cell in cells)
        others += int((one != other).sum())
        count += len(baseline)
    assert (round(100 * largest, 1), others, count) == (5.8, 14, 40)
    assert round(100 * at_the_end, 1) == 0.9


def test_what_the_page_decides_is_so(watch: SweepData) -> None:
    verdicts = {(row.row, row.verdict) for row in watch.table.rows if row.verdict}
    assert {verdict for _, verdict in verdicts} == {"equivalent", "inconclusive"}
    assert {name for name, verdict in verdicts if verdict == "equivalent"} == {"Freq"}
    assert ("Freq", "inconclusive") not in verdicts


def test_what_the_page_of_rooms_decides_is_so() -> None:
    rows = load(Store.open(str(STUDIES / "rooms"))).table.rows
    verdicts = {(row.row, row.verdict) for row in rows if row.verdict}
    assert verdicts == {
        ("fd-cmkd", "equivalent"), ("dist", "equivalent"),
        *((row, "worse") for row in ("dist", "dkd", "c2kd", "cirkd-v2", "cirkd-v2+fd-cmkd")),
    }  # fmt: skip


def test_what_the_tutorial_decides_is_so() -> None:
    rows = load(Store.open(str(STUDIES / "tutorial"))).table.rows
    verdicts = {row.row: row.verdict for row in rows if row.verdict}
    assert verdicts == {"kd": "improves", "feat": "inconclusive", "fd-cmkd": "inconclusive"}
    assert {row.row: round(row.detectable, 1) for row in rows if row.verdict == "inconclusive"} == {
        "feat": 8.2, "fd-cmkd": 5.7,
    }  # fmt: skip
    gaps = [row.gap for row in rows if row.gap is not None]
    assert (round(min(gaps)), round(max(gaps))) == (6, 9)
