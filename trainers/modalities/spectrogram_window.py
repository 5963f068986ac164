"""`spectrogram-window`: a stretch of a spectrogram of `shape` [frequencies, times, window]."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distributed import place
from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.base import Arrays, Inputs
from fdsweep.trainers.modalities.spectrogram import Spectrogram


@registry.register("spectrogram-window")
class SpectrogramWindow(Spectrogram):
    """Spectrograms as they are; views [1, frequencies, window] float32.

    A training view begins anywhere, the evaluated one is the middle.
    """

    augmented: ClassVar = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        *whole, self.window = shape
        super().__init__(tuple(whole))

    @property
    @override
    def numbers(self) -> int:
        return self.shape[0] * self.window

    @override
    def held(self, values: Tensor) -> Inputs:
        return Windows(values, self.window)

    @override
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        return (cut(torch.from_numpy(self.array(cells)), self.window, draws).numpy(),)


@dataclass(frozen=True, slots=True)
class Windows:
    """Spectrograms in memory: `values` [N, 1, frequencies, times] float16; views of `window`."""

    values: Tensor
    window: int
    augmented: bool = True

    @property
    def numbers(self) -> int:
        """How many numbers a view holds."""
        return self.values.shape[2] * self.window

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """The window [B, 1, frequencies, window] of each batch."""
        drawn = repeat(None) if draws is None else draws
        for indices, numbers in zip(order, drawn, strict=False):
            chosen = self.values[indices.to(self.values.device, non_blocking=True)]
            yield cut(chosen, self.window, numbers).float()

    def to(self, device: torch.device) -> "Windows":
        """The same samples on `device`."""
        return replace(self, values=place(self.values, device))


def cut(values: Tensor, window: int, draws: Tensor | None) -> Tensor:
    """The `window` of each of `values` [B, ..., T]: by the first of its `draws`, or the middle."""
    spare = values.shape[-1] - window
    if draws is None:
        return values[..., spare // 2 : spare // 2 + window]
    starts = (draws[:, 0] * (spare + 1)).long().tolist()
    parts = [one[..., start : start + window] for one, start in zip(values, starts, strict=True)]
    return torch.stack(parts)
