"""Stochastic gradient descent with momentum."""

from collections.abc import Iterable

import torch
from torch import nn

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import fused, optimizers
from fdsweep.trainers.optimisation.eager import eager


@optimizers.register("sgd", version=1)
def sgd(parameters: Iterable[nn.Parameter], optim: OptimConfig) -> torch.optim.SGD:
    """As the published code has it; the decay of weights is added to the gradient."""
    moved = list(parameters)
    return eager(torch.optim.SGD)(
        moved,
        lr=optim.lr,
        momentum=optim.momentum,
        weight_decay=optim.weight_decay,
        fused=fused(moved),
    )
