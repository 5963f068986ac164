from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fdsweep.results.compute.statistics import detectable_effect, holm, sign_flip_ps
from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.compute.tables.build import build_table
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.setting import Setting

BASE = [0.60, 0.62, 0.61, 0.59, 0.63]
BETTER = [0.64, 0.63, 0.66, 0.62, 0.65]
WORSE = [0.58, 0.61, 0.60, 0.60, 0.57]
ONE_WAY = [("accelerometer", "gyroscope")]


def by_name(table: Table) -> dict[str, TableRow]:
    return {row.row: row for row in table.rows}


def test_numbers_of_one_direction_agree_with_scipy(build: Callable[..., Table]) -> None:
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER, "Align.gyroscope": WORSE}
    rows = by_name(build(scores, directions=ONE_WAY))

    percent = 100 * np.array(BETTER)
    difference = percent - 100 * np.array(BASE)
    row = rows["Freq"]
    interval = stats.ttest_1samp(percent, 0).confidence_interval()
    paired = stats.ttest_rel(percent, 100 * np.array(BASE)).confidence_interval()
    assert (row.n, row.asked, row.failed, row.pairs) == (5, 5, 0, 5)
    assert (row.mean, row.std) == pytest.approx((percent.mean(), percent.std(ddof=1)))
    assert (row.ci_low, row.ci_high) == pytest.approx((interval.low, interval.high))
    assert row.delta == pytest.approx(difference.mean())
    assert row.delta_ci == pytest.approx((paired.low, paired.high))
    assert row.rho == pytest.approx(np.corrcoef(BETTER, BASE)[0, 1])
    assert (row.last, row.test_selected) == pytest.approx((row.mean - 1, row.mean + 2))
    assert row.gap == pytest.approx(2)

    raw = [
        sign_flip_ps([100 * np.subtract(BETTER, BASE)])[0],
        sign_flip_ps([100 * np.subtract(WORSE, BASE)])[0],
    ]
    assert [rows["Freq"].p_value, rows["Align"].p_value] == pytest.approx(raw)
    assert [rows["Freq"].p_adjusted, rows["Align"].p_adjusted] == pytest.approx(holm(raw))
    assert rows["Freq"].p_value == 2 / 2**5


def test_the_baseline_is_not_compared_with_itself(build: Callable[..., Table]) -> None:
    row = build({"Feat.gyroscope": BASE}, names=["Feat"], directions=ONE_WAY).rows[0]
    assert (row.delta, row.delta_ci, row.pairs, row.p_value, row.p_adjusted) == (None,) * 5
    assert row.mean == pytest.approx(61)


def test_each_direction_has_its_own_baseline_and_no_row_moves(
    build: Callable[..., Table],
) -> None:
    scores = {
        "Feat.gyroscope": BASE,
        "Freq.gyroscope": BETTER,
        "Feat.accelerometer": BETTER,
        "Freq.accelerometer": BASE,
    }
    table = build(scores, names=["Feat", "Freq"])
    assert table.title == "Components, watch"
    assert [(row.row, row.student_modality) for row in table.rows] == [
        ("Feat", "gyroscope"),
        ("Freq", "gyroscope"),
        ("Feat", "accelerometer"),
        ("Freq", "accelerometer"),
    ]
    assert [row.delta for row in table.rows] == [
        None,
        pytest.approx(3),
        None,
        pytest.approx(-3),
    ]
    assert [row.p_adjusted for row in table.rows] == [None, 2 / 2**5, None, 2 / 2**5]


def test_failed_and_missing_seeds_are_counted_and_only_pairs_compared(
    build: Callable[..., Table],
) -> None:
    scores = {"Feat.gyroscope": [0.50, 0.70, None, 0.60], "Freq.gyroscope": [None, 0.73, 0.9, 0.61]}
    table = build(scores, names=["Feat", "Freq"], directions=ONE_WAY)
    feat, freq = table.rows
    assert (feat.n, feat.asked, feat.failed) == (3, 5, 1)
    assert (freq.n, freq.asked, freq.failed, freq.pairs) == (3, 5, 1, 2)
    assert freq.delta == pytest.approx(2)
    assert freq.mean == pytest.approx(100 * (0.73 + 0.9 + 0.61) / 3)


def test_holm_counts_rows_that_have_no_data_yet(build: Callable[..., Table]) -> None:
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER}
    rows = by_name(build(scores, directions=ONE_WAY))
    assert rows["Freq"].p_value == 2 / 2**5
    assert rows["Freq"].p_adjusted == 2 * 2 / 2**5
    nothing = rows["Align"]
    assert (nothing.n, nothing.pairs, nothing.mean, nothing.delta) == (0, 0, None, None)
    assert (nothing.p_value, nothing.p_adjusted, nothing.last, nothing.gap) == (None,) * 4


def test_one_seed_gives_a_difference_without_interval(build: Callable[..., Table]) -> None:
    scores = {"Feat.gyroscope": [0.6], "Freq.gyroscope": [0.7]}
    _, row = build(scores, names=["Feat", "Freq"], directions=ONE_WAY, only=[0]).rows
    assert row.delta == pytest.approx(10)
    assert (row.std, row.ci_low, row.ci_high, row.delta_ci, row.rho) == (None,) * 5
    assert row.p_value == 1.0


def test_a_filter_on_seeds_leaves_out_the_others(build: Callable[..., Table]) -> None:
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER}
    table = build(scores, names=["Feat", "Freq"], directions=ONE_WAY, only=[0, 3])
    assert [(row.n, row.asked) for row in table.rows] == [(2, 2), (2, 2)]
    assert table.rows[1].delta == pytest.approx(3.5)


def test_more_seeds_than_can_be_enumerated_give_the_same_p_each_time(
    build: Callable[..., Table],
) -> None:
    generator = np.random.default_rng(0)
    base = generator.uniform(0.5, 0.6, 18)
    scores = {"Feat.gyroscope": base, "Freq.gyroscope": base + generator.normal(0.01, 0.03, 18)}
    sweep = {"names": ["Feat", "Freq"], "directions": ONE_WAY, "seeds": range(18)}
    first, second = (build(scores, **sweep).rows[1] for _ in range(2))
    assert first.pairs == 18
    assert first.p_value == second.p_value
    assert first.p_value not in (None, 1.0)


PAPER = {"Feat": {"row": 1}, "Freq": {"row": 2}, "Full": {"row": 7}}


def test_the_papers_numbers_stand_where_the_data_set_is_the_papers(
    build: Callable[..., Table],
) -> None:
    ways = [("visual", "audio"), ("audio", "visual")]
    table = build({}, names=list(PAPER), directions=ways, paper=PAPER, dataset="crema-d")
    assert [row.paper for row in table.rows] == [60.9, 60.8, 64.1, 64.3, 68.7, 71.0]
    assert [bool(row.paper_note) for row in table.rows] == [False, True, False] * 2
    assert "paper" in table.columns


@pytest.mark.parametrize("changes", [{}, {"dataset": "crema-d", "paper_table": None}])
def test_elsewhere_the_paper_has_no_column(
    build: Callable[..., Table], changes: dict[str, Any]
) -> None:
    table = build({}, names=list(PAPER), paper=PAPER, **changes)
    assert "paper" not in table.columns
    assert {row.paper for row in table.rows} == {None}


def test_columns_are_the_fields_that_hold_something(build: Callable[..., Table]) -> None:
    table = build({"Feat.gyroscope": [0.6]}, names=["Feat"], directions=ONE_WAY)
    assert table.columns == (
        *("row", "teacher_modality", "student_modality", "n", "asked", "failed"),
        *("mean", "last", "test_selected", "gap", "seconds"),
    )


EIGHT = [0.60, 0.62, 0.61, 0.59, 0.63, 0.60, 0.61, 0.62]
GAIN = [0.02, 0.03, 0.025, 0.02, 0.03, 0.02, 0.025, 0.03]
TWO = {"names": ["Feat", "Freq"], "directions": ONE_WAY}


def shifted(by: float) -> list[float]:
    return [score + by * gain for score, gain in zip(EIGHT, GAIN, strict=True)]


def predict(right: dict[tuple[str, int], Sequence[int]], people: int = 10) -> pd.DataFrame:
    """Four samples of classes 0 to 3 per person; `right` says how many each person has right."""
    return pd.DataFrame(
        [
            (key, seed, f"{person}.{label}", f"p{person}", label, label if label < hits else 3)
            for (key, seed), all_hits in right.items()
            for person, hits in zip(range(people), all_hits, strict=True)
            for label in range(4)
        ],
        columns=["key", "seed", "sample_id", "group", "label", "prediction"],
    )


@pytest.mark.parametrize(
    ("by", "verdict"), [(1, "improves"), (-1, "worse"), (0.1, "improves"), (0, "equivalent")]
)
def test_eight_seeds_give_a_verdict(build: Callable[..., Table], by: float, verdict: str) -> None:
    scores = {"Feat.gyroscope": EIGHT, "Freq.gyroscope": shifted(by)}
    base, row = build(scores, seeds=range(8), **TWO).rows
    assert (base.verdict, row.verdict) == (None, verdict)


def test_the_verdict_goes_by_the_adjusted_p(build: Callable[..., Table]) -> None:
    # 2 / 2^8 times 7 comparisons is .055
    names = ["Feat", "Freq", *(f"row {index}" for index in range(6))]
    scores = {"Feat.gyroscope": EIGHT, "Freq.gyroscope": shifted(1)}
    rows = by_name(build(scores, seeds=range(8), names=names, directions=ONE_WAY))
    assert rows["Freq"].p_value == 2 / 2**8
    assert rows["Freq"].verdict == "inconclusive"
    assert rows["row 1"].verdict is None


def test_size_and_reach_of_a_difference(build: Callable[..., Table]) -> None:
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": [*BETTER[:4], BASE[4]]}
    row = build(scores, **TWO).rows[1]
    difference = 100 * np.subtract([*BETTER[:4], BASE[4]], BASE)
    deviation = difference.std(ddof=1)
    assert row.detectable == pytest.approx(detectable_effect(5) * deviation)
    assert row.effect_size == pytest.approx(difference.mean() / deviation)
    assert row.p_better == 0.9
    assert row.seconds == 1.5


def test_failed_seeds_are_at_chance_in_the_worst_case(build: Callable[..., Table]) -> None:
    scores = {
        "Feat.gyroscope": [0.60, 0.70, None, 0.60],
        "Freq.gyroscope": [None, 0.73, 0.90, 0.61],
        "Align.gyroscope": [0.65, 0.75, None, None],
    }
    seen = predict({("Feat.gyroscope", 0): [2] * 10})
    rows = by_name(build(scores, directions=ONE_WAY, predictions=seen))
    # four classes: chance is 25 %; seed 4 is missing everywhere and stays out
    assert rows["Freq"].worst_delta == pytest.approx(np.mean([25 - 60, 3, 90 - 25, 1]))
    assert rows["Align"].worst_delta == pytest.approx(np.mean([5, 5, 0, 25 - 60]))
    assert rows["Feat"].worst_delta is None
    assert {row.worst_delta for row in build(scores, directions=ONE_WAY).rows} == {None}


def test_nothing_failed_has_no_worst_case(build: Callable[..., Table]) -> None:
    seen = predict({("Feat.gyroscope", 0): [2] * 10})
    scores = {"Feat.gyroscope": [None, *BASE[1:]], "Freq.gyroscope": BETTER}
    assert build(scores, predictions=seen, only=[1, 2], **TWO).rows[1].worst_delta is None
    assert build(scores, predictions=seen, **TWO).rows[1].worst_delta is not None
    unpaired = {"Feat.gyroscope": [0.6, 0.6], "Freq.gyroscope": [0.7, 0.7, None]}
    assert build(unpaired, predictions=seen, **TWO).rows[1].worst_delta is None


def test_people_and_classes_come_from_the_predictions_of_done_seeds(
    build: Callable[..., Table],
) -> None:
    scores = {"Feat.gyroscope": [0.5, 0.5, None], "Freq.gyroscope": [0.5, 0.5, None]}
    seen = predict(
        {
            ("Feat.gyroscope", 0): [1] * 10,
            ("Feat.gyroscope", 1): [2] * 10,
            ("Freq.gyroscope", 0): [1, 3] * 5,
            ("Freq.gyroscope", 1): [3, 2] * 5,
            ("Feat.gyroscope", 2): [0] * 10,
            ("Freq.gyroscope", 2): [0] * 10,
            ("Other.gyroscope", 0): [0] * 10,
        }
    )
    table = build(scores, predictions=seen, **TWO)
    base, row = table.rows
    # classes 0 to 2 are right where the label is below the number; class 3 always is
    assert (base.people_delta, base.people_ci) == (None, None)
    assert row.people_delta == pytest.approx(100 * 15 / 80)
    assert row.people_ci is not None
    assert 0 < row.people_ci[0] < row.people_delta < row.people_ci[1] < 50
    told = [(one.row, one.label, one.n, one.score) for one in table.per_class]
    assert told == [
        *[("Feat", 0, 20, 100), ("Feat", 1, 20, 50), ("Feat", 2, 20, 0), ("Feat", 3, 20, 100)],
        *[("Freq", 0, 20, 100), ("Freq", 1, 20, 75), ("Freq", 2, 20, 50), ("Freq", 3, 20, 100)],
    ]
    assert table == build(scores, predictions=seen.sample(frac=1, random_state=0), **TWO)
    assert build(scores, **TWO).per_class == ()


def test_the_margin_is_told_and_used(
    manifest: Callable[..., Manifest],
    outcomes: Callable[..., list[Replicate]],
    frame: Callable[[Sequence[Replicate]], pd.DataFrame],
) -> None:
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": [0.61, 0.62, 0.61, 0.60, 0.63]}
    rows = frame(outcomes(scores))
    tables = [build_table(manifest(**TWO), rows, margin=margin) for margin in (0.2, 1.0)]
    assert [table.margin for table in tables] == [0.2, 1.0]
    assert [table.rows[1].verdict for table in tables] == ["inconclusive", "equivalent"]
    assert build_table(manifest(**TWO), rows) == tables[1]


def test_the_papers_number_is_judged_by_the_test_selected_column(
    build: Callable[..., Table], as_published: Setting
) -> None:
    ways = [("visual", "audio")]
    alike = {"dataset": "crema-d", "epochs": 100, "setting": as_published}
    # published 60.9; ours + 2 is selected on test
    for scores, verdict in (
        ([0.588, 0.589, 0.590], "within interval"),
        ([0.568, 0.569, 0.570], "above interval"),
        ([0.608, 0.609, 0.610], "below interval"),
        ([0.589], None),
    ):
        sweep = {"names": ["Feat"], "directions": ways, "paper": PAPER, **alike}
        table = build({"Feat.audio": scores}, **sweep)
        assert table.rows[0].paper_verdict == verdict
    other = sweep | {"setting": as_published.replace(split="speakers apart")}
    for scores in ([0.588, 0.589, 0.590], []):
        (row,) = build({"Feat.audio": scores}, **other).rows
        assert row.paper_verdict == (
            "not comparable: split speakers apart instead of lists of 6,698 train and 744 test "
            "clips"
        )
        assert (row.paper, row.paper_marks) == (60.9, "‡")


AA = {"names": ["Feat", "Freq", "Align", "A/A"], "controls": {"A/A": "aa"}, "directions": ONE_WAY}


def test_aa_stands_outside_holms_family_and_has_no_verdict(build: Callable[..., Table]) -> None:
    six = [0.60, 0.62, 0.61, 0.59, 0.63, 0.60]
    scores = {
        "Feat.gyroscope": six,
        "Freq.gyroscope": [score + 0.03 for score in six],
        "Align.gyroscope": [0.61, 0.60, 0.63, 0.58, 0.64, 0.60],
        "A/A.gyroscope": [score + 0.001 for score in six],
    }
    rows = by_name(build(scores, seeds=range(6), **AA))
    # every one of six differences has the same sign: p = 2 / 2^6, times two for Holm, not three
    assert rows["Freq"].p_value == 2 / 2**6
    assert rows["Freq"].p_adjusted == 2 * 2 / 2**6
    repeated = rows["A/A"]
    assert (repeated.control, repeated.pairs) == ("aa", 6)
    assert repeated.delta == pytest.approx(0.1)
    assert repeated.delta_ci == pytest.approx((0.1, 0.1))
    assert (repeated.p_value, repeated.p_adjusted, repeated.verdict) == (None, None, None)
    assert (repeated.effect_size, repeated.detectable, repeated.p_better) == (None, None, None)
    del scores["A/A.gyroscope"]
    alone = build(scores, seeds=range(6), **AA | {"names": ["Feat", "Freq", "Align"]})
    assert by_name(alone)["Freq"].p_adjusted == rows["Freq"].p_adjusted


def test_the_noise_floor_is_half_the_interval_of_aa(build: Callable[..., Table]) -> None:
    noise = np.array([0.004, -0.006, 0.001, 0.003, -0.005])
    scores = {
        "Feat.gyroscope": BASE,
        "Freq.gyroscope": BETTER,
        "Align.gyroscope": [score + 0.002 for score in BASE],
        "A/A.gyroscope": list(np.array(BASE) + noise),
    }
    rows = by_name(build(scores, **AA))
    interval = stats.ttest_1samp(100 * noise, 0).confidence_interval()
    floor = (interval.high - interval.low) / 2
    assert [rows[name].noise_floor for name in ("Freq", "Align", "A/A")] == pytest.approx(
        [floor] * 3
    )
    assert 0.2 < floor < 3
    assert [rows[name].within_noise for name in rows] == [None, False, True, None]
    assert rows["Align"].verdict == "equivalent"  # the word stays what it is
    assert rows["Feat"].noise_floor is None


def test_where_nothing_is_perturbed_the_floor_is_zero(build: Callable[..., Table]) -> None:
    scores = {
        f"{name}.gyroscope": values
        for name, values in {"Feat": BASE, "Freq": BASE, "Align": BETTER, "A/A": BASE}.items()
    }
    rows = by_name(build(scores, **AA))
    assert (rows["A/A"].delta, rows["A/A"].noise_floor) == (0, 0)
    assert [rows[name].within_noise for name in ("Freq", "Align")] == [True, False]


@pytest.mark.parametrize("scores", [[], [0.6]])
def test_one_pair_gives_no_floor(build: Callable[..., Table], scores: list[float]) -> None:
    table = build({"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER, "A/A.gyroscope": scores}, **AA)
    assert {(row.noise_floor, row.within_noise) for row in table.rows} == {(None, None)}
    assert not any("Noise floor" in note for note in table.notes)


def test_each_direction_has_its_own_floor(build: Callable[..., Table]) -> None:
    noisy = [score + by for score, by in zip(BASE, (0.01, -0.01, 0.01, -0.01, 0), strict=True)]
    scores = {"Feat.gyroscope": BASE, "Freq.gyroscope": BETTER, "A/A.gyroscope": noisy}
    scores |= {"Feat.accelerometer": BASE, "Freq.accelerometer": BETTER}
    table = build(scores, names=["Feat", "Freq", "A/A"], controls={"A/A": "aa"})
    there, back = (
        [row.noise_floor is None for row in table.rows if row.student_modality == student]
        for student in ("gyroscope", "accelerometer")
    )
    assert (there, back) == ([True, False, False], [True] * 3)


def test_the_published_protocol_decides_nothing(
    build: Callable[..., Table], as_published: Setting
) -> None:
    scores = {
        f"{name}.audio": values
        for name, values in {"Feat": EIGHT, "Freq": shifted(1), "A/A": EIGHT}.items()
    }
    sweep = {
        **{"names": ["Feat", "Freq", "A/A"], "controls": {"A/A": "aa"}, "paper": PAPER},
        **{"directions": [("visual", "audio")], "dataset": "crema-d", "setting": as_published},
        **{"seeds": range(8), "epochs": 100, "protocol": "published", "features": "post-relu"},
    }
    table = build(scores, predictions=None, **sweep)
    assert table.protocol == "published"
    assert table.title == (
        "Components, crema-d (published protocol: epoch and head chosen on test, optimistic)"
    )
    freq = by_name(table)["Freq"]
    gained = 100 * np.subtract(shifted(1), EIGHT)
    assert freq.delta == pytest.approx(gained.mean())
    assert freq.delta_ci == pytest.approx(stats.ttest_1samp(gained, 0).confidence_interval())
    nothing = ("p_value", "p_adjusted", "verdict", "detectable", "effect_size", "p_better", "gap")
    for row in table.rows:
        assert [getattr(row, name) for name in nothing] == [None] * len(nothing)
        assert (row.noise_floor, row.within_noise) == (None, None)
    assert freq.paper_verdict in ("within interval", "above interval", "below interval")
    text = "\n".join(table.notes)
    assert "no validation split is held out" in text
    for word in ("Holm", "Verdict", "Exploratory", "power", "Noise floor", "on validation"):
        assert word not in text
    ours = build(scores, **sweep | {"protocol": "ours"})
    assert by_name(ours)["Freq"].verdict == "improves"
