"""Effects of switches as contrasts: weights of the combinations that were measured.

A combination is the set of the switches that are on, and v its value, the score of one seed. Those
measured hold the empty one, and with any two also what both have on together. A combination that
was not measured is one in which a switch does nothing, because it needs another that is off. So it
is worth what its largest measured part is worth (Gilles, Owen and van den Brink 1992, games with
permission structures, the conjunctive approach).
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Combination: TypeAlias = frozenset[str]
Contrast: TypeAlias = Mapping[Combination, Fraction]
"""What each measured combination counts; an effect is the sum of weight times value."""

Vector = NDArray[np.float64]
NOTHING: Combination = frozenset()


def main_effect(measured: Set[Combination], switch: str) -> Contrast:
    """The mean of v(S + i) - v(S) over the S without i = `switch` of which both were measured.

    Empty where there is no such S.
    """
    return _mean(measured, {frozenset({switch}): 1, NOTHING: -1})


def interaction(measured: Set[Combination], one: str, other: str) -> Contrast:
    """The mean of v(S + i + j) - v(S + i) - v(S + j) + v(S) over the S of which all four were.

    So much more i = `one` adds where j = `other` is on, and j where i is. Empty where there is no
    such S: one of the two needs the other.
    """
    both = frozenset({one, other})
    return _mean(measured, {both: 1, frozenset({one}): -1, frozenset({other}): -1, NOTHING: 1})


def shapley_value(measured: Set[Combination], switches: Sequence[str], switch: str) -> Contrast:
    """The mean of v(S + i) - v(S) over all orders in which `switches` can be turned on.

    S are those that are on before i = `switch`: a set of s comes first in s! (k - s - 1)! of the k!
    orders. The values of all k switches add up to `whole_gain`.
    """
    weights: defaultdict[Combination, Fraction] = defaultdict(Fraction)
    others = [name for name in switches if name != switch]
    for size in range(len(switches)):
        share = Fraction(1, len(switches) * math.comb(len(others), size))
        for before in itertools.combinations(others, size):
            weights[_completed(measured, frozenset({*before, switch}))] += share
            weights[_completed(measured, frozenset(before))] -= share
    return {one: weight for one, weight in weights.items() if weight}


def whole_gain(measured: Set[Combination]) -> Contrast:
    """All on minus all off."""
    return {NOTHING.union(*measured): Fraction(1), NOTHING: Fraction(-1)}


def apply(contrast: Contrast, scores: Mapping[Combination, Vector]) -> Vector:
    """The effect for each seed [n], from the `scores` [n] of every measured combination.

    Its last bit depends on the order of `scores`, and on nothing else.
    """
    terms = [float(contrast[one]) * scores[one] for one in scores if one in contrast]
    total: Vector = np.sum(terms, axis=0)
    return total


def _mean(measured: Set[Combination], signs: Mapping[Combination, int]) -> Contrast:
    """The mean of the sum of sign times v(S + what is turned on), where all of these are measured.

    S has none of what is turned on anywhere in `signs`, so that no combination comes up twice.
    """
    turned = NOTHING.union(*signs)
    bases = [
        base
        for base in measured
        if base.isdisjoint(turned) and all(base | more in measured for more in signs)
    ]
    return {
        base | more: Fraction(sign, len(bases)) for base in bases for more, sign in signs.items()
    }


def _completed(measured: Set[Combination], combination: Combination) -> Combination:
    """The largest measured part of `combination`."""
    return NOTHING.union(*(one for one in measured if one <= combination))
