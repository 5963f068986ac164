import csv
import dataclasses
import html
import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fdsweep.results import plots
from fdsweep.results.records import searches
from fdsweep.results.records.manifest import Manifest, save
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.searches import Search
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.results.report import (
    FORMATS,
    Report,
    load,
    report,
    report_of,
    to_json,
    to_markdown,
    to_text,
)
from fdsweep.search_spaces.errors import ConfigError, StorageError

BASE = [0.60, 0.62, 0.61, 0.59, 0.63]
BETTER = [0.64, 0.63, 0.66, 0.62, 0.65]
EIGHT = [0.60, 0.62, 0.61, 0.59, 0.63, 0.60, 0.61, 0.62]
CONTRACT = {
    *("row", "student_modality", "n", "mean", "std", "ci_low", "ci_high", "delta", "delta_ci"),
    *("p_value", "p_adjusted", "paper"),
}
PAPER = {"Feat": {"row": 1}, "Freq": {"row": 2}}

Fill = Callable[..., None]


def test_json_has_the_shape_of_the_contract(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER})
    document = to_json(report(store))
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert list(document) == ["schema", "sweep", "tables"]
    assert (document["schema"], document["sweep"]) == ("fdsweep.report/1", "components-watch")

    (table,) = document["tables"]
    assert list(table) == ["title", "columns", "rows", "notes", "per_class", "margin", "protocol"]
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
        target = Path(other.uri(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(store.uri(path)).read_bytes())
    pictures = {"forest.svg": b"<svg/>"}
    first, again, elsewhere = report(store), report(store), report(other)
    for form in FORMATS:
        text = to_text(first, form, pictures)
        assert text == to_text(again, form, pictures)
        assert text == to_text(elsewhere, form, pictures)
        assert text.endswith("\n")


def test_formats_are_those_that_there_are(full: Report) -> None:
    assert FORMATS == ("markdown", "latex", "html", "csv", "json")
    assert len({to_text(full, form) for form in FORMATS}) == len(FORMATS)
    assert json.loads(to_text(full, "json")) == to_json(full)
    assert 'src="data:image/svg+xml' in to_text(full, "html", {"forest.svg": b"<svg/>"})
    with pytest.raises(ConfigError, match="--format: unknown format 'word'. Choose from: csv,"):
        to_text(full, "word")


def test_json_holds_every_field(full: Report) -> None:
    (table,) = to_json(full)["tables"]
    (made,) = full.tables
    for line, row in zip(table["rows"], made.rows, strict=True):
        content = dataclasses.asdict(row)
        assert line == {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in content.items()
        }
    assert table["rows"][1]["people_ci"] == [0.51, 5.49]
    assert table["per_class"] == [
        {
            ("accuracy" if name == "score" else name): x
            for name, x in dataclasses.asdict(one).items()
        }
        for one in made.per_class
    ]
    assert "class_names" not in table
    assert table["margin"] == 1.0


def test_other_metrics_have_their_own_words(
    store: Store, manifest: Callable[..., Manifest], outcomes: Callable[..., list[Replicate]]
) -> None:
    sweep = {"task": "segmentation", "metric": "miou", "class_names": ("floor", "lamp")}
    save(store, manifest(["Feat", "Freq"], **sweep))
    sizes = {"intersection": 3, "union": 4, "labelled": 4, "picture": None}
    for one in outcomes({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER}):
        kept = [
            {"sample_id": image, "group": image, "label": label, **sizes}
            for image in map(str, range(10))
            for label in (0, 1)
        ]
        store.put(one.replace(task="segmentation", metric="miou"), [], kept)
    made = report(store)
    assert "| mIoU ± SD |" in to_markdown(made)
    assert "Test mIoU in %, seeds 0-4" in to_markdown(made)
    assert "mIoU $\\pm$ SD" in to_text(made, "latex")
    page = to_text(made, "html", {"slice-lr.svg": b"<svg/>"})
    assert "lr: Validation mIoU of the trials" in page
    for form in FORMATS:
        text = to_text(made, form)
        assert not re.search("top-1|accurac", text, re.IGNORECASE)
    assert "IoU per class, in % over all seeds" in page
    assert '<th scope="row" class="words">lamp</th><td>75.0</td>' in page
    assert "Δ [95 % CI], new images?" in page
    assert "The difference over the test pixels of all seeds with" in to_markdown(made)
    assert "a paired bootstrap over 10 images or scenes (2,000 draws)" in page
    (table,) = to_json(made)["tables"]
    assert (table["metric"], table["class_names"]) == ("miou", ["floor", "lamp"])
    assert {(one["label"], one["n"], one["iou"]) for one in table["per_class"]} == {
        (0, 5 * 10 * 4, 75.0),
        (1, 5 * 10 * 4, 75.0),
    }
    assert [row["people_ci"] for row in table["rows"] if row["pairs"]] == [[0.0, 0.0]]
    save(store, manifest(["Feat", "Freq"], task="counting", metric="f1"))
    assert "| f1 ± SD |" in to_markdown(report(store))


def test_a_sweep_is_read_once_for_its_report_its_pictures_and_other_seeds(
    store: Store, learning: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    learning({"learnt": "fd-cmkd", "other": "fd-cmkd"})
    store.write_text("teachers/teacher.accelerometer/0.json", '{"test_score": 0.8}')
    opened: list[str] = []
    read = Store.read

    def counted(self: Store, place: str, size: int | None = None) -> bytes:
        opened.append(place)
        return read(self, place, size)

    monkeypatch.setattr(Store, "read", counted)
    data = load(store)
    whole = to_markdown(report_of(data))
    assert list(plots.pictures(data))
    some = data.of([0, 1])
    assert list(plots.pictures(some))
    assert to_markdown(report_of(some)) != whole
    assert max(Counter(opened).values()) == 1
    folders = {place.split("/")[0] for place in opened}
    assert folders == {"results", "curves", "predictions", "reports", "teachers"}


def test_predictions_are_read(
    store: Store, fill: Fill, replicate: Callable[..., Replicate]
) -> None:
    fill({})
    predictions = [
        {"sample_id": str(index), "group": "a", "label": index % 2, "prediction": 0}
        for index in range(6)
    ]
    store.put(replicate(key="Feat.gyroscope"), [], predictions)
    (table,) = to_json(report(store))["tables"]
    assert [(one["row"], one["n"], one["accuracy"]) for one in table["per_class"]] == [
        *(("Feat", 3, 100.0), ("Feat", 3, 0.0)),
    ]


@pytest.mark.parametrize("name", [None, "components"])
def test_an_empty_storage_and_an_unknown_sweep_are_named(
    store: Store, fill: Fill, name: str | None
) -> None:
    with pytest.raises(StorageError, match=r"there is no sweep here yet.*fdsweep ablation"):
        report(store, name)
    fill({})
    with pytest.raises(ConfigError, match="unknown sweep 'x'. Choose from: components-watch"):
        report(store, "x")


def said_in(form: str, made: Report) -> str:
    """A report as plain words: what stands in its markup."""
    text = to_text(made, form)
    if form == "html":
        return html.unescape(text)
    return text.replace(r"$\to$", "->") if form == "latex" else text


def test_seeds_that_failed_or_miss_are_told(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE, "Freq.gyroscope": [0.6, None, 0.62, 0.61]})
    made = report(store)
    for form in FORMATS:
        text = said_in(form, made)
        if form == "csv":
            lines = list(csv.DictReader(io.StringIO(text)))
            told = [
                tuple(one[name] for name in ("n", "asked", "failed", "missing")) for one in lines
            ]
            assert told == [
                *[("5", "5", "0", "0"), ("3", "5", "1", "1")],
                *[("0", "5", "0", "5"), ("0", "5", "0", "5")],
            ]
        else:
            told = ("1 failed; 4 missing.", "Feat (gyroscope", "no data yet.")
            assert all(words in text for words in told)
        assert re.search(r"\b3/5\b", text) or form in ("csv", "json")


VISUAL = [("audio", "visual")]


def test_a_paper_of_another_task_is_not_comparable(
    store: Store, fill: Fill, as_published: Setting
) -> None:
    apart = as_published.replace(split="speakers apart")
    fill(
        {"Feat.visual": BASE, "Freq.visual": BETTER},
        **{"dataset": "crema-d", "paper": PAPER, "directions": VISUAL, "setting": apart},
    )
    made = report(store)
    hit_or_miss = ("within CI", "above CI", "below CI", "within interval", "above interval")
    for form in FORMATS:
        text = said_in(form, made)
        assert "64.3" in text
        assert "not comparable" in text
        assert "split speakers apart instead of lists of 6,698 train and 744 test clips" in text
        assert [one for one in hit_or_miss if one in text] == []
        if form in ("markdown", "html"):
            assert ("64.3‡" in text, "68.7†‡" in text) == (True, True)
        if form == "latex":
            assert r"$64.3^{\ddagger}$" in text
            assert r"$68.7^{\dagger\ddagger}$" in text


def test_a_difference_within_the_noise_is_said_to_be(store: Store, fill: Fill) -> None:
    fill(
        {"Feat.visual": BASE, "Freq.visual": [0.6, 0.62, 0.62, 0.59, 0.63], "Aa.visual": BETTER},
        **{"names": ["Feat", "Freq", "Aa"], "controls": {"Aa": "aa"}, "directions": VISUAL},
    )
    made = report(store)
    for form in FORMATS:
        text = said_in(form, made)
        if form in ("csv", "json"):
            rows = list(csv.DictReader(io.StringIO(text))) if form == "csv" else None
            rows = rows or json.loads(text)["tables"][0]["rows"]
            nothing = "" if form == "csv" else "None"
            assert [str(row["within_noise"]) for row in rows] == [nothing, "True", nothing]
            assert [float(row["noise_floor"] or 0) for row in rows] == pytest.approx(
                [0, 1.963, 1.963], abs=1e-3
            )
            assert rows[1]["verdict"] == "equivalent"
        else:
            assert "equivalent, within the noise floor" in text
            assert text.count("within the noise floor") == 1
        if form != "csv":
            assert "Noise floor: ±1.96 points" in text.replace(r"$\pm$", "±")


def test_the_published_protocol_has_no_verdict(store: Store, fill: Fill) -> None:
    scores = {"Feat.visual": EIGHT, "Freq.visual": [score + 0.05 for score in EIGHT]}
    scores["Aa.visual"] = EIGHT
    sweep = {"names": ["Feat", "Freq", "Aa"], "controls": {"Aa": "aa"}, "directions": VISUAL}
    fill(scores, seeds=range(8), **sweep)
    words = ("improves", "within the noise floor", "p Holm", "could detect")
    ours = report(store)
    fill(scores, seeds=range(8), protocol="published", **sweep)
    published = report(store)
    for form in FORMATS:
        assert "improves" in said_in(form, ours)
        text = said_in(form, published)
        assert "(published protocol: epoch and head chosen on test, optimistic)" in text
        assert [word for word in words if word in text] == []
        if form in ("markdown", "html", "latex"):
            assert "+5.0" in text
            assert "test-sel." not in text
    names = ("p_value", "p_adjusted", "verdict", "within_noise", "noise_floor", "gap")
    for row in csv.DictReader(io.StringIO(said_in("csv", published))):
        assert [row[name] for name in names] == [""] * len(names)
    for row in json.loads(said_in("json", published))["tables"][0]["rows"]:
        assert [row[name] for name in names] == [None] * len(names)


def test_a_table_of_several_environments_says_so(
    store: Store, manifest: Callable[..., Manifest], outcomes: Any
) -> None:
    save(store, manifest(names=["Feat", "Freq"], directions=VISUAL))
    for one in outcomes({"Feat.visual": BASE, "Freq.visual": BETTER}):
        made_by = {"processor": "A" if one.seed < 2 else "B", "torch": "2.13.0+cpu"}
        store.put(one.replace(environment=json.dumps(made_by)), [], [])
    made = report(store)
    for form in set(FORMATS) - {"csv"}:
        text = said_in(form, made)
        assert "Replicates of 2 environments stand beside each other" in text
        assert "6 with processor B; 4 with processor A." in text


def test_one_seed_gives_no_spread_and_no_verdict(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": [0.6], "Freq.gyroscope": [0.7]}, seeds=[0])
    made = report(store)
    for form in FORMATS:
        text = said_in(form, made)
        assert "nan" not in text.lower()
        for verdict in ("improves", "worse", "equivalent"):
            assert not re.search(rf"[|>&,] *\"?{verdict}", text)
        if form == "csv":
            (line,) = [one for one in csv.DictReader(io.StringIO(text)) if one["delta"]]
            assert (line["n"], line["std"], line["delta_ci_low"]) == ("1", "", "")
        else:
            assert "Exploratory: with n = 1 paired seeds" in text


def test_a_sweep_without_any_data_has_its_lines_all_the_same(store: Store, fill: Fill) -> None:
    fill({})
    made = report(store)
    for form in FORMATS:
        text = said_in(form, made)
        assert text.count("Freq") >= 2
        assert "no data yet" in text or form == "csv"


def test_teachers_are_read_where_they_are(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    store.write_text("teachers/teacher.accelerometer/0.json", '{"test_score": 0.8}')
    store.write_text("teachers/teacher.accelerometer/9.json", '{"test_score": 0.1}')
    assert "Teachers on test: accelerometer 80.0 (n = 1)." in to_markdown(report(store))
    older = {"epochs": 2, "best_epoch": 0, "val_accuracy": 0.5, "test_accuracy": 0.6}
    store.write_text("teachers/teacher.accelerometer/1.json", json.dumps(older))
    data = load(store)
    assert "accelerometer 70.0 ± 14.1 (n = 2)." in to_markdown(report_of(data))
    assert "accelerometer 60.0 (n = 1)." in to_markdown(report_of(data.of([1, 2])))


def test_a_damaged_record_of_a_teacher_is_a_missing_one(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    without = to_markdown(report(store))
    for record in (b"{}", b"[]", b"{", b"\xff"):
        store.write("teachers/teacher.gyroscope/0.json", record)
        assert to_markdown(report(store)) == without, record


def test_damaged_rows_are_missing_ones(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    Path(store.uri("results/Feat.gyroscope-2.parquet")).write_bytes(b"PAR1")
    Path(store.uri("results/unrelated-0.parquet")).write_bytes(b"PAR1")
    text = to_markdown(report(store))
    assert "seeds 2 missing." in text
    assert "| 4/5 |" in text
    assert to_markdown(report(store)) == text
    assert [*store.listing("damaged")] == ["damaged/results/Feat.gyroscope-2.parquet.damaged"]


def test_the_sweep_and_the_seeds_may_be_chosen(
    store: Store, fill: Fill, manifest: Callable[..., Manifest]
) -> None:
    fill({"Feat.gyroscope": BASE})
    save(store, manifest(sweep="losses-watch", title="Losses"))
    assert report(store, "losses").tables[0].title == "Losses, watch"
    chosen = report(store, "components", seeds=[1, 2])
    assert chosen.sweep == "components-watch"
    assert chosen.tables[0].rows[0].mean == pytest.approx(61.5)
    with pytest.raises(ConfigError, match="seed 9 is not in"):
        report(store, "components", seeds=[9])
    with pytest.raises(ConfigError, match="unknown sweep"):
        report(store, "cutoffs")


def test_searches_stand_below_the_table_of_their_sweep(
    store: Store, fill: Fill, search: Search
) -> None:
    fill({"Feat.gyroscope": BASE})
    plain, document = to_markdown(report(store)), to_json(report(store))
    other = search.replace(directions=("gyroscope->accelerometer",))
    searches.save(store, "components-watch", [search, other])
    made = report(store)
    assert made.searches == (search, other)
    assert to_markdown(made) == "\n".join([plain, to_markdown(Report("", (), (search, other)))])
    assert to_markdown(report(store)) == to_markdown(made)

    told = to_json(made)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [one["method"] for one in told.pop("searches")] == ["fd-cmkd", "fd-cmkd"]
    assert told == document


@pytest.fixture
def learning(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> Callable[..., None]:
    """Rows whose cutoff is learnt: name -> method. At epoch e of seed s it is (e + s) / 10."""

    def make(methods: dict[str, str], **sweep: object) -> None:
        save(store, manifest(names=list(methods), **sweep))
        for name, method in methods.items():
            option = "cutoff" if method == "fd-cmkd" else "fd-cmkd.cutoff"
            config = {"method": method, "options": {option: "learn"}}
            for seed in (0, 1, 2):
                curves = [
                    {"epoch": epoch, "split": split, "metric": metric, "value": value}
                    for epoch in range(5)
                    for split, metric, value in [
                        ("train", option, (epoch + seed) / 10),
                        ("val", option, 9.0),
                        ("train", "loss", 9.0),
                    ]
                ]
                one = replicate(
                    key=f"{name}.gyroscope",
                    seed=seed,
                    best_epoch=seed + 1,
                    config=json.dumps(config),
                )
                store.put(one, curves, [])

    return make


WAY = "direction accelerometer -> gyroscope"


def test_learnt_cutoffs_are_those_of_the_chosen_epochs(
    store: Store, learning: Callable[..., None]
) -> None:
    learning({"learnt": "fd-cmkd"})
    # 0.1, 0.3, 0.5 at epochs 1, 2, 3
    said = f"- Cutoff learnt ({WAY}): 0.30 ± 0.20 at the chosen epoch (n = 3), from 0.5.\n"
    assert said in to_markdown(report(store))
    said = f"- Cutoff learnt ({WAY}): 0.50 at the chosen epoch (n = 1), from 0.5.\n"
    assert said in to_markdown(report(store, seeds=[2, 4]))
    assert "Cutoff" not in to_markdown(report(store, seeds=[3, 4]))


def test_learnt_cutoffs_of_several_rows_are_told_apart(
    store: Store, learning: Callable[..., None]
) -> None:
    learning({"alone": "fd-cmkd", "with kd": "kd+fd-cmkd"})
    text = to_markdown(report(store))
    assert f"Cutoff learnt (by alone, {WAY}): 0.30 ± 0.20" in text
    assert f"Cutoff learnt (by with kd, {WAY}): 0.30 ± 0.20" in text


def test_failed_replicates_have_learnt_nothing(
    store: Store, learning: Callable[..., None], replicate: Callable[..., Replicate]
) -> None:
    learning({"learnt": "fd-cmkd"})
    config = json.dumps({"method": "fd-cmkd", "options": {"cutoff": "learn"}})
    store.put(replicate(key="learnt.gyroscope", seed=3, status="failed", config=config), [], [])
    assert "at the chosen epoch (n = 3)" in to_markdown(report(store))


def test_a_cutoff_that_is_given_is_not_learnt(
    store: Store, manifest: Callable[..., Manifest], replicate: Callable[..., Replicate]
) -> None:
    save(store, manifest(["fixed"]))
    curve = [{"epoch": 2, "split": "train", "metric": "cutoff", "value": 0.25}]
    config = json.dumps({"method": "fd-cmkd", "options": {"cutoff": 0.25}})
    store.put(replicate(key="fixed.gyroscope", config=config), curve, [])
    assert "Cutoff learnt" not in to_markdown(report(store))
