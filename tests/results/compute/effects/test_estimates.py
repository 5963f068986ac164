"""Effects over seeds, against scipy on numbers computed here seed by seed."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fdsweep.results.compute.cells import chosen_seeds, collect
from fdsweep.results.compute.effects import Effect, Effects, effects_of
from fdsweep.results.compute.statistics import holm
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import Replicate

ONE_WAY = [("accelerometer", "gyroscope")]
Find = Callable[..., Effects]
Scores = dict[str, list[float | None]]


def noisy(names: Sequence[str], n: int, gains: Mapping[str, float]) -> Scores:
    generator = np.random.default_rng(0)
    base = generator.normal(0.6, 0.02, n)
    return {
        name: [
            float(x + sum(gains.get(one, 0.0) for one in name) + generator.normal(0, 0.005))
            for x in base
        ]
        for name in names
    }


@pytest.fixture
def effects(
    crossed: Callable[..., Manifest],
    outcomes: Callable[..., list[Replicate]],
    frame: Callable[[Sequence[Replicate]], pd.DataFrame],
) -> Find:
    """The effects in a sweep that has the scores given, in each direction, of each combination."""

    def find(
        scores: Scores,
        only: Sequence[int] | None = None,
        change: Callable[[Manifest], Manifest] = lambda made: made,
        **sweep: Any,
    ) -> Effects:
        made = change(crossed(list(scores), **sweep))
        students = dict.fromkeys(row.student_modality for row in made.rows)
        rows = frame(outcomes({f"{on}.{x}": scores[on] for on in scores for x in students}))
        found = effects_of(made, collect(made, rows, chosen_seeds(made, only)))
        assert found is not None
        return found

    return find


def named(found: Effects, kind: str) -> dict[str, Effect]:
    return {one.name: one for one in found.effects if one.kind == kind}


def test_a_cross_of_two_agrees_with_scipy(effects: Find) -> None:
    scores = noisy(["-", "a", "b", "ab"], 8, {"a": 0.03, "b": 0.01})
    found = effects(scores, directions=ONE_WAY, seeds=range(8))
    none, a, b, ab = (100 * np.array(values, dtype=float) for values in scores.values())
    by_hand = {
        "main effect": {"a": ((a - none) + (ab - b)) / 2, "b": ((b - none) + (ab - a)) / 2},
        "Shapley value": {"a": ((a - none) + (ab - b)) / 2, "b": ((b - none) + (ab - a)) / 2},
        "whole gain": {"all on − all off": ab - none},
        "interaction": {"a × b": ab - a - b + none},
    }
    assert list(dict.fromkeys(one.kind for one in found.effects)) == list(by_hand)
    for kind, expected in by_hand.items():
        family = named(found, kind)
        assert list(family) == list(expected)
        tests = [
            stats.permutation_test(
                (values,), np.mean, permutation_type="samples", n_resamples=np.inf
            )
            for values in expected.values()
        ]
        adjusted = holm([float(test.pvalue) for test in tests])
        for (name, values), test, p in zip(expected.items(), tests, adjusted, strict=True):
            one = family[name]
            interval = stats.ttest_1samp(values, 0).confidence_interval()
            np.testing.assert_allclose(one.values, values)
            assert one.estimate == pytest.approx(values.mean())
            assert one.ci == pytest.approx((interval.low, interval.high))
            assert one.seeds == tuple(range(8))
            if kind == "whole gain":
                assert one.p_value is one.p_adjusted is None
            else:
                assert one.p_value == pytest.approx(test.pvalue)
                assert one.p_adjusted == pytest.approx(p)
    shares = [one.share for one in named(found, "Shapley value").values()]
    assert shares == pytest.approx(
        [values.mean() / (ab - none).mean() for values in by_hand["Shapley value"].values()]
    )
    assert {one.share for one in found.effects if one.kind != "Shapley value"} == {None}


def test_shapley_values_add_up_to_the_gain_in_each_seed(effects: Find) -> None:
    names = ["-", *map("".join, itertools.chain.from_iterable(
        itertools.combinations("abcd", size) for size in range(1, 5)
    ))]  # fmt: skip
    found = effects(noisy(names, 5, {"a": 0.02}), switches="abcd")
    for direction in (ONE_WAY[0], ONE_WAY[0][::-1]):
        own = [one for one in found.effects if one.direction == direction]
        values = np.array([one.values for one in own if one.kind == "Shapley value"])
        (gain,) = (one.values for one in own if one.kind == "whole gain")
        assert values.shape == (4, 5)
        np.testing.assert_allclose(values.sum(axis=0), gain)
        assert len([one for one in own if one.kind == "interaction"]) == 6


def test_a_share_needs_a_gain_and_a_decision_needs_both_interval_and_p(effects: Find) -> None:
    jitter = np.array([1, -1, 2, -2, 3, -3, 1, -1]) / 500
    flat = {"-": jitter, "a": 0.03 + jitter / 2, "b": jitter / 3 - 0.03, "ab": -jitter}
    scores: Scores = {on: (0.6 + values).tolist() for on, values in flat.items()}
    setting = {"directions": ONE_WAY, "seeds": range(8)}
    found = effects(scores, **setting)
    assert {one.share for one in found.effects} == {None}
    decided = {(one.kind, one.name) for one in found.effects if one.is_decided}
    assert decided == {(kind, on) for kind in ("main effect", "Shapley value") for on in "ab"}
    few = effects(scores, range(5), **setting)  # p cannot fall below 2 / 2^5
    assert not any(one.is_decided for one in few.effects)
    assert [one.ci for one in effects(scores, [3], **setting).effects] == [None] * 6


def test_only_seeds_with_every_combination_count(effects: Find) -> None:
    scores = noisy(["-", "a", "b", "ab"], 5, {"a": 0.02})
    scores["b"][1] = None
    scores["ab"].pop()
    found = effects(scores, directions=ONE_WAY)
    assert {one.seeds for one in found.effects} == {(0, 2, 3)}
    assert "all 4 combinations are done" in found.notes[0]
    assert found.notes[0].endswith("over these seeds: 0, 2, 3.")


def test_without_such_a_seed_there_are_no_numbers(effects: Find) -> None:
    found = effects({"-": [0.5], "a": [0.6], "b": [0.6], "ab": []})
    assert found.effects == ()
    assert found.notes[0].endswith("over these seeds: none yet.")
    assert not any("p Holm" in note for note in found.notes)


def test_a_direction_of_its_own_seeds_says_so(effects: Find) -> None:
    def lose(made: Manifest) -> Manifest:
        lost = {"a.accelerometer": "lost"}
        return made.replace(rows=[row.replace(key=lost.get(row.key, row.key)) for row in made.rows])

    same: Scores = {on: [0.5, 0.6, 0.7] for on in ("-", "a", "b", "ab")}
    found = effects(same, seeds=range(3), change=lose)
    assert {one.direction for one in found.effects} == {ONE_WAY[0]}
    assert found.notes[0].endswith(
        "accelerometer -> gyroscope 0-2, gyroscope -> accelerometer none yet."
    )


def test_a_switch_without_what_it_needs(effects: Find) -> None:
    scores: Scores = {"-": [0.60, 0.61], "a": [0.62, 0.62], "ab": [0.65, 0.66]}
    found = effects(scores, directions=ONE_WAY)
    assert {name: one.values for name, one in named(found, "main effect").items()} == {
        "a": pytest.approx((2, 1)),
        "b": pytest.approx((3, 4)),
    }
    # v(b) = v(): a leads in half of the orders by 2, and by 5 in the others; b by 3 and by 0
    assert {name: one.values for name, one in named(found, "Shapley value").items()} == {
        "a": pytest.approx((3.5, 3)),
        "b": pytest.approx((1.5, 2)),
    }
    assert named(found, "interaction") == {}
    notes = " ".join(found.notes)
    assert "so 1 of the 4 combinations were not measured" in notes
    assert "nothing without the other: a × b." in notes
    assert "of a direction: 2 main effects, 2 Shapley values." in notes


def test_p_values_are_explained_as_far_as_they_go(effects: Find) -> None:
    scores = noisy(["-", "a", "b", "ab"], 7, {})
    *_, few = effects(scores, range(5), seeds=range(7)).notes
    assert few == (
        "Exploratory: with n = 5 seeds p cannot go below 0.062; Holm over the largest family needs "
        "at least 7 seeds."
    )
    *_, enough = effects(scores, seeds=range(7)).notes
    assert enough == (
        "p Holm: two-sided sign-flip test, Holm-adjusted within each family of a direction: "
        "2 main effects, 2 Shapley values, 1 interaction."
    )


def test_nothing_is_tested_where_test_chooses_the_epoch(effects: Find) -> None:
    scores = noisy(["-", "a", "b", "ab"], 8, {"a": 0.03, "b": 0.01})
    found = effects(scores, seeds=range(8), protocol="published")
    assert "optimistic" in found.title
    assert {one.p_value for one in found.effects} == {one.p_adjusted for one in found.effects}
    assert {one.p_adjusted for one in found.effects} == {None}
    assert all(one.ci for one in found.effects)
    assert not any(one.is_decided for one in found.effects)
    assert found.notes[-1].endswith("nothing enters a verdict.")


def test_rows_that_do_not_belong_to_the_cross_change_nothing(effects: Find) -> None:
    def surround(made: Manifest) -> Manifest:
        plain = made.rows[0]
        control = plain.replace(row="A/A", control="aa", key="b.gyroscope")
        others = [
            plain.replace(row="none", method="none", options={}, key="b.gyroscope"),
            plain.replace(row="same names", method="kd", key="b.gyroscope"),
        ]
        return made.replace(rows=[*others, *made.rows, control])

    scores = noisy(["-", "a", "b", "ab"], 5, {"a": 0.03})
    alone = effects(scores, directions=ONE_WAY)
    assert effects(scores, directions=ONE_WAY, change=surround) == alone


def test_a_sweep_that_crosses_nothing_has_no_effects(
    manifest: Callable[..., Manifest], frame: Callable[[Sequence[Replicate]], pd.DataFrame]
) -> None:
    made = manifest()
    assert effects_of(made, collect(made, frame([]), made.seeds)) is None
