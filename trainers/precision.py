"""How a network runs on a device: bfloat16 and channels-last on a GPU, float32 on a CPU."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.features.outputs import Outputs

Movable = TypeVar("Movable", Tensor, Backbone)


def place(item: Movable, device: torch.device) -> Movable:
    """`item` on `device`; images and the networks for them are laid out channels-last on a GPU."""
    moved = item.to(device)
    if device.type == "cuda" and (isinstance(moved, nn.Module) or moved.ndim == 4):
        return moved.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    return moved


def run(network: nn.Module, inputs: Tensor) -> Outputs:
    """The network's outputs for `inputs` [B, ...]; on a GPU computed in bfloat16, given in float32.

    On a CPU they have the type of the inputs.
    """
    if inputs.device.type != "cuda":
        plain: Outputs = network(inputs)
        return plain
    with torch.autocast("cuda", torch.bfloat16):
        outputs: Outputs = network(inputs)
    maps = outputs.maps and tuple(x.float() for x in outputs.maps)
    return Outputs(outputs.features.float(), outputs.logits.float(), maps)
