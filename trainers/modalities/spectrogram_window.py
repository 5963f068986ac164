"""`spectrogram-window`: a stretch of a spectrogram of `shape` [frequencies, times, window]."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from fdsweep.trainers.distributed import sent
from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import Varied
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
        return Varied(values, self.numbers, self._views)

    @override
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        return (cut(torch.from_numpy(self.array(cells)), self.window, draws).numpy(),)

    def _views(self, values: Tensor, draws: Tensor | None) -> Tensor:
        return cut(values, self.window, draws).float()


def cut(values: Tensor, window: int, draws: Tensor | None) -> Tensor:
    """The `window` of each of `values` [B, ..., T]: by the first of its `draws`, or the middle."""
    spare = values.shape[-1] - window
    if draws is None:
        return values[..., spare // 2 : spare // 2 + window]
    starts = (draws[:, 0] * (spare + 1)).long()
    windows = values.unfold(-1, window, 1)
    if values.device.type == "cpu":  # which copies one after the other twice as fast
        return torch.stack([windows[i, ..., start, :] for i, start in enumerate(starts.tolist())])
    every = torch.arange(len(values), device=values.device)
    return windows[every, ..., sent(starts, values.device), :]
