import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from results import searches
from results.manifest import Manifest, save
from results.report import Report, report, spell_option, spell_time, to_json, to_markdown
from results.schema import Replicate
from results.searches import Dimension, Search, SearchTrial
from results.store import Store
from search_spaces.configs import Option
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


def trial(number: int, params: dict[str, Option], *values: float, **changes: object) -> SearchTrial:
    plain = SearchTrial(
        number=number,
        state="complete" if values else "pruned",
        values=values,
        reached=0.5,
        params=params,
        epochs=9 if values else 3,
        seconds=40.0,
        source="trained",
    )
    return dataclasses.replace(plain, **changes)


DEFAULT = trial(0, {"weight_low": 1.0, "freq": True, "cutoff": 0.5}, 0.701)
BEST = trial(3, {"weight_low": 12345.6, "freq": False, "logmse": False}, 0.7449)
SEARCH = Search(
    name="fd-cmkd-1a2b",
    space="all",
    method="fd-cmkd",
    dataset="watch",
    directions=("accelerometer->gyroscope",),
    objectives=("accuracy",),
    sampler="TPE",
    prunes=True,
    seeds=(1000, 1001, 1002),
    epochs=900,
    asked=6,
    dimensions=(
        Dimension(name="weight_low", low=0.1, high=1e4, log=True, choices=()),
        Dimension(name="freq", low=None, high=None, log=False, choices=(True, False)),
        Dimension(name="cutoff", low=0.05, high=0.95, log=False, choices=()),
    ),
    importances={"freq": 0.125, "weight_low": 0.875},
    trials=(
        DEFAULT,
        trial(1, {"weight_low": 1.0, "freq": True, "cutoff": 0.5}, 0.701, source="repeated"),
        trial(2, {"weight_low": 3.0, "freq": False}),
        BEST,
        trial(4, {}, state="failed", reached=None, epochs=1),
    ),
    chosen=3,
    front=(),
    infeasible=7,
    notes=("A note of its own.",),
)


def section(search: Search) -> str:
    return to_markdown(Report("mine", (), (search,)))


def test_the_printed_search() -> None:
    assert section(SEARCH).splitlines() == [
        "### Search: fd-cmkd, accelerometer->gyroscope (all)",
        "",
        "| Parameter               | default | chosen |",
        "| ----------------------- | ------: | -----: |",
        "| weight_low              |       1 |  12346 |",
        "| freq                    |    true |  false |",
        "| cutoff                  |     0.5 |      – |",
        "| logmse                  |       – |  false |",
        "| Validation accuracy [%] |    70.1 |   74.5 |",
        "",
        "- 5 of 6 trials: 3 complete, 1 pruned, 1 failed; 1 answered without training.",
        "- Trained: 31 of the 4,500 epochs of 5 full trials, in 3.3 min. Sampler: TPE. "
        "Pruning: on.",
        "- Objective: mean validation accuracy over the tuning seeds 1000-1002. The search never "
        "reads test.",
        "- The choice is made on validation, whose numbers here are optimistic for that reason; "
        "what it is worth stands in the table above.",
        "- Points outside the constraints: 7, neither trained nor counted as trials.",
        "- Importance for the accuracy at the end (PED-ANOVA): weight_low 0.88, freq 0.12.",
        "- A note of its own.",
    ]


def test_what_is_not_known_of_a_search_is_not_said() -> None:
    nothing = dataclasses.replace(
        SEARCH, trials=(), chosen=None, infeasible=0, importances={}, notes=(), prunes=False
    )
    text = section(nothing)
    assert "- 0 of 6 trials: none yet.\n" in text
    assert "Pruning: off." in text
    for word in ("|", "chosen", "Importance", "constraints", "without training", "choice"):
        assert word not in text


@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({}, "| Parameter               | default | chosen |"),
        ({"default": None}, "| Parameter               | chosen |"),
        ({"chosen": 0}, "| Parameter               | default, chosen |"),
        ({"chosen": None}, None),
        ({"chosen": 2}, None),
    ],
)
def test_the_default_stands_beside_what_was_chosen(
    changes: dict[str, int | None], heading: str | None
) -> None:
    found = tables(section(dataclasses.replace(SEARCH, **changes)))
    assert [table[0] for table in found] == ([heading] if heading else [])


def test_a_search_for_several_objectives_shows_its_front() -> None:
    objectives = ("accuracy a->b", "accuracy b->a", "cost")
    trials = (
        trial(0, {"cutoff": 0.5}, 0.70, 0.71, 1.0),
        trial(1, {"cutoff": 0.25}, 0.80, 0.60, 1.23456),
        trial(2, {"cutoff": 0.75, "lr": 0.001}, 0.75, 0.65, 2.0),
    )
    text = section(
        dataclasses.replace(
            SEARCH,
            directions=("a->b", "b->a"),
            objectives=objectives,
            trials=trials,
            front=(0, 1, 2),
            chosen=2,
        )
    )
    configurations, front = tables(text)
    assert "### Search: fd-cmkd, a->b, b->a (all)" in text
    assert "accuracy of each direction over the tuning seeds 1000-1002, and training time" in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in configurations]
    assert cells[-3:] == [
        ["Validation accuracy a->b [%]", "70.0", "75.0"],
        ["Validation accuracy b->a [%]", "71.0", "65.0"],
        ["Training time per epoch [s]", "1", "2"],
    ]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in front]
    assert cells[0] == [
        *("Pareto front: trial", "cutoff", "lr", "Validation accuracy a->b [%]"),
        *("Validation accuracy b->a [%]", "Training time per epoch [s]"),
    ]
    assert cells[2:] == [
        ["1", "0.25", "–", "80.0", "60.0", "1.23"],
        ["2 (chosen)", "0.75", "0.001", "75.0", "65.0", "2"],
        ["0", "0.5", "–", "70.0", "71.0", "1"],
    ]


def test_an_accuracy_and_its_cost_are_of_one_direction() -> None:
    trials = (trial(0, {"cutoff": 0.5}, 0.7, 1.5),)
    objectives = ("accuracy", "cost")
    made = dataclasses.replace(SEARCH, objectives=objectives, trials=trials, chosen=0, front=(0,))
    assert "mean validation accuracy over the tuning seeds 1000-1002, and training" in section(made)


def test_searches_stand_below_the_table_of_their_sweep(store: Store, fill: Fill) -> None:
    fill({"Feat.gyroscope": BASE})
    plain, document = to_markdown(report(store)), to_json(report(store))
    other = dataclasses.replace(SEARCH, directions=("gyroscope->accelerometer",))
    searches.save(store, "components-watch", [SEARCH, other])
    made = report(store)
    assert made.searches == (SEARCH, other)
    assert to_markdown(made) == plain + "\n" + section(SEARCH) + "\n" + section(other)
    assert to_markdown(report(store)) == to_markdown(made)

    told = to_json(made)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [one["method"] for one in told.pop("searches")] == ["fd-cmkd", "fd-cmkd"]
    assert told == document


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        *[(True, "true"), (False, "false"), (None, "null"), ("mean", "mean"), (3, "3"), (1, "1")],
        *[(1.0, "1"), (0.04567, "0.0457"), (999.6, "1000"), (12345.6, "12346"), (1e-5, "1e-05")],
    ],
)
def test_options_are_spelt_for_people(value: Option, spelt: str) -> None:
    assert spell_option(value) == spelt


@pytest.mark.parametrize(
    ("seconds", "spelt"),
    [(0, "0.0 s"), (119, "119.0 s"), (120, "2.0 min"), (7199, "120.0 min"), (9000, "2.5 h")],
)
def test_times_are_spelt_for_people(seconds: float, spelt: str) -> None:
    assert spell_time(seconds) == spelt


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
