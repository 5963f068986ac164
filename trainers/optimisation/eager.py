"""Torch's optimisers without its compiler, which they import though nothing is compiled."""

import inspect
from typing import TypeVar

import torch
from torch.optim import Optimizer

Kind = TypeVar("Kind", bound=Optimizer)

METHODS = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")


def eager(kind: type[Kind]) -> type[Kind]:
    """An optimiser like `kind`, one of torch's, that takes the same steps to the bit.

    Torch hides each of these methods from `torch.compile`, and imports that as the first of them is
    called: nearly as long as torch itself takes, and 75 MB of every process that trains. Without
    their wrappers they neither compile nor differentiate through a step.
    """
    own = {name: inspect.unwrap(getattr(kind, name)) for name in METHODS}
    step = torch.no_grad()(inspect.unwrap(kind.step))
    return type(kind.__name__, (kind,), {**own, "step": step})
