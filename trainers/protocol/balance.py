"""Training samples drawn so that rare classes are seen as often as others."""

import torch
from torch import Tensor


def balanced(train: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """As many samples as `train` [N] has, each class as many as any other, or one more.

    The samples of a class take turns in a random order: none is there twice before all are there
    once. Of a class that has more than its share another part is drawn each time.

    Args:
        train: the training samples, on the CPU like `labels`.
        labels: [...] classes of all samples.
        generator: of the draws.
    """
    own = labels[train]
    classes = own.unique()
    share, rest = divmod(len(train), len(classes))
    counts = torch.full_like(classes, share)
    counts[torch.randperm(len(classes), generator=generator)[:rest]] += 1
    drawn = []
    for label, count in zip(classes, counts.tolist(), strict=True):
        members = train[own == label]
        rounds = -(-count // len(members))
        turns = torch.rand(rounds, len(members), generator=generator, dtype=torch.float64).argsort()
        drawn.append(members[turns.flatten()[:count]])
    return torch.cat(drawn)
