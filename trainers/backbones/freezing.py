"""Which part of an encoder stays as it starts."""

import itertools

from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

from fdsweep.search_spaces.errors import ConfigError


def freeze(network: nn.Module, share: float) -> tuple[nn.Module, ...]:
    """Freeze the first `share` of the blocks of `network`, one at least, and all before them.

    Returns:
        The modules that are still: those blocks, and layers before them.

    Raises:
        ConfigError: it is no share, or the network has no list of blocks.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"{share} is not a share", "freeze", "Give a number from 0 to 1")
    if share == 0:
        return ()
    blocks = blocks_of(network)
    if not blocks:
        raise ConfigError("its blocks are in no list", "freeze", "Leave it out")
    first = dict(itertools.islice(blocks.items(), max(1, round(share * len(blocks)))))
    last = list(first)[-1]
    weights = list(network.named_parameters())
    end = max(i for i, (name, _) in enumerate(weights) if name.startswith(f"{last}."))
    for _, weight in weights[: end + 1]:
        weight.requires_grad_(False)
    before = itertools.takewhile(lambda item: item[0] != last, network.named_modules())
    return (*(module for _, module in before if not [*module.children()]), *first.values())


def blocks_of(network: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """What stands in the outermost lists of modules, by name, from the input on."""
    found: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        if isinstance(child, ParametrizationList):
            continue
        if isinstance(child, nn.ModuleList):
            items = ((f"{prefix}{name}.{i}", block) for i, block in enumerate(child))
            found |= {path: block for path, block in items if [*block.parameters()]}
        else:
            found |= blocks_of(child, f"{prefix}{name}.")
    return found
