"""Both transforms against matrices in numpy, and bit by bit against how each has always rounded."""

import math

import pytest
import torch
from reference import haar
from torch import Tensor
from torch.nn.functional import pad
from torch.testing import assert_close

from fdsweep.trainers.features.haar import content_and_detail, from_haar_bands, haar_bands

CLASSES = pytest.mark.parametrize("classes", [2, 3, 6, 7])


def test_one_level_by_hand() -> None:
    content, detail = content_and_detail(torch.tensor([[1.0, 3.0, -2.0, 4.0, 5.0]]))
    assert_close(content, torch.tensor([[4 / math.sqrt(2), 2 / math.sqrt(2), 5.0]]))
    assert_close(detail, torch.tensor([[-2 / math.sqrt(2), -6 / math.sqrt(2)]]))


@CLASSES
def test_one_level_is_orthonormal_and_can_be_undone(classes: int) -> None:
    content, detail = content_and_detail(torch.eye(classes, dtype=torch.float64))
    basis = torch.cat((content, detail), dim=-1)
    assert_close(basis.T @ basis, torch.eye(classes, dtype=torch.float64))
    x = torch.randn(6, classes, dtype=torch.float64)
    bands = torch.cat(content_and_detail(x), dim=-1)
    assert_close(bands.square().sum(-1), x.square().sum(-1))
    assert_close(bands @ basis.T, x)


@CLASSES
def test_a_shift_of_all_logits_is_seen_in_the_content_alone(classes: int) -> None:
    x = torch.randn(6, classes, dtype=torch.float64)
    content, detail = content_and_detail(x)
    shifted_content, shifted_detail = content_and_detail(x + 2.5)
    assert_close(shifted_detail, detail)
    assert (shifted_content - content).min() > 2.4


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 3, 7), (2, 3, 1), (2, 3, 5, 6), (2, 3, 1, 2, 3)])
@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("axis", [1, 2])
def test_bands_are_haar_bands_and_keep_the_sum_of_squares(
    shape: tuple[int, ...], levels: int, axis: int
) -> None:
    x = torch.randn(*shape, dtype=torch.float64)
    low, high = haar_bands(x, levels, axis)
    expected_low, expected_high = haar(x.numpy(), levels, axis)
    assert_close(low.numpy(), expected_low)
    assert len(high) == levels
    for band, expected in zip(high, expected_high, strict=True):
        assert_close(band.numpy(), expected)
    squares = sum(band.square().sum() for band in (low, *high))
    assert_close(squares, x.square().sum())
    assert_close(from_haar_bands(low, high, shape[axis:], axis), x)
    low[0].fill_(0)
    low[0, 0, 0].fill_(1)
    (patch,) = from_haar_bands(low, [torch.zeros_like(x) for x in high], shape[axis:], axis)[:1]
    assert_close(patch[0], torch.full_like(patch[0], 0.5 ** (levels * (x.ndim - axis) / 2)))


def test_constants_are_low_and_alternations_high() -> None:
    low, (high,) = haar_bands(torch.ones(1, 1, 6), 1)
    assert_close(low, torch.full((1, 1, 1, 3), 2**0.5))
    assert not high.any()
    low, (high,) = haar_bands(torch.tensor([[[1.0, -1.0, 1.0, -1.0]]]), 1)
    assert not low.any()
    assert_close(high, torch.full((1, 1, 1, 2), 2**0.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", [1, 2, 7, 64, 513])
def test_every_bit_is_as_in_stored_results(width: int, dtype: torch.dtype) -> None:
    """A division by √2 for logits, a product with its inverse for maps; some bits differ."""
    x = torch.randn(50, width, dtype=dtype, generator=torch.Generator().manual_seed(width))
    even = width // 2 * 2
    a, b = x[:, :even:2], x[:, 1:even:2]
    content, detail = content_and_detail(x)
    assert torch.equal(content, torch.cat([(a + b) / math.sqrt(2), x[:, even:]], dim=1))
    assert torch.equal(detail, (a - b) / math.sqrt(2))

    def halves(y: Tensor) -> tuple[Tensor, Tensor]:
        y = pad(y, (0, y.shape[-1] % 2))
        return (y[:, ::2] + y[:, 1::2]) * 0.5**0.5, (y[:, ::2] - y[:, 1::2]) * 0.5**0.5

    low, high = x, []
    for _ in range(3):
        low, band = halves(low)
        high.append(band[None])
    found, bands = haar_bands(x, 3, axis=1)
    assert torch.equal(found, low[None])
    assert all(torch.equal(mine, band) for mine, band in zip(bands, high, strict=True))
    if width == 64:
        assert not torch.equal(detail, bands[0][0])
