import dataclasses
import json
from collections.abc import Callable

from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.document import Report
from fdsweep.results.formats.markdown import WIDTH, to_markdown
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.results.report import report, to_json

BASE = [0.60, 0.62, 0.61, 0.59, 0.63]
BETTER = [0.64, 0.63, 0.66, 0.62, 0.65]
PAPER = {"Feat": {"row": 1}, "Freq": {"row": 2}}

Fill = Callable[..., None]


def tables(markdown: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in markdown.split("\n\n")]
    return [block for block in blocks if block and block[0].startswith("|")]


def test_the_printed_table(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER, "Feat.accelerometer": BASE})
    text = to_markdown(report(store))
    assert text.startswith(
        "## Components, watch\n\n"
        "- accelerometer -> gyroscope: Freq is inconclusive against Feat.\n"
        "- gyroscope -> accelerometer: there is nothing to compare yet.\n"
        "- 5 seeds are too few for any row to improve or be worse: that takes 6.\n\n"
        "**accelerometer -> gyroscope (Δ against Feat)**\n\n"
    )
    # differences 4 1 5 3 2: mean 3, SD 1.581, t(4, .975) = 2.776, half-width 1.963; p = 2/2^5
    heading = (
        "| Row  |   n | Top-1 ± SD |       Δ [95 % CI] | verdict      | last | test-sel. |  gap |"
    )
    there, back = ([line[: len(heading)] for line in table] for table in tables(text))
    assert there == [
        heading,
        "| ---- | --: | ---------: | ----------------: | ------------ | ---: | --------: | ---: |",
        "| Feat |   5 | 61.0 ± 1.6 |                 – | –            | 60.0 |      63.0 | +2.0 |",
        "| Freq |   5 | 64.0 ± 1.6 | +3.0 [+1.0, +5.0] | inconclusive | 63.0 |      66.0 | +2.0 |",
    ]
    assert [[cell.strip() for cell in line.split("|")[1:-1]][:8] for line in back[2:]] == [
        ["Feat", "5", "61.0 ± 1.6", "–", "–", "60.0", "63.0", "+2.0"],
        ["Freq", "0/5", *"––––––"],
    ]


def test_every_field_where_there_is_room(line: Callable[..., TableRow]) -> None:
    row = line(
        "a",
        **{"mean": 1.0, "last": 2.0, "test_selected": 3.0, "gap": 2.04, "verdict": "worse"},
        **{"detectable": 0.96, "worst_delta": -7.0, "seconds": 7200.0, "effect_size": 9.0},
    )
    heading, _, *lines = cells(Report("s", (Table("t", (), (row, line("b")), ()),)))
    assert dict(zip(heading, lines[0], strict=True)) == {
        **{"Row": "a", "n": "8", "Top-1 ± SD": "1.0", "Δ [95 % CI]": "–", "verdict": "worse"},
        **{"last": "2.0", "test-sel.": "3.0", "gap": "+2.0", "could detect ≥": "1.0"},
        **{"Δ worst case": "-7.0", "time/seed": "2.0 h"},
    }
    assert lines[1] == ["b", "8", *"–––––––––"]


def test_both_kinds_of_difference_say_which_question_they_answer(
    line: Callable[..., TableRow],
) -> None:
    row = line("a", delta=1.0, delta_ci=(0.0, 2.0), people_delta=1.1, people_ci=(-1.0, 3.0))
    heading, _, found = cells(Report("s", (Table("t", (), (row,), ()),)))
    told = dict(zip(heading, found, strict=True))
    assert told["Δ [95 % CI], new seeds?"] == "+1.0 [+0.0, +2.0]"
    assert told["Δ [95 % CI], new people?"] == "+1.1 [-1.0, +3.0]"


def test_columns_go_one_by_one_until_it_fits(full: Report) -> None:
    (table,) = full.tables
    core = ["Row", "n", "Top-1 ± SD", "Δ [95 % CI]", "p Holm", "verdict", "last", "test-sel."]
    spare = ["Δ worst case", "paper is", "could detect ≥", "gap"]  # the last one goes first
    kept = []
    for length in range(3, 60):
        rows = tuple(dataclasses.replace(row, row="x" * length) for row in table.rows)
        rows = tuple(dataclasses.replace(row, people_delta=None, seconds=None) for row in rows)
        made = Report("s", (dataclasses.replace(table, rows=rows),))
        heading = cells(made)[0]
        there = [name for name in spare if name in heading]
        assert set(heading) == {*core, "paper", *there}
        assert there == spare[: len(there)]
        width = max(len(line) for line in tables(to_markdown(made))[0])
        assert width <= WIDTH or not there
        kept.append(len(there))
    assert kept == sorted(kept, reverse=True)
    assert set(kept) == set(range(max(kept) + 1)) > {0}


def cells(made: Report) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in tables(to_markdown(made))[0]
    ]


def test_groups_and_different_pairings_have_columns(store: Store, fill: Fill) -> None:
    fill(
        {"none.gyroscope": BASE, "kd.gyroscope": BETTER, "loose.gyroscope": BASE},
        names=["none", "kd", "loose"],
        groups={"none": "Uni", "kd": "Logit", "loose": "Logit"},
        pairings={"kd": "paired", "loose": "unpaired"},
    )
    made = report(store)
    assert [line.split("|")[1:5] for line in tables(to_markdown(made))[0]] == [
        [" Group ", " Row   ", " Pairing  ", "   n "],
        [" ----- ", " ----- ", " -------- ", " --: "],
        [" Uni   ", " none  ", " –        ", "   5 "],
        [" Logit ", " kd    ", " paired   ", "   5 "],
        [" Logit ", " loose ", " unpaired ", "   5 "],
    ]
    rows = to_json(made)["tables"][0]["rows"]
    assert [(row["group"], row["pairing"]) for row in rows[:3]] == [
        ("Uni", None), ("Logit", "paired"), ("Logit", "unpaired"),
    ]  # fmt: skip


def test_who_of_several_teaches_has_a_column_where_rows_differ(store: Store, fill: Fill) -> None:
    names = ["none", "rgb", "all"]
    together = {"rgb": "rgb 0.75 + normals 0.25", "all": "rgb 0.75 + normals 0.25"}
    for taught_by in ({**together, "rgb": "rgb"}, together, {}):
        fill({f"{n}.gyroscope": BASE for n in names}, names=names, taught_by=taught_by)
        made = report(store)
        text, (table, *_) = to_markdown(made), to_json(made)["tables"]
        assert ("Several teachers: each has an instance" in text) == bool(taught_by)
        assert ("Teachers" in text) == (len(set(taught_by.values())) > 1)
        assert ("taught_by" in table["columns"]) == bool(taught_by)
        assert [row["taught_by"] for row in table["rows"][:2]] == [None, taught_by.get("rgb")]


def test_lines_of_a_table_have_one_length(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": [*BETTER[:3], None]}, names=["Feat", "F|eq"])
    for table in tables(to_markdown(report(store))):
        assert len({len(line) for line in table}) == 1
        assert table[-1].startswith("| F\\|eq |")


def test_p_is_shown_from_six_pairs_on(store: Store, fill: Fill) -> None:
    six = [*BASE, 0.60], [*BETTER, 0.61]
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER}, seeds=range(6))
    assert "p Holm" not in to_markdown(report(store)).split("- ")[0]

    fill({"Feat.gyroscope": six[0], "Freq.gyroscope": six[1]}, seeds=range(6))
    there, back = tables(to_markdown(report(store)))
    assert "p Holm" in there[0]
    assert "|  0.031 |" in there[3]
    assert set(back[3].split()) == {"|", "Freq", "0/6", "–"}


def test_papers_numbers_and_their_doubts(store: Store, fill: Fill, as_published: Setting) -> None:
    ways = [("visual", "audio"), ("audio", "visual")]
    fill({}, directions=ways, paper=PAPER, dataset="crema-d", setting=as_published)
    text = to_markdown(report(store))
    assert "Differs from the paper's setting: 30 epochs instead of 100;" in text
    assert [line.split("|")[-2].strip() for table in tables(text) for line in table[2:]] == [
        *("60.9", "60.8†"),
        *("64.3", "68.7†"),
    ]
    assert "- † order read from the table's flattened text." in text
    assert "best test epoch" in text


def test_nothing_is_printed_as_nan(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": [0.6, None], "Freq.gyroscope": [None, 0.7]})
    text = to_markdown(report(store))
    document = json.dumps(to_json(report(store)), allow_nan=False)
    assert "nan" not in text.lower().replace("papers", "")
    assert "| 1/5 |" in text
    assert "NaN" not in document


def test_a_difference_of_nothing_has_no_minus(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": [0.6, 0.6, 0.6], "Freq.gyroscope": [0.5999, 0.5999, 0.5999]})
    assert "+0.0 [+0.0, +0.0]" in to_markdown(report(store))


def test_a_name_with_a_line_break_or_markup_stays_a_name(store: Store, fill: Fill) -> None:
    """What older manifests may hold: today's sweeps take no name of two lines."""
    names = ["a\nb", "<script>x|y</script>"]
    fill({"a\nb.gyroscope": BASE, "<script>x|y</script>.gyroscope": BETTER}, names=names)
    text = to_markdown(report(store))
    (_, _, *lines), _ = tables(text)
    assert [line[2:].split("  ")[0].split(" | ")[0] for line in lines] == [
        "a\\nb",
        "&lt;script>x\\|y&lt;/script>",
    ]
