import numpy as np
import pytest
from scipy import stats

from fdsweep.results.compute.pooled.resampling import (
    drawn_interval,
    fixed_interval,
    level_weights,
    mean_of_means,
    means,
    middle_means,
    weights,
)
from fdsweep.results.compute.statistics import mean_interval

RNG = np.random.default_rng(0)
GROUPS = [RNG.normal(center, 1, size) for center, size in ((0, 5), (2, 8), (1, 3))]


def test_a_fixed_interval_is_that_of_student_and_of_welch() -> None:
    assert fixed_interval(GROUPS[:1]) == pytest.approx(mean_interval(GROUPS[0]))
    welch = stats.ttest_ind(GROUPS[0], -GROUPS[1], equal_var=False).confidence_interval()
    assert fixed_interval(GROUPS[:2]) == pytest.approx((welch.low / 2, welch.high / 2))
    assert fixed_interval([[1.0, 1.0], [3.0, 3.0]]) == (2, 2)
    assert fixed_interval([[1.0, 2.0], [3.0]]) is None
    with pytest.raises(ValueError, match="needs a number"):
        mean_of_means([[1.0], []])


def test_undrawn_every_data_set_weighs_the_same() -> None:
    values = np.concatenate(GROUPS)
    plain = np.mean([group.mean() for group in GROUPS])
    assert means(values, level_weights([5, 8, 3]))[0] == pytest.approx(plain)
    assert mean_of_means(GROUPS) == pytest.approx(plain)


def test_two_levels_are_drawn_as_a_plain_loop_draws_them() -> None:
    generator = np.random.default_rng(1)
    plain = []
    for _ in range(1000):
        taken = [GROUPS[place] for place in generator.integers(3, size=3)]
        plain.append(np.mean([generator.choice(group, len(group)).mean() for group in taken]))
    drawn = weights([5, 8, 3], np.random.default_rng(2))
    assert drawn.sum(axis=1) == pytest.approx(1)
    estimates = means(np.concatenate(GROUPS), drawn)
    assert np.quantile(estimates, [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile(plain, [0.1, 0.5, 0.9]), abs=0.12
    )
    assert estimates.std() == pytest.approx(np.std(plain), rel=0.08)


def test_the_interquartile_mean_is_the_trimmed_one_of_repeated_runs() -> None:
    values = RNG.normal(size=10)
    counts = RNG.multinomial(16, np.full(10, 0.1), size=20)
    plain = [stats.trim_mean(np.repeat(values, times), 0.25) for times in counts]
    assert middle_means(values, counts / 16) == pytest.approx(plain)
    assert middle_means(values[:8], level_weights([8]))[0] == pytest.approx(
        np.sort(values[:8])[2:6].mean()
    )


def test_drawn_intervals_have_the_tails_of_student() -> None:
    line = np.linspace(0, 1, 100_001)
    low, high = drawn_interval(line, 5)
    assert (low, high) == pytest.approx((0.00096, 0.99904), abs=1e-5)
    assert drawn_interval(line, 1000) == pytest.approx([0.025, 0.975], abs=1e-3)
    with pytest.raises(ValueError, match="cannot be drawn"):
        drawn_interval(line, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("datasets", "between", "within"), [(5, 1.0, 0.3), (8, 1.0, 1.0)])
def test_intervals_hold_what_they_say(datasets: int, between: float, within: float) -> None:
    """About 95 % for the mean of all data sets of the kind; plain percentiles of five: 85 %."""
    generator, held, times = np.random.default_rng(3), 0, 300
    for _ in range(times):
        centers = generator.normal(0, between, datasets)
        runs = np.concatenate([generator.normal(center, within, 6) for center in centers])
        drawn = weights([6] * datasets, generator, draws=3000)
        low, high = drawn_interval(means(runs, drawn), datasets)
        held += low <= 0 <= high
    assert 0.9 <= held / times <= 1
