"""Features without their scale and shift."""

import torch.nn.functional as F
from torch import Tensor


def standardise(x: Tensor, floor: float) -> Tensor:
    """Rows of `x` [..., D] with mean 0 and norm 1.

    A row's norm is taken to be `floor` where it is less, so that a constant one becomes 0.
    """
    return F.normalize(x - x.mean(dim=-1, keepdim=True), dim=-1, eps=floor)
