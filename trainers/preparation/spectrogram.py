"""Log-spectrograms as the CREMA-D, AVE and VGGSound experiments of the papers take them."""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FLOOR = 1e-7
TINY = 1e-9


def fit(signal: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """`signal` [T] repeated until it is long enough, and cut to [samples]."""
    return np.tile(signal, -(-samples // signal.size))[:samples]


def log_spectrogram(
    signal: NDArray[Any], *, nperseg: int = 512, noverlap: int = 353, rate: int = 16000
) -> NDArray[np.float16]:
    """log(|S| + 1e-7) of `signal` [T] as float16 [nperseg / 2 + 1, times].

    S is the one-sided power spectral density of `scipy.signal.spectrogram` with its defaults
    (Tukey window 0.25, mean of each segment removed, no padding at the ends), as the published
    preprocessing calls it. So times = (T - noverlap) // (nperseg - noverlap): at 16 kHz 3 s
    (48,000 samples) give 257x299 and 10 s (160,000) 257x1004. `rate` in Hz scales S.
    """
    from scipy.signal import spectrogram  # slow to import

    _, _, power = spectrogram(signal, fs=rate, nperseg=nperseg, noverlap=noverlap)
    return _log(power)


def log_stft(
    signal: NDArray[Any], *, nperseg: int = 256, noverlap: int = 128
) -> NDArray[np.float16]:
    """log(|S| + 1e-7) of `signal` [T] as float16 [nperseg / 2 + 1, 1 + T // (nperseg - noverlap)].

    S is the short-time Fourier transform with a periodic Hann window, not scaled; the middles of
    the segments lie on the first sample, and every nperseg - noverlap on, with zeros beyond the
    ends, as `librosa.stft` has it by default.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(nperseg) / nperseg)
    segments = sliding_window_view(np.pad(signal, nperseg // 2), nperseg)[:: nperseg - noverlap]
    return _log(np.fft.rfft(segments * window).T)


def standardised(spectrogram: NDArray[Any]) -> NDArray[np.float16]:
    """`spectrogram` with mean 0 and standard deviation 1 over all its numbers, as float16."""
    values = spectrogram.astype(np.float64)
    unit: NDArray[np.float16] = ((values - values.mean()) / (values.std() + TINY)).astype(
        np.float16
    )
    return unit


def _log(spectrum: NDArray[Any]) -> NDArray[np.float16]:
    log: NDArray[np.float16] = np.log(np.abs(spectrum) + FLOOR).astype(np.float16)
    return log
