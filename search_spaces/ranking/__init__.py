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
        places = np.flatnonzero(truths[order, column])
        if not len(places):
            continue
        # of every sample with the class: the last that scores the same, and the last such with it
        ranked = -scores[order, column]
        ends = np.searchsorted(ranked, ranked[places], side="right") - 1
        last = np.searchsorted(places, ends, side="right") - 1
        own = weights[:, order]
        seen, own = np.cumsum(own, axis=1)[:, ends], own[:, places]
        hits = np.cumsum(own, axis=1)
        precisions = np.divide(hits[:, last], seen, out=np.zeros(seen.shape), where=seen > 0)
        there = hits[:, -1] > 0
        found[there, column] = (own * precisions).sum(axis=1)[there] / hits[there, -1]
    return found


def mean_average_precision(precisions: Numbers) -> Numbers:
    """The mean [...] over classes of `precisions` [..., C], NaN left out; 0 where all are."""
    there = ~np.isnan(precisions)
    sums = np.where(there, precisions, 0.0).sum(axis=-1)
    means: Numbers = sums / there.sum(axis=-1).clip(1)
    return means
