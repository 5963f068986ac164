from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.frequency import (
    last_low_bin,
    random_basis,
    soft_split,
    soft_split_in_basis,
    split,
    split_in_basis,
    split_positions,
)

DIMS = pytest.mark.parametrize("dim", [1, 2, 3, 7, 64, 127, 128, 257, 512])
CUTOFFS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)


def features(dim: int, rows: int = 5) -> Tensor:
    return torch.from_numpy(np.random.default_rng(dim).normal(1.5, 1, size=(rows, dim)))


@cache
def basis_of(dim: int) -> Tensor:
    torch.manual_seed(dim)
    return random_basis(dim)


def exact(actual: Tensor, expected: Tensor) -> None:
    assert_close(actual, expected, rtol=0, atol=1e-10)


@DIMS
def test_split_agrees_with_numpy_and_loses_only_the_mean(dim: int) -> None:
    x = features(dim)
    for cutoff in CUTOFFS:
        low, high = split(x, cutoff)
        spectrum = np.fft.rfft(x.numpy())
        spectrum[:, 0] = 0
        spectrum[:, int(cutoff * (dim // 2)) + 1 :] = 0
        exact(low, torch.from_numpy(np.fft.irfft(spectrum, n=dim)))
        exact(low + high, x - x.mean(-1, keepdim=True))
        exact((low * high).sum(-1), torch.zeros(5, dtype=torch.float64))


@DIMS
def test_the_random_basis_keeps_the_same_identities(dim: int) -> None:
    x, basis = features(dim), basis_of(dim)
    exact(basis @ basis.T, torch.eye(dim, dtype=torch.float64))
    exact(basis[0], torch.full([dim], dim**-0.5, dtype=torch.float64))
    for cutoff in CUTOFFS:
        low, high = split_in_basis(x, basis, cutoff)
        exact(low + high, x - x.mean(-1, keepdim=True))
        exact((low * high).sum(-1), torch.zeros(5, dtype=torch.float64))
        exact(low.mean(-1), torch.zeros(5, dtype=torch.float64))


@DIMS
def test_both_bases_give_each_band_the_same_number_of_dimensions(dim: int) -> None:
    directions, basis = torch.eye(dim, dtype=torch.float64), basis_of(dim)
    for cutoff in CUTOFFS:
        for fourier, random in zip(
            split(directions, cutoff), split_in_basis(directions, basis, cutoff), strict=True
        ):  # the trace of a projection is its rank
            assert round(fourier.trace().item(), 6) == round(random.trace().item(), 6)


@DIMS
@pytest.mark.parametrize("temperature", [0.1, 3.0, 1e3])
def test_soft_bands_are_shares_of_each_bin(dim: int, temperature: float) -> None:
    x, count = features(dim), dim // 2
    spectrum = np.fft.rfft(x.numpy())
    spectrum[:, 0] = 0
    for cutoff in (-0.1, 0.0, 0.2, 0.5, 1.0):
        shares = (1 + np.tanh((cutoff * count - np.arange(count + 1)) / temperature / 2)) / 2
        low, high = soft_split(x, torch.tensor(cutoff, dtype=torch.float64), temperature)
        exact(low, torch.from_numpy(np.fft.irfft(shares * spectrum, n=dim)))
        exact(high, torch.from_numpy(np.fft.irfft((1 - shares) * spectrum, n=dim)))
        exact(low + high, x - x.mean(-1, keepdim=True))


@DIMS
def test_soft_bands_in_a_basis_halve_no_pair_of_directions(dim: int) -> None:
    x, basis = features(dim), basis_of(dim)
    low, high = soft_split_in_basis(x, basis, torch.tensor(0.4, dtype=torch.float64), 2.0)
    coordinates = x.numpy() @ basis.numpy().T
    shares = np.zeros((2, dim))
    for row in range(1, dim):  # row 0 is constant; 1 and 2 are bin 1, 3 and 4 are bin 2, …
        bin_number = (row + 1) // 2
        share = 1 / (1 + np.exp((bin_number - 0.4 * (dim // 2)) / 2))
        shares[:, row] = share, 1 - share
    exact(low @ basis.T, torch.from_numpy(shares[0] * coordinates))
    exact(high @ basis.T, torch.from_numpy(shares[1] * coordinates))


@DIMS
@pytest.mark.parametrize("keep_dc", [False, True])
def test_without_temperature_soft_bands_are_the_hard_ones(dim: int, keep_dc: bool) -> None:
    x, basis = features(dim), basis_of(dim)
    for cutoff in (0.01, 0.26, 0.335, 0.49, 0.51, 0.667, 0.749, 0.99):
        assert dim < 2 or cutoff * (dim // 2) % 1 > 1e-3
        learned = torch.tensor(cutoff, dtype=torch.float64)
        for soft, hard in zip(
            [
                *soft_split(x, learned, 1e-6, keep_dc),
                *soft_split_in_basis(x, basis, learned, 1e-6, keep_dc),
            ],
            [*split(x, cutoff, keep_dc), *split_in_basis(x, basis, cutoff, keep_dc)],
            strict=True,
        ):
            exact(soft, hard)


def test_a_bin_at_the_very_edge_is_halved() -> None:
    low, high = soft_split(features(8), torch.tensor(0.5), 1e-6)
    spectra = [np.fft.rfft(band.numpy()) for band in (low, high)]
    whole = np.fft.rfft(features(8).numpy())
    for spectrum, shares in zip(spectra, ([0, 1, 0.5, 0, 0], [0, 0, 0.5, 1, 1]), strict=True):
        np.testing.assert_allclose(spectrum, whole * shares, atol=1e-10)


@pytest.mark.parametrize("dim", [7, 64])
def test_soft_bands_overlap_and_the_low_one_grows_with_the_cutoff(dim: int) -> None:
    x, energies = features(dim), []
    for cutoff in torch.linspace(0, 1, 9, dtype=torch.float64):
        low, high = soft_split(x, cutoff, 1.5)
        assert (low * high).sum(-1).min() > 0
        parts = [band.square().sum(-1) for band in (low, high, low + high)]
        exact(parts[2], parts[0] + parts[1] + 2 * (low * high).sum(-1))
        energies.append(parts[0])
    assert torch.stack(energies).diff(dim=0).min() > 0


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (5, 1), (4, 6), (5, 7), (8, 5)])
@pytest.mark.parametrize("keep_dc", [False, True])
def test_positions_agree_with_numpy_and_lose_only_the_mean(
    size: tuple[int, int], keep_dc: bool
) -> None:
    x = torch.from_numpy(np.random.default_rng(3).normal(1.5, 1, (2, 3, *size)))
    for cutoff in CUTOFFS:
        low, high = split_positions(x, cutoff, keep_dc)
        spectrum = np.fft.fft2(x.numpy())
        for i, j in np.ndindex(*size):
            y, z = min(i, size[0] - i), min(j, size[1] - j)
            if max(y / (size[0] / 2), z / (size[1] / 2)) > cutoff or (i == j == 0 and not keep_dc):
                spectrum[..., i, j] = 0
        exact(low, torch.from_numpy(np.fft.ifft2(spectrum).real))
        exact(low + high, x if keep_dc else x - x.mean((-2, -1), keepdim=True))
        exact((low * high).sum((-2, -1)), torch.zeros(2, 3, dtype=torch.float64))


def test_the_halves_of_positions_by_hand() -> None:
    """Of 4 x 4 positions, waves of one cycle are low at 1/2 and alternations are high."""
    wave = torch.tensor([1.0, 0.0, -1.0, 0.0]).expand(4, 4)
    alternating = torch.tensor([1.0, -1.0, 1.0, -1.0]).expand(4, 4)
    for x in (wave, wave.T, wave + wave.T, wave * wave.T):
        exact(split_positions(x)[0], x)
    for x in (alternating, alternating.T, alternating * wave.T):
        exact(split_positions(x)[1], x)
    assert torch.equal(split_positions(wave, 0.49)[0], torch.zeros(4, 4))


def test_512_channels_cut_in_the_middle_give_128_and_128_bins() -> None:
    low, high = split(features(512), 0.5)
    filled = [(np.abs(np.fft.rfft(band.numpy())) > 1e-6).all(0) for band in (low, high)]
    assert [np.flatnonzero(bins).tolist() for bins in filled] == [
        list(range(1, 129)),
        list(range(129, 257)),
    ]


@pytest.mark.parametrize("basis", [None, "random"])
def test_keep_dc_puts_the_mean_into_the_low_band_alone(basis: str | None) -> None:
    x = features(7)
    rows = random_basis(7) if basis else None

    def bands(keep_dc: bool) -> tuple[Tensor, Tensor]:
        return split(x, 0.5, keep_dc) if rows is None else split_in_basis(x, rows, 0.5, keep_dc)

    (without, high), (low, same_high) = bands(False), bands(True)
    exact(low, without + x.mean(-1, keepdim=True))
    exact(same_high, high)
    exact(low + high, x)


def test_an_empty_low_band_is_exactly_zero() -> None:
    low, _ = split(features(7).float(), 0.25)
    assert low.count_nonzero() == 0


def test_the_random_basis_comes_from_the_global_generator() -> None:
    torch.manual_seed(1)
    first, other = random_basis(16), random_basis(16)
    torch.manual_seed(1)
    assert torch.equal(random_basis(16), first)
    assert not torch.allclose(other, first)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, basis = features(64).to(dtype), random_basis(64)
    cutoff = torch.tensor(0.4, dtype=dtype)

    def soft(x: Tensor, cutoff: Tensor) -> list[Tensor]:
        return [*soft_split(x, cutoff, 0.5), *soft_split_in_basis(x, basis, cutoff, 0.5)]

    def hard(x: Tensor) -> list[Tensor]:
        return [*split(x), *split_in_basis(x, basis), *split_positions(x)]

    with torch.autocast("cpu", torch.bfloat16):
        bands = [*hard(x), *soft(x, cutoff)]
    whole = x.double()
    expected = [*hard(whole), *soft(whole, cutoff.double())]
    for band, reference in zip(bands, expected, strict=True):
        assert band.dtype == torch.float32
        assert_close(band, reference.float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("keep_dc", [False, True])
def test_gradients_are_right(keep_dc: bool) -> None:
    x, basis = features(9, rows=2).requires_grad_(), random_basis(9)
    assert torch.autograd.gradcheck(lambda x: split(x, 0.5, keep_dc), x)
    assert torch.autograd.gradcheck(lambda x: split_in_basis(x, basis, 0.5, keep_dc), x)
    maps = x.reshape(2, 3, 3)
    assert torch.autograd.gradcheck(lambda x: split_positions(x, 0.7, keep_dc), maps)


@pytest.mark.parametrize("keep_dc", [False, True])
@pytest.mark.parametrize("dim", [1, 8, 9])
def test_soft_gradients_are_right_in_the_cutoff_too(dim: int, keep_dc: bool) -> None:
    x, basis = features(dim, rows=2).requires_grad_(), random_basis(dim)
    cutoff = torch.tensor(0.45, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, c: soft_split(x, c, 0.7, keep_dc), (x, cutoff))
    assert torch.autograd.gradcheck(
        lambda x, c: soft_split_in_basis(x, basis, c, 0.7, keep_dc), (x, cutoff)
    )


@pytest.mark.slow
def test_it_compiles_in_one_graph() -> None:
    """Slow: torch.compile brings in half of PyTorch."""
    x, cutoff = features(64), torch.tensor(0.3)
    for function, arguments in [(split, (x,)), (soft_split, (x, cutoff, 0.5))]:
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
        for band, plain in zip(compiled(*arguments), function(*arguments), strict=True):
            exact(band, plain)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_an_edge_without_width_is_refused(temperature: float) -> None:
    cutoff = torch.tensor(0.5)
    message = rf"^temperature: {temperature} bins wide. Give a number above 0\.$"
    with pytest.raises(ConfigError, match=message):
        soft_split(features(8), cutoff, temperature)
    with pytest.raises(ConfigError, match=message):
        soft_split_in_basis(features(8), random_basis(8), cutoff, temperature)


@pytest.mark.parametrize("cutoff", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_cutoff_outside_is_refused(cutoff: float) -> None:
    message = rf"^cutoff: {cutoff} does not cut .* Give a number between 0 and 1\.$"
    with pytest.raises(ConfigError, match=message):
        split(features(8), cutoff)
    with pytest.raises(ConfigError, match=message):
        split_in_basis(features(8), random_basis(8), cutoff)
    with pytest.raises(ConfigError, match=message):
        split_positions(features(8), cutoff)


def test_rounding_moves_no_bin() -> None:
    assert 0.29 * 100 < 29
    assert last_low_bin(200, 0.29) == 29
