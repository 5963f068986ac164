"""Log-spectrograms as the CREMA-D, AVE and VGGSound experiments of the papers take them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-7


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
    log: NDArray[np.float16] = np.log(np.abs(power) + FLOOR).astype(np.float16)
    return log
