"""Feature maps [N, C, ...] with any number of axes of positions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fdsweep.trainers.features.outputs import Outputs


def stages(outputs: Outputs, count: int) -> tuple[Tensor, ...]:
    """The last `count` maps; where there are none the features, of one position if pooled."""
    if outputs.maps is not None:
        return outputs.maps[-count:]
    features = outputs.features
    return (features[..., None] if features.ndim == 2 else features,)


def match(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """`x` with the positions of `target`, and `target`; channels may differ.

    Each axis is averaged down, or repeated up, as adaptive average pooling does. If the numbers
    of axes differ, both maps are given with their positions in one row.
    """
    if x.ndim != target.ndim:
        x, target = x.flatten(2), target.flatten(2)
    for axis in range(2, x.ndim):
        if x.shape[axis] != target.shape[axis]:
            x = _resize(x.movedim(axis, -1), target.shape[axis]).movedim(-1, axis)
    return x, target


def on_channels(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer for features [N, C] at every position of the map `x`."""
    out: Tensor = layer(x.movedim(1, -1))
    return out.movedim(-1, 1)


def _resize(x: Tensor, size: int) -> Tensor:
    # a product, as the gradient of torch's own pooling is not deterministic on a GPU
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    return x @ F.adaptive_avg_pool1d(identity, size)
