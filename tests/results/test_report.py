import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from results.manifest import Manifest, save
from results.report import report, to_json, to_markdown
from results.schema import Replicate
from results.store import Store
from search_spaces.errors import ConfigError, StorageError

BASE = [0.60, 0.62, 0.61, 0.59, 0.63]
BETTER = [0.64, 0.63, 0.66, 0.62, 0.65]
CONTRACT = {
    *("row", "student_modality", "n", "mean", "std", "ci_low", "ci_high", "delta", "delta_ci"),
    *("p_value", "p_adjusted", "paper"),
}
PAPER = {"Feat": {"row": 1}, "Freq": {"row": 2}}

Fill = Callable[..., None]


@pytest.fixture
def fill(
    store: Store, manifest: Callable[..., Manifest], outcomes: Callable[..., list[Replicate]]
) -> Fill:
    def make(scores: dict[str, Sequence[float | None]], **sweep: object) -> None:
        save(store, manifest(**{"names": ["Feat", "Freq"], **sweep}))
        for one in outcomes(scores):
            store.put(one, [], [])

    return make


def tables(markdown: str) -> list[list[str]]:
    blocks = [block.splitlines() for block in markdown.split("\n\n")]
    return [block for block in blocks if block[0].startswith("|")]


def test_the_printed_table(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER, "Feat.accelerometer": BASE})
    text = to_markdown(report(store))
    assert text.startswith("## Components, watch\n\n**accelerometer -> gyroscope**\n\n")
    # differences 4 1 5 3 2: mean 3, SD 1.581, t(4, .975) = 2.776, half-width 1.963
    assert tables(text) == [
        [
            "| Row  |   n | Top-1 (mean ± SD) | Δ vs Feat [95 % CI] | last | test-sel. |",
            "| ---- | --: | ----------------: | ------------------: | ---: | --------: |",
            "| Feat |   5 |        61.0 ± 1.6 |                   – | 60.0 |      63.0 |",
            "| Freq |   5 |        64.0 ± 1.6 |   +3.0 [+1.0, +5.0] | 63.0 |      66.0 |",
        ],
        [
            "| Row  |   n | Top-1 (mean ± SD) | Δ vs Feat [95 % CI] | last | test-sel. |",
            "| ---- | --: | ----------------: | ------------------: | ---: | --------: |",
            "| Feat |   5 |        61.0 ± 1.6 |                   – | 60.0 |      63.0 |",
            "| Freq | 0/5 |                 – |                   – |    – |         – |",
        ],
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
    assert back[3].count("–") == 5


def test_papers_numbers_and_their_doubts(store: Store, fill: Fill) -> None:
    ways = [("visual", "audio"), ("audio", "visual")]
    fill({}, directions=ways, paper=PAPER, dataset="crema-d")
    text = to_markdown(report(store))
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


def test_json_has_the_shape_of_the_contract(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER})
    document = to_json(report(store))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == ["schema", "sweep", "tables"]
    assert (document["schema"], document["sweep"]) == ("fdsweep.report/1", "components-watch")

    (table,) = document["tables"]
    assert list(table) == ["title", "columns", "rows", "notes"]
    assert len(table["rows"]) == 4
    for row in table["rows"]:
        assert set(row) >= CONTRACT
        assert set(row) >= set(table["columns"])
    freq = table["rows"][1]
    assert freq["mean"] == pytest.approx(64)
    assert freq["delta_ci"] == pytest.approx([3 - 1.963, 3 + 1.963], abs=1e-3)


def test_the_same_rows_give_the_same_bytes_wherever_they_lie(
    store: Store, fill: Fill, tmp_path: Path
) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER})
    other = Store.create(str(tmp_path / "other"))
    for path in sorted(store.listing(""), reverse=True):
        target = Path(other.path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(store.path(path)).read_bytes())
    assert to_markdown(report(other)) == to_markdown(report(store))
    assert to_json(report(other)) == to_json(report(store))


def test_teachers_are_read_where_they_are(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    store.write_text("teachers/teacher.accelerometer/0.json", '{"test_accuracy": 0.8}')
    store.write_text("teachers/teacher.accelerometer/9.json", '{"test_accuracy": 0.1}')
    assert "Teachers on test: accelerometer 80.0 (n = 1)." in to_markdown(report(store))

    store.write_text("teachers/teacher.gyroscope/0.json", "{}")
    with pytest.raises(StorageError, match=r"teacher\.gyroscope/0\.json: is no teacher's record"):
        report(store)


def test_damaged_files_are_named(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    Path(store.path("results", "Feat.gyroscope-2.parquet")).write_bytes(b"PAR1")
    Path(store.path("results", "unrelated-0.parquet")).write_bytes(b"PAR1")
    text = to_markdown(report(store))
    assert "left out, run the sweep again: results/Feat.gyroscope-2.parquet." in text
    assert "| 4/5 |" in text


def test_the_sweep_and_the_seeds_may_be_chosen(
    store: Store, fill: Fill, manifest: Callable[..., Manifest]
) -> None:
    fill({"Feat.gyroscope": BASE})
    save(store, dataclasses.replace(manifest(), sweep="losses-watch", title="Losses"))
    assert report(store, "losses").tables[0].title == "Losses, watch"
    chosen = report(store, "components", seeds=[1, 2])
    assert chosen.sweep == "components-watch"
    assert chosen.tables[0].rows[0].mean == pytest.approx(61.5)
    with pytest.raises(ConfigError, match="seed 9 is not in"):
        report(store, "components", seeds=[9])
    with pytest.raises(ConfigError, match="unknown sweep"):
        report(store, "cutoffs")
