"""Pixels of dense outputs as samples, each with its own class.

Shape letters: N pictures of H x W pixels with labels, h x w positions of a network's logits,
M labelled pixels of all pictures at these positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.imports.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = 255
"""The label of a pixel that counts nowhere."""

Places: TypeAlias = tuple["Tensor", ...]
"""Numbers [M] of samples, of rows and of columns."""


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


def labelled(labels: Tensor) -> Places:
    """Where labels [N, h, w] are classes. How many there are, a GPU has to tell the host."""
    return (labels != IGNORE).nonzero(as_tuple=True)


def rows(x: Tensor, chosen: Places) -> Tensor:
    """[M, C], the positions of maps [N, C, h, w] that are `chosen`, in their order."""
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
    chosen = labelled(known)

    def seen(outputs: Outputs) -> Outputs:
        features, logits = (
            rows(resized(x, *size), chosen) for x in (outputs.features, outputs.logits)
        )
        return Outputs(features, logits, outputs.maps)

    return seen(student), tuple(map(seen, teachers)), known[chosen]
