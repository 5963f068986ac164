"""Similarities of many rows with many others, of which only a block is ever in memory.

A block is made again when its gradient is asked for: numbers are those of all at once, up to the
order of sums, for one more product of matrices.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from fdsweep.trainers.distillers.base import divergence

BLOCK = 2**24
"""Similarities in a block, 64 MiB of float32; a handful of such tensors are alive at once."""


def divergence_of_relations(
    guess: Tensor,
    guess_keys: Tensor,
    target: Tensor,
    target_keys: Tensor,
    temperature: float,
) -> Tensor:
    """How far the rows' likeness to the keys is from that of another network's, a scalar.

    The mean over the rows n of KL(softmax_k(t_n · u_k / T) || softmax_k(s_n · v_k / T)), with s and
    v the rows and keys of `guess`, t and u those of `target`; 0 without rows.

    Args:
        guess: [N, D_s].
        guess_keys: [K, D_s].
        target: [N, D_t].
        target_keys: [K, D_t].
        temperature: T.
    """

    def block(s: Tensor, t: Tensor, v: Tensor, u: Tensor) -> Tensor:
        return divergence((s / temperature) @ v.T, (t / temperature) @ u.T).sum()

    parts = _by_block(block, (guess, target), (guess_keys, target_keys))
    return torch.stack(parts).sum() / max(1, len(guess))


def divergence_of_pairs(guess: Tensor, target: Tensor, temperature: float) -> Tensor:
    """`divergence_of_relations` of all rows of a batch with those of each sample, their mean.

    Args:
        guess: [N, R, D_s], R rows of each sample.
        target: [N, R, D_t].
        temperature: T.
    """
    rows = guess.flatten(0, 1), target.flatten(0, 1)
    means = [
        divergence_of_relations(rows[0], keys, rows[1], target_keys, temperature)
        for keys, target_keys in zip(guess, target, strict=True)
    ]
    return torch.stack(means).mean()


def attend(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Each query's mean of the values, weighted by softmax(query · key / √d): [N, D].

    Args:
        queries: [N, d].
        keys: [K, d].
        values: [K, D].
    """

    def block(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.softmax(q @ k.T, dim=-1) @ v

    return torch.cat(_by_block(block, (queries * keys.shape[1] ** -0.5,), (keys, values)))


def _by_block(
    make: Callable[..., Tensor], rows: tuple[Tensor, ...], held: tuple[Tensor, ...]
) -> list[Tensor]:
    """What `make` gives of each block of `rows` [N, ...] with all of what is `held` [K, ...]."""
    size = max(1, BLOCK // max(1, len(held[0])))
    blocks = zip(*(x.split(size) for x in rows), strict=True)
    return [
        checkpoint(make, *block, *held, use_reentrant=False, preserve_rng_state=False)
        for block in blocks
    ]
