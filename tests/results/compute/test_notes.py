from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import pandas as pd
import pytest

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.compute.tables import Table
from fdsweep.search_spaces.configs import Pairing

ONE_WAY = [("accelerometer", "gyroscope")]
EIGHT = [0.60, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66, 0.67]


@pytest.fixture
def text(build: Callable[..., Table]) -> Callable[..., str]:
    def make(
        scores: Mapping[str, Sequence[float | None]],
        teachers: Mapping[str, Sequence[float]] | None = None,
        names: Sequence[str] = ("Feat", "Freq"),
        ways: Sequence[tuple[str, str]] = ONE_WAY,
        **more: Any,
    ) -> str:
        table = build(scores, teachers=teachers, names=names, directions=ways, **more)
        return "\n".join(table.notes)

    return make


def scores(count: int, *names: str) -> dict[str, list[float]]:
    return {f"{name}.gyroscope": EIGHT[:count] for name in names}


def test_five_seeds_are_exploratory_and_it_is_said_why(text: Callable[..., str]) -> None:
    said = text(scores(5, "Feat", "Freq"))
    assert "Exploratory: with n = 5 paired seeds" in said
    assert "below p = 0.062;" in said
    assert "Holm over the comparisons of a direction (1) needs at least 6 seeds, and 8 are" in said
    assert "finds a true difference of 1.7 SD" in said
    assert "seeds 0-4, 30 epochs" in said


def test_eight_seeds_are_not(text: Callable[..., str]) -> None:
    said = text(scores(8, "Feat", "Freq"), seeds=range(8))
    assert "Exploratory" not in said
    assert (
        "p Holm: two-sided sign-flip test, Holm-adjusted over the comparisons of a direction (1)."
        in said
    )


def test_eight_seeds_are_for_a_family_that_needs_nine(text: Callable[..., str]) -> None:
    names = [f"row {index}" for index in range(9)]
    said = text(scores(8, *names), names=names, seeds=range(8))
    assert "Holm over the comparisons of a direction (8) needs at least 9 seeds, and 9 are" in said


def test_the_row_with_fewest_pairs_decides(text: Callable[..., str]) -> None:
    few = {**scores(8, "Feat"), "Freq.gyroscope": [None, *EIGHT[1:]]}
    assert "Exploratory: with n = 7 paired" in text(few, seeds=range(8))


def test_a_row_without_data_hides_no_warning(text: Callable[..., str]) -> None:
    said = text(scores(5, "Feat", "Freq"), names=["Feat", "Freq", "Align"])
    assert "Exploratory: with n = 5 paired" in said


def test_a_family_is_one_direction(text: Callable[..., str]) -> None:
    both = [("accelerometer", "gyroscope"), ("gyroscope", "accelerometer")]
    said = text(scores(5, "Feat", "Freq"), ways=both)
    assert "Holm over the comparisons of a direction (1) needs at least 6 seeds" in said


def test_without_a_comparison_nothing_is_said_about_it(text: Callable[..., str]) -> None:
    for said in (text({}), text(scores(5, "Feat"), names=["Feat"])):
        assert "Exploratory" not in said
        assert "Holm" not in said
        assert "80 % power" not in said


def test_what_is_to_be_known_of_the_data_is_told(text: Callable[..., str]) -> None:
    note = "Splits train and test share 91 groups (speakers or videos)."
    assert note in text({}, data_notes=(note,)).splitlines()


@pytest.mark.parametrize("pairing", get_args(Pairing))
def test_one_pairing_of_all_rows_is_told_in_a_sentence(
    text: Callable[..., str], pairing: str
) -> None:
    assert f"Teacher samples: {pairing}" in text({}, pairings={"Freq": pairing})
    mixed = text({}, pairings={"Feat": "paired" if pairing != "paired" else "", "Freq": pairing})
    assert ("Teacher samples" in mixed) == (pairing == "paired")
    assert "Teacher samples" not in text({})


def test_the_protocol_is_told(text: Callable[..., str]) -> None:
    said = text({})
    assert "chosen on validation and test is read once" in said
    assert "paper:" not in said


def test_the_papers_protocol_and_doubts_are_told_beside_its_numbers(
    text: Callable[..., str],
) -> None:
    paper = {"Feat": {"row": 1}, "Freq": {"row": 2}, "Align": {"row": 3}}
    said = text({}, names=list(paper), ways=[("audio", "visual")], dataset="ave", paper=paper)
    assert "reports its best test epoch and head, so compare it with test-sel." in said
    assert said.count("† order read from the table's flattened text.") == 1


def test_seeds_added_after_a_look_are_told(text: Callable[..., str]) -> None:
    history = ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5, 6, 7), (100, 101))
    said = text({}, seeds=(*range(8), 100, 101), seed_history=history)
    assert "Seeds were extended after a look: 5 -> 8 -> 10." in said
    assert "extended" not in text({})


def test_what_failed_or_is_missing_is_named(text: Callable[..., str]) -> None:
    gaps = {"Feat.gyroscope": [0.6, None, None, None, 0.7], "Freq.gyroscope": [None, 0.6, 0.7]}
    said = text(gaps, names=["Feat", "Freq", "Align"])
    assert "Feat (accelerometer -> gyroscope): seeds 1-3 failed." in said
    assert "Freq (accelerometer -> gyroscope): seeds 0 failed; 3, 4 missing." in said
    assert "Align (accelerometer -> gyroscope): no data yet." in said


def test_a_row_whose_seeds_all_failed_is_not_without_data(text: Callable[..., str]) -> None:
    said = text({"Feat.gyroscope": [None] * 5})
    assert "Feat (accelerometer -> gyroscope): seeds 0-4 failed" in said


def test_where_the_numbers_come_from(text: Callable[..., str]) -> None:
    said = text(scores(2, "Feat"), {"accelerometer": [0.8, 0.82], "gyroscope": [0.7], "x": []})
    assert "Teachers on test: accelerometer 81.0 ± 1.4 (n = 2), gyroscope 70.0 (n = 1)." in said
    assert said.endswith("Data dd, fdsweep 0.1.0.")
    assert "Teachers" not in text({})
    assert text({}).endswith("Data dd.")


@pytest.mark.parametrize(
    ("seeds", "spelt"),
    [((0, 1, 2), "0-2"), ((0, 1), "0, 1"), ((4,), "4"), ((0, 3, 7), "0, 3, 7"), ((5, 6, 7), "5-7")],
)
def test_seeds_are_spelt_for_people(seeds: tuple[int, ...], spelt: str) -> None:
    assert spell_seeds(seeds) == spelt


def test_the_rule_behind_the_verdicts_is_told(text: Callable[..., str]) -> None:
    said = text(scores(8, "Feat", "Freq"), seeds=range(8))
    assert "Verdict: improves or worse where the 95 % interval leaves out 0 and p Holm is" in said
    assert "within ±1 points (two one-sided tests at 5 %); else inconclusive." in said
    assert "Verdict" not in text(scores(1, "Feat", "Freq"))


def test_the_cost_is_told_once_for_each_replicate(text: Callable[..., str]) -> None:
    said = text(scores(4, "Feat", "Freq"))
    assert (
        "Cost: 12 s of wall time for 8 done replicates on cpu, 1.5 s each; 0.00333 device hours."
        in said
    )
    assert "for 4 done replicates" in text(scores(4, "Feat"), names=["Feat", "Feat"])
    assert "Cost" not in text({})


def people(number: int) -> pd.DataFrame:
    names = ["Feat.gyroscope", "Freq.gyroscope"]
    return pd.DataFrame(
        [
            (key, seed, "s", f"p{p}", 1, 1)
            for key in names
            for seed in (0, 1)
            for p in range(number)
        ],
        columns=["key", "seed", "sample_id", "group", "label", "prediction"],
    )


def test_new_seeds_and_new_people_are_told_apart(text: Callable[..., str]) -> None:
    said = text(scores(2, "Feat", "Freq"), predictions=people(12))
    assert "New seeds? The interval of Δ. New people?" in said
    assert "paired bootstrap over 12 subjects, speakers or videos (2,000 draws)" in said
    assert "New" not in text(scores(2, "Feat", "Freq"))
    assert "New" not in text(scores(2, "Feat"), predictions=people(12))


def test_too_few_people_are_told(text: Callable[..., str]) -> None:
    said = text(scores(2, "Feat", "Freq"), predictions=people(9))
    assert "New people? 9 subjects, speakers or videos were tested; an interval" in said
    assert "needs at least 10" in said
    assert "New seeds" not in said


def test_the_worst_case_of_failed_seeds_is_told(text: Callable[..., str]) -> None:
    gaps = {"Feat.gyroscope": [0.6, 0.6], "Freq.gyroscope": [0.7, None]}
    said = text(gaps, predictions=people(12))
    assert "each at chance level (50.0 %), Δ is: Freq (accelerometer -> gyroscope) +0.0." in said
    assert "worst case" not in text(gaps)
    assert "worst case" not in text(scores(2, "Feat", "Freq"), predictions=people(12))
