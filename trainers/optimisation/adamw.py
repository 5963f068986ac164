"""Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

from collections.abc import Iterable

import torch
from torch import nn

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers.optimisation import fused, optimizers
from fdsweep.trainers.optimisation.eager import eager

SECOND_MOMENT = 0.999


@optimizers.register("adamw", version=1)
def adamw(parameters: Iterable[nn.Parameter], optim: OptimConfig) -> torch.optim.AdamW:
    """`momentum` is the decay of the mean gradient, often called beta 1."""
    moved = list(parameters)
    return eager(torch.optim.AdamW)(
        moved,
        lr=optim.lr,
        betas=(optim.momentum, SECOND_MOMENT),
        weight_decay=optim.weight_decay,
        fused=fused(moved),
    )
