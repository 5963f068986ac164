"""Effects against sums written out by hand, and against a game played order by order."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

import numpy as np
import pytest

from fdsweep.results.compute.effects import contrasts
from fdsweep.results.compute.effects.contrasts import (
    Combination,
    Contrast,
    interaction,
    main_effect,
    shapley_value,
    whole_gain,
)

Game = dict[Combination, Fraction]


def game(values: Mapping[str, float]) -> Game:
    return {frozenset(on): Fraction(value) for on, value in values.items()}


def value(contrast: Contrast, of: Game) -> Fraction:
    return sum((weight * of[one] for one, weight in contrast.items()), Fraction(0))


CUBE = game({"": 60, "a": 64, "b": 61, "c": 58, "ab": 67, "ac": 65, "bc": 60, "abc": 70})


def test_main_effects_of_a_cube_by_hand() -> None:
    expected = {
        "a": Fraction((64 - 60) + (67 - 61) + (65 - 58) + (70 - 60), 4),
        "b": Fraction((61 - 60) + (67 - 64) + (60 - 58) + (70 - 65), 4),
        "c": Fraction((58 - 60) + (65 - 64) + (60 - 61) + (70 - 67), 4),
    }
    assert expected == {"a": Fraction(27, 4), "b": Fraction(11, 4), "c": Fraction(1, 4)}
    assert {one: value(main_effect(CUBE.keys(), one), CUBE) for one in "abc"} == expected


def test_interactions_of_a_cube_by_hand() -> None:
    expected = {
        "ab": Fraction((67 - 64 - 61 + 60) + (70 - 65 - 60 + 58), 2),
        "ac": Fraction((65 - 64 - 58 + 60) + (70 - 67 - 60 + 61), 2),
        "bc": Fraction((60 - 61 - 58 + 60) + (70 - 67 - 65 + 64), 2),
    }
    assert expected == {"ab": Fraction(5, 2), "ac": Fraction(7, 2), "bc": Fraction(3, 2)}
    for pair, by_hand in expected.items():
        for one, other in (pair, pair[::-1]):
            assert value(interaction(CUBE.keys(), one, other), CUBE) == by_hand


def test_shapley_values_of_a_cube_by_hand() -> None:
    third, sixth = Fraction(1, 3), Fraction(1, 6)
    expected = {
        "a": third * (64 - 60) + sixth * (67 - 61) + sixth * (65 - 58) + third * (70 - 60),
        "b": third * (61 - 60) + sixth * (67 - 64) + sixth * (60 - 58) + third * (70 - 65),
        "c": third * (58 - 60) + sixth * (65 - 64) + sixth * (60 - 61) + third * (70 - 67),
    }
    assert expected == {"a": Fraction(41, 6), "b": Fraction(17, 6), "c": Fraction(1, 3)}
    found = {one: value(shapley_value(CUBE.keys(), "abc", one), CUBE) for one in "abc"}
    assert found == expected
    assert sum(found.values()) == 70 - 60 == value(whole_gain(CUBE.keys()), CUBE)


NEEDING = game({"": 60, "a": 61, "ab": 65, "c": 62, "ac": 64, "abc": 70})
"""b does nothing without a: neither b nor bc was measured."""


def test_a_switch_that_needs_another_by_hand() -> None:
    measured = NEEDING.keys()
    assert value(main_effect(measured, "a"), NEEDING) == Fraction((61 - 60) + (64 - 62), 2)
    assert value(main_effect(measured, "b"), NEEDING) == Fraction((65 - 61) + (70 - 64), 2)
    assert value(main_effect(measured, "c"), NEEDING) == Fraction(
        (62 - 60) + (64 - 61) + (70 - 65), 3
    )
    assert interaction(measured, "a", "b") == interaction(measured, "b", "a") == {}
    assert value(interaction(measured, "a", "c"), NEEDING) == 64 - 61 - 62 + 60
    assert value(interaction(measured, "b", "c"), NEEDING) == 70 - 64 - 65 + 61
    third, sixth = Fraction(1, 3), Fraction(1, 6)
    # v(b) = v() = 60 and v(bc) = v(c) = 62
    assert [value(shapley_value(measured, "abc", one), NEEDING) for one in "abc"] == [
        third * (61 - 60) + sixth * (65 - 60) + sixth * (64 - 62) + third * (70 - 62),
        third * (60 - 60) + sixth * (65 - 61) + sixth * (62 - 62) + third * (70 - 64),
        third * (62 - 60) + sixth * (64 - 61) + sixth * (62 - 60) + third * (70 - 65),
    ]


def closed(switches: str, needs: Mapping[str, str]) -> list[Combination]:
    """All combinations in which no switch lacks what it needs."""
    return [
        frozenset(on)
        for size in range(len(switches) + 1)
        for on in itertools.combinations(switches, size)
        if all(needs.get(one, one) in on for one in on)
    ]


def stepwise(of: Game, order: Iterable[str]) -> Counter[str]:
    """What each switch adds when it is turned on in this order."""

    def worth(on: Combination) -> Fraction:
        return of[max((one for one in of if one <= on), key=len)]

    gained: Counter[str] = Counter()
    before: Combination = frozenset()
    for switch in order:
        gained[switch] = worth(before | {switch}) - worth(before)  # type: ignore[assignment]
        before |= {switch}
    return gained


@pytest.fixture(params=[{}, {"b": "a"}, {"d": "a", "e": "a"}, {"b": "a", "c": "b"}])
def random_games(request: pytest.FixtureRequest) -> Callable[[str], list[Game]]:
    def make(switches: str) -> list[Game]:
        generator = np.random.default_rng(0)
        measured = closed(switches, request.param)
        return [
            {one: Fraction(int(x), 7) for one, x in zip(measured, numbers, strict=True)}
            for numbers in generator.integers(-500, 500, (5, len(measured)))
        ]

    return make


def test_shapley_values_are_means_over_orders_and_add_up(
    random_games: Callable[[str], list[Game]],
) -> None:
    for one in random_games("abcde"):
        measured = one.keys()
        found = {i: value(shapley_value(measured, "abcde", i), one) for i in "abcde"}
        sums: Counter[str] = Counter()
        for order in itertools.permutations("abcde"):
            sums.update(stepwise(one, order))
        assert found == {i: Fraction(sums[i]) / math.factorial(5) for i in "abcde"}
        assert sum(found.values()) == one[frozenset("abcde")] - one[frozenset()]


def test_shapley_weights_add_up_to_all_on_minus_all_off() -> None:
    measured = dict.fromkeys(closed("abcde", {"d": "a", "e": "a"})).keys()
    assert len(measured) == 20
    total: dict[Combination, Fraction] = dict.fromkeys(measured, Fraction(0))
    for switch in "abcde":
        for one, weight in shapley_value(measured, "abcde", switch).items():
            total[one] += weight
    assert {one: x for one, x in total.items() if x} == whole_gain(measured)


def test_effects_that_only_add_up_are_found_without_interaction() -> None:
    gains = {"a": Fraction(5), "b": Fraction(-2), "c": Fraction(1, 3), "d": Fraction(0)}
    additive = {
        one: sum((gains[i] for i in one), Fraction(60)) for one in closed("abcd", {"d": "c"})
    }
    measured = additive.keys()
    for i in "abcd":
        assert value(main_effect(measured, i), additive) == gains[i]
    pairs = set(itertools.combinations("abcd", 2)) - {("c", "d")}
    assert {value(interaction(measured, *pair), additive) for pair in pairs} == {0}
    # d adds nothing here, so its need costs c nothing
    assert [value(shapley_value(measured, "abcd", i), additive) for i in "abcd"] == [
        *gains.values()
    ]


def test_seeds_are_weighed_alike() -> None:
    generator = np.random.default_rng(0)
    scores = {one: generator.uniform(40, 60, 6) for one in CUBE}
    contrast = shapley_value(CUBE.keys(), "abc", "b")
    found = contrasts.apply(contrast, scores)
    assert found.shape == (6,)
    for seed in range(6):
        alone = {one: Fraction(values[seed]) for one, values in scores.items()}
        assert found[seed] == pytest.approx(float(value(contrast, alone)), abs=1e-12)
