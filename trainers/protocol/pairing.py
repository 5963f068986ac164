"""Which teacher sample stands beside a student sample."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fdsweep.search_spaces.configs import Pairing


def teacher_batches(
    batches: Sequence[Tensor], labels: Tensor, pairing: Pairing, generator: torch.Generator
) -> Sequence[Tensor]:
    """Teacher sample of every student sample of an epoch.

    Args:
        batches: of the students' samples, indices [B] each.
        labels: [N] classes of all samples.
        pairing: `paired` gives the sample itself; `shuffled` permutes each batch; `same-class`
            draws a sample of the same class and `unpaired` any sample, with replacement, from
            the samples in `batches`.
        generator: the sampler's own stream.

    Returns:
        Batches of the same sizes, on the CPU like the arguments.
    """
    if pairing == "paired":
        return batches
    sizes, pool = [len(batch) for batch in batches], torch.cat(tuple(batches))
    draws = torch.rand(len(pool), generator=generator, dtype=torch.float64)
    if pairing == "shuffled":
        orders = (own.argsort() for own in draws.split(sizes))
        return tuple(batch[order] for batch, order in zip(batches, orders, strict=True))
    if pairing == "unpaired":
        return torch.split(pool[(draws * len(pool)).long()], sizes)
    partners = torch.empty_like(pool)
    classes = labels[pool]
    for label in classes.unique():
        same = classes == label
        members = pool[same]
        partners[same] = members[(draws[same] * len(members)).long()]
    return torch.split(partners, sizes)
