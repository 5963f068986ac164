"""Learned positions of pictures' patches, stretched over pictures of another size."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

STRETCH = "interpolate_pos_encoding"
"""What transformers calls the method that does so, and the argument that asks for it."""

NAME = "position_embed"
"""How the names of learned positions begin."""


def by_products(network: nn.Module) -> None:
    """Let `network` stretch its positions by a product with what its own method makes of a basis.

    The method is linear in the positions, and the gradient of a product is deterministic on a GPU
    too, where that of bicubic interpolation is not.
    """
    for module in network.modules():
        method = getattr(module, STRETCH, None)
        names = [name for name, _ in module.named_parameters() if name.startswith(NAME)]
        if method is not None and len(names) == 1:
            path, _, name = names[0].rpartition(".")
            owner = module.get_submodule(path)
            setattr(module, STRETCH, partial(_stretched, owner, name, method, {}))


def _stretched(
    owner: nn.Module,
    name: str,
    method: Callable[[Tensor, int, int], Tensor],
    known: dict[tuple[object, ...], Tensor],
    tokens: Tensor,
    height: int,
    width: int,
) -> Tensor:
    """[1, tokens, D], the positions `name` of `owner` [..., P, D] for pictures of another size.

    `known` holds the matrix [tokens, P] of each size.
    """
    positions = owner.get_parameter(name)
    flat = positions.flatten(0, -2)
    case = (height, width, flat.device, flat.dtype)
    if case not in known:
        basis = torch.eye(len(flat), dtype=flat.dtype, device=flat.device)
        setattr(owner, name, nn.Parameter(basis.view(*positions.shape[:-1], -1), False))
        try:
            shape = [1, tokens.shape[1], len(flat)]
            with torch.no_grad(), torch.autocast(flat.device.type, enabled=False):
                known[case] = method(flat.new_zeros(shape), height, width)[0]
        finally:
            setattr(owner, name, positions)
    with torch.autocast(flat.device.type, enabled=False):
        return (known[case] @ flat)[None]
