"""How alike two networks' features are, whatever the order and the number of their channels.

Linear centred kernel alignment compares which samples a network holds to be alike (Kornblith et
al., ICML 2019, arXiv 1905.00414), with the unbiased estimate of its parts (Song et al., JMLR 2012,
equation 5; Nguyen et al., ICLR 2021): networks that have nothing in common are at 0, however few
the samples and many the channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

MIN_SAMPLES = 4
"""Fewer have no unbiased estimate."""


def alignments(features: Sequence[Tensor]) -> Tensor:
    """Linear centred kernel alignment of every two of the K `features` [N, D_k]: [K, K].

    1 on the diagonal and for features that differ by a rotation, a scale or a shift; NaN beside a
    network whose features do not tell samples apart.
    """
    kernels = [_kernel(each.double()) for each in features]
    products = torch.stack([torch.stack([_product(a, b) for b in kernels]) for a in kernels])
    norms = products.diagonal().clamp(min=0).sqrt()
    return products / norms.outer(norms)


def _kernel(features: Tensor) -> Tensor:
    """Inner products [N, N] of `features` [N, D], of mean 0; a sample beside itself counts 0."""
    centred = features - features.mean(dim=0)
    return (centred @ centred.T).fill_diagonal_(0)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """The unbiased Hilbert-Schmidt independence criterion of two kernels, but for a factor of N."""
    n = len(a)
    sums = a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * (a.sum(0) @ b.sum(0)) / (n - 2)
    return (a * b).sum() + sums
