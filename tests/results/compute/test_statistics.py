import math

import numpy as np
import pytest
from numpy.typing import ArrayLike
from scipy import stats

from fdsweep.results.compute.statistics import (
    detectable_effect,
    effect_size,
    equivalent,
    holm,
    mean_interval,
    mean_share,
    paired_bootstrap,
    paired_difference,
    seeds_needed,
    share_better,
    sign_flip_ps,
    smallest_p,
)


def sign_flip_p(differences: ArrayLike, generator: np.random.Generator | None = None) -> float:
    """The p of one line of differences."""
    return float(sign_flip_ps([differences], generator)[0])


@pytest.mark.parametrize("n", [2, 5, 8, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_mean_interval_is_students(n: int, level: float) -> None:
    x = np.random.default_rng(n).normal(60, 2, n)
    expected = stats.ttest_1samp(x, 0).confidence_interval(level)
    assert mean_interval(x, level) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_the_paired_difference_agrees_with_scipy(n: int) -> None:
    generator = np.random.default_rng(n)
    x = generator.normal(60, 2, n)
    y = x - 1 + generator.normal(0, 1, n)
    ours, expected = paired_difference(x, y), stats.ttest_rel(x, y).confidence_interval()

    assert ours.n == n
    assert ours.delta == pytest.approx(np.mean(x - y))
    assert (ours.ci_low, ours.ci_high) == pytest.approx((expected.low, expected.high))
    assert ours.std_diff == pytest.approx(np.std(x - y, ddof=1))
    assert ours.rho == (None if n == 2 else pytest.approx(stats.pearsonr(x, y).statistic))


def test_a_case_by_hand() -> None:
    # differences 1, 2, 3: mean 2, SD 1, t(2, .975) = 4.3027, half-width 4.3027 / sqrt(3) = 2.4842;
    # of the 8 sums of flips (6, 4, 2, 0, 0, -2, -4, -6) two reach 6: p = 1/4
    ours = paired_difference([61.0, 64.0, 62.0], [60.0, 62.0, 59.0])
    assert (ours.n, ours.delta, ours.std_diff) == (3, 2.0, 1.0)
    assert (ours.ci_low, ours.ci_high) == pytest.approx((-0.4842, 4.4842), abs=1e-4)
    assert ours.rho == pytest.approx(11 / 14)
    assert sign_flip_p([1.0, 2.0, 3.0]) == 0.25


def test_one_pair_and_pairs_that_do_not_vary_give_no_nan() -> None:
    one = paired_difference([61.0], [60.0])
    assert (one.n, one.delta, one.ci_low, one.ci_high, one.std_diff, one.rho) == (
        *(1, 1.0),
        *(None, None, None, None),
    )
    assert mean_interval([61.0]) is None
    assert mean_interval([]) is None
    same = paired_difference([60.0] * 3, [60.0, 61.0, 62.0])
    assert same.rho is None
    assert paired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).ci_low == 0.0


@pytest.mark.parametrize(
    ("values", "baseline"),
    [
        ([1.0, 2.0], [1.0]),
        ([], []),
        ([1.0, math.nan], [1.0, 2.0]),
        ([1.0], [math.inf]),
        ([[1.0]], [[1.0]]),
    ],
)
def test_what_cannot_be_paired_is_refused(values: list[float], baseline: list[float]) -> None:
    with pytest.raises(ValueError, match=r"cannot be paired|finite"):
        paired_difference(values, baseline)


@pytest.mark.parametrize("n", [2, 5, 8, 11])
@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_the_sign_flip_test_agrees_with_scipy(n: int, shift: float) -> None:
    d = np.random.default_rng(n).normal(shift, 1, n)
    expected = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip_p(d) == pytest.approx(expected.pvalue)


def test_ties_of_the_sign_flip_test_are_counted_in_spite_of_rounding() -> None:
    # 0.1 + 0.2 - 0.3 is not 0 in floats; with integers the same flips tie exactly
    assert sign_flip_p([0.1, 0.2, 0.3, -0.3]) == sign_flip_p([1, 2, 3, -3])
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0


@pytest.mark.parametrize("n", [1, 3, 6, 16])
def test_the_floor_of_the_sign_flip_test(n: int) -> None:
    assert sign_flip_p(np.arange(1.0, n + 1)) == smallest_p(n) == 2 / 2**n


def test_many_seeds_are_flipped_at_random() -> None:
    d = np.random.default_rng(3).normal(0.35, 1, 20)
    expected = stats.permutation_test(
        (d,), np.sum, permutation_type="samples", n_resamples=100_000, rng=np.random.default_rng(5)
    )
    drawn = sign_flip_p(d, np.random.default_rng(0))
    assert drawn == pytest.approx(expected.pvalue, abs=0.01)
    assert 0.02 < drawn < 0.5
    assert drawn == sign_flip_p(d, np.random.default_rng(0))
    assert sign_flip_p(np.ones(40), np.random.default_rng(0)) == 1 / 100_001


def test_the_sign_flip_test_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="no difference"):
        sign_flip_p([])
    with pytest.raises(ValueError, match="17 differences need a generator"):
        sign_flip_p(np.ones(17))


def test_the_sign_flip_test_holds_its_level() -> None:
    draws = np.random.default_rng(0).normal(size=(1000, 8))
    rejected = np.mean([sign_flip_p(d) <= 0.05 for d in draws])
    assert 0.03 < rejected < 0.065


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1 = .04 .06 .06 .04, and never falling
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("n", "power"), [(2, 0.8), (3, 0.8), (5, 0.8), (8, 0.8), (20, 0.9)])
def test_the_detectable_effect_is_found_as_often_as_it_says(n: int, power: float) -> None:
    effect = detectable_effect(n, power)
    draws = np.random.default_rng(n).normal(effect, 1, (40_000, n))
    found = stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(power, abs=0.01)


def test_fewer_seeds_detect_less() -> None:
    effects = [detectable_effect(n) for n in range(1, 12)]
    assert effects[0] == math.inf
    assert effects == sorted(effects, reverse=True)
    assert detectable_effect(8, alpha=0.01) > detectable_effect(8)


@pytest.mark.parametrize(
    ("family", "seeds"), [(1, 6), (3, 7), (5, 8), (6, 8), (8, 9), (10, 9), (15, 10), (20, 10)]
)
def test_the_seeds_that_a_family_needs(family: int, seeds: int) -> None:
    assert seeds_needed(family) == seeds
    assert smallest_p(seeds) <= 0.05 / family < smallest_p(seeds - 1)


def test_an_empty_family_is_refused() -> None:
    with pytest.raises(ValueError, match="family of 0"):
        seeds_needed(0)


def test_the_effect_size_and_share_by_hand() -> None:
    # differences 1, 2, 3, 0, -1: mean 1, SD sqrt(10 / 4); three above, one tie
    values, baseline = [61.0, 64.0, 62.0, 60.0, 58.0], [60.0, 62.0, 59.0, 60.0, 59.0]
    assert effect_size(paired_difference(values, baseline)) == pytest.approx(1 / math.sqrt(2.5))
    assert share_better(np.subtract(values, baseline)) == 0.7
    assert effect_size(paired_difference([1.0], [0.0])) is None
    assert effect_size(paired_difference([1.0, 2.0], [0.0, 1.0])) is None
    with pytest.raises(ValueError, match="no difference"):
        share_better([])


@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_equivalence_agrees_with_two_one_sided_tests_of_scipy(alpha: float) -> None:
    told = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        d = generator.normal(generator.uniform(-1.5, 1.5), 0.6, 8)
        above = stats.ttest_1samp(d, -1, alternative="greater").pvalue
        below = stats.ttest_1samp(d, 1, alternative="less").pvalue
        assert equivalent(d, 1.0, alpha) == (max(above, below) < alpha)
        told.append(equivalent(d, 1.0, alpha))
    assert 10 < sum(told) < 50
    assert not equivalent([0.0], 1.0)


def test_lines_are_flipped_as_one_by_one() -> None:
    for n in (1, 4, 8, 16, 18):
        d = np.random.default_rng(n).normal(0.4, 1, (90, n))
        one_by_one = [sign_flip_p(line, np.random.default_rng(2)) for line in d[::30]]
        together = sign_flip_ps(d, np.random.default_rng(2))
        assert together[::30].tolist() == one_by_one
        assert together.shape == (90,)


def test_the_bootstrap_resamples_people_and_not_samples() -> None:
    # half the people gain everything: the SE over 40 people is sqrt(.25 / 40) however many samples
    samples = np.full((1, 40, 1), 1000)
    hits = np.where(np.arange(40) % 2, 1000, 0)[None, :, None]
    ends = paired_bootstrap(samples, hits, samples, 0 * hits, np.random.default_rng(0))
    half = 1.96 * math.sqrt(0.25 / 40)
    assert ends[0] == pytest.approx([0.5 - half, 0.5 + half], abs=0.02)
    narrow = paired_bootstrap(samples, hits, samples, 0 * hits, np.random.default_rng(0), 0.5)
    assert ends[0, 0] < narrow[0, 0] < narrow[0, 1] < ends[0, 1]


def test_a_row_and_its_baseline_are_drawn_together() -> None:
    samples = np.full((2, 12, 1), 10)
    hits = np.stack([np.arange(12) % 10, np.arange(12) % 7])[..., None]
    ends = paired_bootstrap(samples, hits + 1, samples, hits, np.random.default_rng(0))
    assert ends == pytest.approx(np.full((2, 2), 0.1))


def test_a_person_with_more_samples_weighs_more() -> None:
    samples = np.array([[90, *[1] * 9]])[..., None]
    hits = np.array([[90, *[0] * 9]])[..., None]
    low, high = paired_bootstrap(samples, hits, samples, 0 * hits, np.random.default_rng(0))[0]
    # no one or three takes of the large one: 0, and 270 / 277
    assert (low, high) == pytest.approx((0.0, 270 / 277))


def test_a_score_of_several_parts_is_their_mean_and_an_absent_part_does_not_count() -> None:
    assert mean_share([[1, 3, 0], [2, 9, 0]], [[2, 4, 0], [2, 0, 9]]) == pytest.approx([0.625, 0.5])
    assert mean_share([7], [9]) == 7 / 9
    # ten people show part 0 alone, half right; two show part 1 alone, always right
    samples = np.zeros((1, 12, 2))
    samples[0, :10, 0], samples[0, 10:, 1] = 100, 1
    hits = samples * [0.5, 1.0]
    ends = paired_bootstrap(samples, hits, samples, 0 * hits, np.random.default_rng(0))
    # neither of the two is drawn in one draw of nine: (10 / 12) ** 12 = 11 %
    assert ends[0].tolist() == [0.5, 0.75]


def test_many_rows_and_people_are_drawn_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    samples = np.full((3, 15, 2), 20)
    hits, theirs = generator.integers(0, 21, (2, 3, 15, 2))
    whole = paired_bootstrap(samples, hits, samples, theirs, np.random.default_rng(1))
    monkeypatch.setattr("fdsweep.results.compute.statistics.AT_ONCE", 1000)
    parts = paired_bootstrap(samples, hits, samples, theirs, np.random.default_rng(1))
    assert parts.tolist() == whole.tolist()


def test_too_few_people_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ValueError, match="10 people or more"):
        paired_bootstrap(*[np.ones((1, 9, 1))] * 4, generator)
    with pytest.raises(ValueError, match="the same"):
        paired_bootstrap(*[np.ones((1, 12, 1))] * 3, np.ones((1, 11, 1)), generator)
    with pytest.raises(ValueError, match="without a test sample"):
        paired_bootstrap(np.eye(12)[:1, :, None], *[np.ones((1, 12, 1))] * 3, generator)
