import numpy as np
import pytest
import torch

from fdsweep.trainers.features.standardise import standardise


@pytest.mark.parametrize("floor", [1e-8, 1e-6])
def test_rows_have_mean_0_and_norm_1(floor: float) -> None:
    x = np.random.default_rng(0).normal(3, 2, size=(5, 11))
    centred = x - x.mean(1, keepdims=True)
    expected = centred / np.sqrt((centred**2).sum(1, keepdims=True))
    np.testing.assert_allclose(standardise(torch.from_numpy(x), floor), expected, atol=1e-14)


def test_the_floor_takes_the_place_of_a_smaller_norm() -> None:
    x = torch.tensor([[1e-4, -1e-4], [5.0, 5.0]], dtype=torch.float64)
    expected = torch.tensor([[1e-3, -1e-3], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(standardise(x, 0.1), expected)
