"""Optimal transport between two batches."""

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(cost: Tensor, epsilon: float, iterations: int) -> Tensor:
    """Plan P [N, M] near the smallest <P, cost> - epsilon H(P) among all with uniform marginals.

    Rows and columns of exp(-cost / epsilon) are scaled in turn (Cuturi, NeurIPS 2013, arXiv
    1306.0895), as logarithms, so that a small epsilon does no harm. Columns add up to 1 / M; rows
    come to add up to 1 / N as the iterations go on. No gradient is kept: that of the smallest
    value, with respect to `cost`, is P itself (envelope theorem).

    Args:
        cost: [N, M].
        epsilon: weight of the entropy, above 0.
        iterations: 1 or more.

    Example:
        >>> sinkhorn(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), epsilon=0.001, iterations=10)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    log_plan = -cost / epsilon
    for _ in range(iterations):
        log_plan = log_plan.log_softmax(dim=1).log_softmax(dim=0)
    return log_plan.exp() / cost.shape[1]
