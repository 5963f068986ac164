"""Pixels of dense outputs as samples, each with its own class.

Shape letters: N pictures of H x W pixels with labels, h x w positions of a network's logits,
M labelled pixels of all pictures at these positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = 255
"""The label of a pixel that counts nowhere."""


def labels_at(labels: Tensor, height: int, width: int) -> Tensor:
    """Labels [N, H, W] at `height` x `width` positions: that of the nearest pixel."""
    if labels.shape[1:] == (height, width):
        return labels
    interpolate = torch.nn.functional.interpolate
    nearest = interpolate(labels[:, None].float(), [height, width], mode="nearest-exact")
    return nearest[:, 0].to(labels.dtype)


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """Maps [N, C, ...] at `height` x `width` positions, bilinearly."""
    if x.shape[2:] == (height, width):
        return x
    return torch.nn.functional.interpolate(x, [height, width], mode="bilinear", align_corners=False)


def rows(x: Tensor, chosen: Tensor) -> Tensor:
    """[M, C], the positions of maps [N, C, h, w] that are `chosen` [N, h, w], in their order."""
    return x.movedim(1, -1)[chosen]


def samples(
    student: Outputs, teachers: tuple[Outputs, ...], labels: Tensor
) -> tuple[Outputs, tuple[Outputs, ...], Tensor]:
    """Labelled pixels as the samples of a batch, at the positions of the student's logits.

    Features and logits become [M, D] and [M, C], first resized where they have other positions;
    the stages' maps stay as they are. Labels [N, H, W] become [M].
    """
    size = student.logits.shape[2:]
    known = labels_at(labels, *size)
    chosen = known != IGNORE

    def seen(outputs: Outputs) -> Outputs:
        features, logits = (
            rows(resized(x, *size), chosen) for x in (outputs.features, outputs.logits)
        )
        return Outputs(features, logits, outputs.maps)

    return seen(student), tuple(map(seen, teachers)), known[chosen]
