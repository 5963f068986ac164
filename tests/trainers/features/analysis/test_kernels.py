"""Centred kernel alignment, against its definition and what it must not see."""

import itertools

import numpy as np
import torch

from fdsweep.trainers.features.analysis.kernels import alignments


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_definition(x, y):
    """The unbiased criterion as a mean over all quadruples of different samples."""
    k, m = (np.asarray(a.double() @ a.double().T) for a in (x, y))
    return np.mean([
        k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
        for i, j, q, r in itertools.permutations(range(len(x)), 4)
    ])  # fmt: skip


def test_it_is_the_definition():
    x, y = draw(6, 3) + 1, draw(6, 5, seed=1)
    expected = by_definition(x, y) / np.sqrt(by_definition(x, x) * by_definition(y, y))
    np.testing.assert_allclose(alignments([x, y])[0, 1].item(), expected, rtol=1e-10)


def test_rotation_scale_shift_and_order_of_channels_count_nothing():
    x = draw(40, 8)
    turned, _ = torch.linalg.qr(draw(8, 8, seed=1))
    found = alignments([x, 3 * x @ turned + 5, x.flip(1)])
    np.testing.assert_allclose(found, np.ones((3, 3)), rtol=1e-5)


def test_networks_with_nothing_in_common_are_at_0_though_channels_are_many():
    found = [
        alignments([draw(30, 200, seed=s), draw(30, 200, seed=99 - s)])[0, 1] for s in range(20)
    ]
    assert abs(np.mean(found)) < 0.02


def test_features_that_tell_no_samples_apart_are_like_nothing():
    found = alignments([draw(10, 3), torch.ones(10, 4)])
    assert found[0].isnan().tolist() == [False, True]
