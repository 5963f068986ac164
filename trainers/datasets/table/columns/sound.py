"""`audio` and `wave`: the sound of a file, of a video's too, as a log-spectrogram or as it is."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers.datasets.table.arrow import file_of
from fdsweep.trainers.datasets.table.columns.base import Column, known
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram

RATE = 16000
"""Hz at most, where nothing else is asked for: that of the papers' data."""

MAX_SECONDS = 10.0
"""Of sound, where nothing else is asked for."""

LEAST_SOUND_S = 0.1

FLOOR = 1e-7
"""Added to the variance of a wave, as encoders of waves do."""


class Sound(Column):
    """Mono at `rate` Hz, repeated and cut to `seconds`.

    By default the rate is that of the files, RATE at most, and the seconds are the median of the
    training samples, MAX_SECONDS at most.
    """

    endings: ClassVar = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aiff", ".wma")
    measured: ClassVar = ("rate", "seconds")

    rate: Annotated[int, Field(ge=1000, le=192_000)] | None = None
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None

    @property
    @override
    def in_channels(self) -> int:
        return 1

    @override
    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        settled = self
        if self.rate is None or self.seconds is None:
            sounds = list(filter(None, (_sound(raw, cell) for cell in cells.values())))
            settled = self.model_copy(
                update={
                    "rate": self.rate or min(RATE, _rate(sounds, where)),
                    "seconds": self.seconds or _seconds(sounds),
                }
            )
        return settled, None

    def heard(self, raw: Path, cell: str) -> NDArray[np.float32]:
        """What is heard [T], as long as all samples are; Damaged if it is nothing."""
        rate = known(self.rate)
        with file_of(raw, cell) as path:
            signal = media.audio(path, rate=rate)
        if signal.size < LEAST_SOUND_S * rate or not signal.any():
            raise Damaged(f"{signal.size / rate:.2f} s of sound, or silence")
        return fit(signal, self._samples)

    @property
    def _samples(self) -> int:
        return round(known(self.rate) * known(self.seconds))


class Wave(Sound):
    """The samples of the sound with mean 0 and deviation 1, as encoders of waves expect them."""

    kind: ClassVar = "wave"
    suits: ClassVar = "cnn1d"

    @property
    @override
    def payload(self) -> Payload:
        return Payload("signal", (1, self._samples))

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        signal = self.heard(raw, cell)
        return ((signal - signal.mean()) / np.sqrt(signal.var() + FLOOR))[None]


class Audio(Sound):
    """A log-spectrogram of the sound, in segments of `window`, `step` apart."""

    kind: ClassVar = "audio"
    suits: ClassVar = "resnet18"
    if_few: ClassVar = {"window": 256, "step": 256, "backbone": "cnn2d"}
    hints: ClassVar = {
        "kind": "a log-spectrogram of the sound",
        "rate": "Hz, to which all files are brought",
        "seconds": "longer sound is cut, shorter repeated",
        "window": "samples of a segment, and `step` from one to the next; 512 and 159 by default",
        "backbone": "small; resnet18 is the default",
    }

    window: Annotated[int, Field(ge=16, le=8192)] = 512
    step: Annotated[int, Field(ge=1, le=8192)] = 159

    @property
    @override
    def payload(self) -> Payload:
        times = (self._samples - self.window + self.step) // self.step
        return Payload("spectrogram", (self.window // 2 + 1, times))

    @override
    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        settled, learnt = super().settled(cells, raw, where)
        if settled.step > settled.window or settled._samples < settled.window:
            raise ConfigError(
                f"{settled.seconds:g} s at {settled.rate:,} Hz hold no segments of "
                f"{settled.window} samples, {settled.step} apart",
                where,
                "Give more `seconds`, or a smaller `window` and `step`",
            )
        return settled, learnt

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        return log_spectrogram(
            self.heard(raw, cell),
            nperseg=self.window,
            noverlap=self.window - self.step,
            rate=known(self.rate),
        )


def _sound(raw: Path, cell: str) -> tuple[int, float] | None:
    """Rate and seconds of a file; None where it has no sound that can be read."""
    try:
        with file_of(raw, cell) as path:
            return media.sound(path)
    except Damaged:
        return None


def _rate(sounds: list[tuple[int, float]], where: str) -> int:
    rates = Counter(rate for rate, _ in sounds).most_common()
    if len(rates) > 1:
        (most, many), (other, few) = rates[:2]
        raise DataError(
            f"sound of {most:,} Hz ({many:,} files) and of {other:,} Hz ({few:,})",
            where,
            f"Say to which `rate` all are to be brought, such as rate: {min(most, other, RATE)}",
        )
    return rates[0][0] if rates else RATE


def _seconds(sounds: list[tuple[int, float]]) -> float:
    middle = median([seconds for _, seconds in sounds]) if sounds else MAX_SECONDS
    return min(MAX_SECONDS, max(LEAST_SOUND_S, round(middle, 1)))
