"""How well scores rank what is there before what is not."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

THRESHOLD = 0.5
"""The probability above which a sample is taken for a class, where it may have several."""

ALONE = np.ones((1, 1))
"""Weights of samples that all count once."""


def average_precisions(
    truths: NDArray[np.bool_], scores: NDArray[np.floating], weights: Numbers = ALONE
) -> Numbers:
    """The average precision of every class, [draws, C]; NaN where a class has no sample.

    With P and R the precision and recall of the samples that score at least as high as one, and
    samples of equal scores together, it is the sum over scores of (R - the R before) P, as in
    scikit-learn's average_precision_score.

    Args:
        truths: [N, C], whether a sample has a class; N is above 0.
        scores: [N, C], the higher the surer.
        weights: [draws, N], how often each sample counts in each draw.
    """
    draws, (n, classes) = len(weights), truths.shape
    weights = np.broadcast_to(weights, (draws, n))
    found = np.full((draws, classes), np.nan)
    for column in range(classes):
        order = np.argsort(-scores[:, column], kind="stable")
        ranked, own = scores[order, column], weights[:, order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        hits = np.cumsum(own * truths[order, column], axis=1)[:, last]
        seen = np.cumsum(own, axis=1)[:, last]
        precisions = np.divide(hits, seen, out=np.zeros(hits.shape), where=seen > 0)
        there = hits[:, -1] > 0
        sums = (np.diff(hits, axis=1, prepend=0) * precisions).sum(axis=1)[there]
        found[there, column] = sums / hits[there, -1]
    return found


def mean_average_precision(precisions: Numbers) -> Numbers:
    """The mean [...] over classes of `precisions` [..., C], NaN left out; 0 where all are."""
    there = ~np.isnan(precisions)
    sums = np.where(there, precisions, 0.0).sum(axis=-1)
    means: Numbers = sums / there.sum(axis=-1).clip(1)
    return means
