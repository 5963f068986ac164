import numpy as np
import pytest
import torch

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.features.analysis import similarity
from fdsweep.trainers.features.analysis.similarity import (
    ORDERS,
    QUANTITIES,
    Sums,
    cosines,
    measure,
    pool,
    summarise,
)
from fdsweep.trainers.frequency import split

COUNT = len(QUANTITIES)


def draw(*shape, seed=0, shift=0.0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + shift


def cosine(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def by_hand(first, second, cutoff):
    """[N, Q], each part taken back to the channels by `split`."""
    parts = []
    for x in (first.double(), second.double()):
        low, high = split(x, cutoff)
        with_dc, _ = split(x, cutoff, keep_dc=True)
        parts.append([x, with_dc, low, high, x.mean(1, keepdim=True).expand_as(x)])
    return np.stack([cosine(a, b) for a, b in zip(*parts, strict=True)], axis=1)


@pytest.mark.parametrize("dim", [16, 17, 128])
@pytest.mark.parametrize("cutoff", [0.25, 0.5, 0.7])
def test_parts_are_the_bands_of_the_split(dim, cutoff):
    first, second = draw(9, dim, seed=1, shift=0.5), draw(9, dim, seed=2, shift=0.2)
    found = cosines(first, second, cutoff)[:, :COUNT].numpy()
    np.testing.assert_allclose(found, by_hand(first, second, cutoff), atol=1e-12)


@pytest.mark.parametrize("dim", [16, 17])
def test_bins_are_the_cosines_of_numpys_coefficients(dim):
    first, second = draw(5, dim, seed=1), draw(5, dim, seed=2)
    f, g = (np.fft.rfft(x.double().numpy()) for x in (first, second))
    expected = (f * g.conj()).real / np.abs(f * g)
    np.testing.assert_allclose(cosines(first, second)[:, COUNT:].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("dim", [16, 17])
def test_the_raw_cosine_is_the_sum_of_the_bins_by_their_amplitudes(dim):
    first, second = draw(5, dim, seed=1), draw(5, dim, seed=2)
    found = cosines(first, second).numpy()
    f, g = (np.abs(np.fft.rfft(x.double().numpy())) for x in (first, second))
    times = np.full(dim // 2 + 1, 2.0)
    times[0] = 1
    if dim % 2 == 0:
        times[-1] = 1
    weights = times * f * g / np.sqrt((times * f**2).sum(1) * (times * g**2).sum(1))[:, None]
    np.testing.assert_allclose((weights * found[:, COUNT:]).sum(1), found[:, 0], atol=1e-12)


def test_a_case_worked_by_hand():
    first = torch.tensor([[2.0, 0.0, 2.0, 0.0]])  # mean 1, and the fastest alternation
    second = torch.tensor([[0.0, -2.0, 0.0, -2.0]])  # mean -1, the same alternation
    raw, low_dc, low, high, dc, *bins = cosines(first, second)[0].tolist()
    assert raw == pytest.approx(0.0)
    assert (low_dc, dc, high) == pytest.approx((-1.0, -1.0, 1.0))
    assert low == 0.0  # nothing is there, so it has no direction
    assert bins == pytest.approx([-1.0, 0.0, 1.0])


def test_identical_features_are_alike_in_every_part_and_opposite_ones_in_none():
    x = draw(6, 32)
    torch.testing.assert_close(cosines(x, 3 * x), torch.ones(6, COUNT + 17).double())
    torch.testing.assert_close(cosines(x, -x), -torch.ones(6, COUNT + 17).double())


def test_what_is_only_rounding_has_no_direction():
    x = torch.full((3, 31), 0.1)
    assert torch.fft.rfft(x.double())[:, 1:].any()
    found = cosines(x, x + draw(3, 31))
    assert not found[:, 2:4].any()
    assert not cosines(torch.zeros(3, 31), x).any()


def test_shuffled_pairs_are_the_mean_over_all_other_samples():
    first, second = draw(6, 16, seed=1, shift=0.3), draw(6, 16, seed=2, shift=0.3)
    shifts = [cosines(first, second.roll(step, 0)) for step in range(1, 6)]
    expected = torch.stack(shifts).mean(0)
    torch.testing.assert_close(similarity.shuffled_cosines(first, second), expected)


def test_shuffling_takes_two_samples():
    with pytest.raises(ConfigError, match="1 test samples have no other partner"):
        similarity.shuffled_cosines(draw(1, 8), draw(1, 8))


def test_different_widths_have_no_cosine():
    with pytest.raises(ConfigError, match="between 8 and 16 channels is not defined"):
        cosines(draw(4, 8), draw(4, 16))


def test_features_after_relu_are_alike_by_their_mean_alone():
    """Independent networks: all that is above 0 is DC, and both controls show it."""
    first, second = draw(400, 128, seed=1).relu(), draw(400, 128, seed=2).relu()
    summary = summarise(measure(first, second, None, ["a", "b"] * 200, 0))
    for found in (summary.paired, summary.shuffled, summary.permuted):
        raw, low_dc, low, high, dc = found.mean[:COUNT]
        assert raw == pytest.approx(1 / np.pi, abs=0.02)  # (E relu)^2 / E relu^2
        assert low_dc > raw
        assert abs(low) < 0.01
        assert abs(high) < 0.01
        assert dc == 1
    assert abs(summary.excess.mean[0]) < 0.01
    assert summary.energy[0] == pytest.approx(1)
    assert summary.energy[4] == pytest.approx(1 / np.pi, abs=0.02)
    assert summary.energy[COUNT:].sum() == pytest.approx(1)
    assert summary.energy[1] == pytest.approx(summary.energy[2] + summary.energy[4])


def test_what_is_shared_in_an_order_is_lost_in_another():
    common = draw(200, 128, seed=1)
    first, second = (common + draw(200, 128, seed=s) for s in (2, 3))
    summary = summarise(measure(first, second, second.flip(1), ["a", "b"] * 100, 0))
    assert summary.paired.mean[:4] == pytest.approx(0.5, abs=0.03)
    assert (summary.permuted.low[:4] > -0.1).all()
    assert (summary.permuted.high[:4] < 0.1).all()
    low, mean, high = (summary.permuted._asdict()[end][:4] for end in ("low", "mean", "high"))
    assert (low < mean).all()
    assert (mean < high).all()
    assert abs(summary.other_start.mean[0]) < 0.05


def test_each_seed_has_its_own_orders_the_same_at_each_call():
    first, second, groups = draw(8, 16, seed=1), draw(8, 16, seed=2), ["a"] * 8
    one, again, other = (measure(first, second, None, groups, seed) for seed in (0, 0, 1))
    assert one.permuted.shape == (ORDERS, COUNT + 9)
    assert (one.permuted == again.permuted).all()
    assert not np.allclose(one.permuted[:, 0], other.permuted[:, 0])
    np.testing.assert_array_equal(one.paired, other.paired)


def test_seeds_are_pooled_by_person():
    first, second = draw(10, 16, seed=1), draw(10, 16, seed=2)
    groups = ["a", "b", "b", "c", "a", "c", "d", "a", "d", "d"]
    whole = measure(first, second, second, groups, 0)
    halves = [
        measure(first[part], second[part], second[part], groups[part], 0)
        for part in (slice(0, 5), slice(5, 10))
    ]
    both = pool(halves)
    assert both.groups == whole.groups
    for field in ("counts", "paired", "other_start", "permuted", "energy"):
        np.testing.assert_allclose(getattr(both, field), getattr(whole, field))
    alone = measure(first, second, None, groups, 0)
    assert pool([whole, alone]).other_start is None


def sums_of(values, counts):
    """Sums whose only column has these sums and counts per group."""
    values = np.array(values, dtype=float)[:, None]
    return Sums(
        dim=1,
        groups=tuple(map(str, range(len(values)))),
        counts=np.array(counts, dtype=float),
        paired=values,
        shuffled=0 * values,
        other_start=None,
        permuted=values.sum(0, keepdims=True).repeat(ORDERS, 0),
        energy=values.sum(0),
    )


def test_the_interval_is_a_bootstrap_over_groups():
    """Two groups of 1 and 3 samples: a draw is the one, the other, or both."""
    summary = summarise(sums_of([1.0, 0.0], [1, 3]))
    assert summary.paired.mean[0] == pytest.approx(0.25)
    assert (summary.paired.low[0], summary.paired.high[0]) == (0.0, 1.0)
    assert (summary.samples, summary.groups) == (4, 2)

    means = np.random.default_rng(0).normal(size=60)
    wide = summarise(sums_of(means * 10, [10] * 60)).paired
    standard_error = means.std() / np.sqrt(60)
    assert wide.high[0] - wide.low[0] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)


def test_intervals_depend_on_the_seed_alone():
    sums = sums_of(np.arange(12) % 5, [2] * 12)
    one, again, other = (summarise(sums, seed=seed).paired for seed in (0, 0, 1))
    assert (one.low, one.high) == (again.low, again.high)
    assert (one.low, one.high) != (other.low, other.high)


def test_a_single_group_has_no_interval():
    summary = summarise(sums_of([1.0], [4]))
    assert summary.paired.mean[0] == 0.25
    assert np.isnan([*summary.paired.low, *summary.paired.high]).all()


def test_pairs_are_shuffled_at_their_own_place():
    first, second = draw(9, 16, seed=1, shift=0.5), draw(9, 16, seed=2, shift=0.2)
    places = torch.tensor([4, 0, 4, 0, 4, 0, 0, 4, 4])
    groups = [str(i) for i in range(9)]
    found = measure(first, second, None, groups, 0, places=places)
    whole = measure(first, second, None, groups, 0)
    others = [[j for j in range(9) if j != i and places[j] == places[i]] for i in range(9)]
    expected = [cosine(first[[i]], second[mine]).mean() for i, mine in enumerate(others)]
    np.testing.assert_allclose(found.shuffled[:, 0], expected, atol=1e-12)
    assert np.array_equal(found.paired, whole.paired)
    assert np.array_equal(found.permuted, whole.permuted)
    with pytest.raises(ConfigError, match="1 test samples have no other partner"):
        measure(first, second, None, groups, 0, places=torch.tensor([0] * 8 + [1]))
