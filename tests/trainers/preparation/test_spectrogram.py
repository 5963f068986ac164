"""Log-spectrograms: shapes of the papers, and tones where they belong."""

import numpy as np
import pytest
from miniature.media_files import sine, write_wav
from scipy.signal import get_window, stft

from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram, log_stft, standardised

RATE, NPERSEG = 16000, 512


def test_fit_repeats_and_cuts():
    np.testing.assert_array_equal(fit(np.arange(3, dtype=np.float32), 7), [0, 1, 2, 0, 1, 2, 0])
    np.testing.assert_array_equal(fit(np.arange(5, dtype=np.float32), 2), [0, 1])


@pytest.mark.parametrize(("seconds", "times"), [(3, 299), (10, 1004)])
def test_shapes_of_the_papers(seconds, times):
    spectrogram = log_spectrogram(sine(440, seconds, RATE))
    assert spectrogram.shape == (257, times)
    assert spectrogram.dtype == np.float16


@pytest.mark.parametrize("hertz", [250, 1000, 4000, 7500])
@pytest.mark.parametrize("file_rate", [16000, 48000])
def test_a_sine_in_a_wav_peaks_in_its_bin(tmp_path, hertz, file_rate):
    write_wav(tmp_path / "sine.wav", sine(hertz, 2.0, file_rate), file_rate)
    spectrogram = log_spectrogram(fit(media.audio(tmp_path / "sine.wav"), 3 * RATE))
    peaks = spectrogram[:, 5:180].argmax(axis=0)  # before the sound repeats, where it may click
    assert set(peaks.tolist()) == {hertz * NPERSEG // RATE}


def test_values_are_the_log_of_the_power_density():
    signal = sine(1000, 3.0, RATE, amplitude=0.5)
    power = np.exp(log_spectrogram(signal).astype(np.float64)) - 1e-7
    width = RATE / NPERSEG  # of a bin in Hz
    assert power[:, 100].sum() * width == pytest.approx(0.5**2 / 2, rel=0.02)  # Parseval


@pytest.mark.parametrize("samples", [80000, 160000, 1000])
def test_a_transform_is_that_of_scipy_undone_its_scale(samples):
    noise = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    found = log_stft(noise)
    assert found.shape == (129, 1 + samples // 128)
    assert found.dtype == np.float16
    window = get_window("hann", 256)
    _, _, expected = stft(noise, window=window, nperseg=256, noverlap=128, padded=False)
    expected = np.log(np.abs(expected) * window.sum() + 1e-7)
    np.testing.assert_allclose(found[:, : expected.shape[1]], expected, atol=0.02)


def test_standardised_numbers_have_mean_0_and_deviation_1():
    numbers = standardised(np.random.default_rng(0).normal(-9, 4, (257, 100)).astype(np.float16))
    assert numbers.dtype == np.float16
    assert numbers.mean(dtype=np.float64) == pytest.approx(0, abs=1e-3)
    assert numbers.std(dtype=np.float64) == pytest.approx(1, abs=1e-3)
    assert not standardised(np.full((2, 3), -16.0)).any()


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_spectrogram(np.zeros(48000)), np.log(1e-7), rtol=1e-3)
