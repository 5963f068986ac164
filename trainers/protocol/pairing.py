"""Which teacher sample stands beside a student sample."""

import torch
from torch import Tensor

from fdsweep.search_spaces.configs import Pairing


def teacher_batches(
    batches: Tensor, labels: Tensor, pairing: Pairing, generator: torch.Generator
) -> Tensor:
    """Teacher sample of every student sample of an epoch.

    Args:
        batches: [steps, batch] indices of the students' samples.
        labels: [N] classes of all samples.
        pairing: `paired` gives the sample itself; `shuffled` permutes each batch; `same-class`
            draws a sample of the same class and `unpaired` any sample, with replacement, from
            the samples in `batches`.
        generator: the sampler's own stream.

    Returns:
        [steps, batch] indices, on the CPU like the arguments.
    """
    if pairing == "paired":
        return batches
    draws = torch.rand(batches.shape, generator=generator, dtype=torch.float64)
    if pairing == "shuffled":
        return batches.gather(1, draws.argsort(dim=1))
    pool = batches.flatten()
    if pairing == "unpaired":
        return pool[(draws * len(pool)).long()]
    partners = torch.empty_like(batches)
    classes = labels[batches]
    for label in classes.unique():
        same = classes == label
        members = batches[same]
        partners[same] = members[(draws[same] * len(members)).long()]
    return partners
