"""Features of two networks in one plane, and how far apart they lie where they come from.

FD-CMKD (arXiv 2511.19887) shows a teacher and its student apart before distillation and together
after. t-SNE (van der Maaten and Hinton, JMLR 2008) keeps neighbours together and little else:
what is to be said of distances is said by silhouettes, taken from the features themselves.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fdsweep.trainers.features.standardise import standardise

Array: TypeAlias = NDArray[np.float64]

MAX_PERPLEXITY = 30.0
DIGITS = 3
"""Of a coordinate: t-SNE gives planes that are tens of units wide."""

FLOOR = 1e-8


def comparable(features: Tensor) -> Array:
    """`features` [N, D] as FD-CMKD's losses compare them: mean 0 over the channels and norm 1.

    So neither a shift that all channels share nor scale sets one network's features apart, and the
    squared distance of two is 2 - 2 times their correlation over the channels.
    """
    found: Array = standardise(features.double(), FLOOR).cpu().numpy()
    return found


def perplexity(points: int) -> float:
    """About how many neighbours t-SNE keeps together: 30, or a third of the others if they are few.

    scikit-learn looks at three times as many.
    """
    return min(MAX_PERPLEXITY, (points - 1) / 3)


def plane(features: Array) -> Array:
    """[N, 2], the t-SNE of `features` [N, D], started from their two principal components.

    Computed on one thread and with one random state: the same features give the same numbers.
    """
    from sklearn.manifold import TSNE  # slow to import
    from threadpoolctl import threadpool_limits

    tsne = TSNE(perplexity=perplexity(len(features)), init="pca", random_state=0)
    with threadpool_limits(1):
        found = tsne.fit_transform(features)
    rounded: Array = found.astype(np.float64).round(DIGITS)
    return rounded


def silhouette(features: Array, labels: Sequence[int]) -> float | None:
    """Mean silhouette (Rousseeuw 1987) of `features` [N, D] with `labels` [N], -1..1.

    With a sample's mean Euclidean distances a to the others of its own label and b to those of the
    nearest other label, (b - a) / max(a, b), or 0 for one that is alone with its label. At 0 the
    labels are mixed, near 1 each is a group of its own. None where all labels are the same or all
    different.
    """
    from sklearn.metrics import silhouette_score  # slow to import
    from threadpoolctl import threadpool_limits

    if not 1 < len(set(labels)) < len(features):
        return None
    with threadpool_limits(1):
        return float(silhouette_score(features, np.asarray(labels)))


def silhouette_within(
    features: Array, labels: Sequence[int], groups: Sequence[int]
) -> float | None:
    """Mean of `silhouette` with `labels` [N] over `groups` [N], each on its own, by their sizes.

    Over all features at once a label's own spread hides what sets it apart: two networks whose
    classes lie far from one another have a silhouette near 0 even where no two points mix.
    """
    own, of = np.asarray(labels), np.asarray(groups)
    parts = [of == group for group in np.unique(of)]
    found = [(silhouette(features[part], own[part].tolist()), part.sum()) for part in parts]
    known = [(value, size) for value, size in found if value is not None]
    if not known:
        return None
    values, sizes = zip(*known, strict=True)
    return float(np.average(values, weights=sizes))
