"""What each task keeps of test samples, counted: who is predicted right, which class, as what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from fdsweep.results.compute.ranked import Ranking
from fdsweep.results.compute.tallies import Counts, Tally, count
from fdsweep.results.records.schema import CLASSIFICATION, MULTILABEL, RETRIEVAL, SEGMENTATION
from fdsweep.search_spaces.ranking import THRESHOLD
from fdsweep.search_spaces.ranking.retrieval import DEPTHS, found


@dataclass(frozen=True, slots=True)
class ItemLevel:
    """What a task knows of single test samples: counts by key, and a guess's score in percent."""

    tallies: Mapping[str, Tally] = field(default_factory=dict)
    chance: float | None = None


def item_level(task: str, predictions: pd.DataFrame) -> ItemLevel:
    """What `predictions` hold; nothing where there are none, or `task` has no item level."""
    read = ITEM_LEVELS.get(task)
    return ItemLevel() if read is None or predictions.empty else read(predictions)


def tally(predictions: pd.DataFrame) -> dict[str, Tally]:
    """Samples and right ones, of `predictions` as in `schema.PREDICTIONS`: accuracies."""
    if predictions.empty:
        return {}
    each = np.ones(len(predictions))
    return count(
        predictions,
        hits=predictions["label"].to_numpy() == predictions["prediction"].to_numpy(),
        samples=each,
        labelled=each,
        taken=each,
        guesses=predictions["prediction"].to_numpy(dtype=np.int64),
        parts=np.zeros(len(predictions), dtype=np.int64),
        classes=count_classes(predictions),
    )


def overlaps(predictions: pd.DataFrame) -> dict[str, Tally]:
    """Pixels of unions and intersections, of `predictions` as in `schema.REGIONS`: mIoUs."""
    if predictions.empty:
        return {}
    labels = predictions["label"].to_numpy(dtype=np.int64)
    hits, samples, labelled = (
        predictions[name].to_numpy() for name in ("intersection", "union", "labelled")
    )
    return count(
        predictions,
        hits=hits,
        samples=samples,
        labelled=labelled,
        taken=samples - labelled + hits,
        guesses=labels,
        parts=labels,
        classes=int(labels.max()) + 1,
    )


def ranked(predictions: pd.DataFrame) -> dict[str, Tally]:
    """Samples with each class, and taken for it, of `predictions` as in `schema.LABEL_SETS`."""
    if predictions.empty:
        return {}
    scores = np.stack(predictions["scores"].to_list()).astype(np.float32)
    n, classes = scores.shape
    truths = np.zeros((n, classes), dtype=np.bool_)
    for row, labels in enumerate(predictions["labels"]):
        truths[row, labels] = True
    guesses = scores > THRESHOLD
    each = pd.DataFrame(
        {name: predictions[name].to_numpy().repeat(classes) for name in ("key", "seed", "group")}
    )
    numbers = np.tile(np.arange(classes), n)
    tallies = count(
        each.assign(label=numbers),
        hits=(truths & guesses).ravel(),
        samples=np.ones(n * classes),
        labelled=truths.ravel(),
        taken=guesses.ravel(),
        guesses=numbers,
        parts=np.zeros(n * classes, dtype=np.int64),
        classes=classes,
    )
    keys, seeds = predictions["key"].to_numpy(), predictions["seed"].to_numpy()
    people = {name: number for number, name in enumerate(next(iter(tallies.values())).people)}
    codes = np.array([people[str(name)] for name in predictions["group"]])

    def of(key: str, seed: int) -> Ranking | None:
        own = (keys == key) & (seeds == seed)
        return Ranking(codes[own], truths[own], scores[own]) if own.any() else None

    return {
        key: replace(tally, rankings=tuple(of(key, seed) for seed in tally.seeds))
        for key, tally in tallies.items()
    }


def recalled(predictions: pd.DataFrame) -> dict[str, Tally]:
    """Samples and those that find their own, of `predictions` as in `schema.RANKS`.

    A sample stands in the counts once for each of RECALLS, which are numbered as if they were
    classes: the score is their mean.
    """
    if predictions.empty:
        return {}
    hits = np.array(found(predictions["rank"].tolist(), predictions["rank_back"].tolist()))
    n, kinds = hits.shape
    numbers, each = np.tile(np.arange(kinds), n), np.ones(n * kinds)
    rows = {name: predictions[name].to_numpy().repeat(kinds) for name in ("key", "seed", "group")}
    return count(
        pd.DataFrame({**rows, "label": numbers}),
        hits=hits.ravel(),
        samples=each,
        labelled=each,
        taken=each,
        guesses=numbers,
        parts=np.zeros(n * kinds, dtype=np.int64),
        classes=kinds,
    )


def count_classes(predictions: pd.DataFrame) -> int:
    """Number of classes, told by the largest label or prediction; 0 without a row."""
    if predictions.empty:
        return 0
    return int(predictions[["label", "prediction"]].to_numpy().max()) + 1


def confusion(predictions: pd.DataFrame) -> Counts:
    """Samples by label and prediction, [classes, classes], of whatever `predictions` holds."""
    classes = count_classes(predictions)
    labels = predictions["label"].to_numpy(dtype=np.int64)
    place = labels * classes + predictions["prediction"].to_numpy()
    return np.bincount(place, minlength=classes**2).reshape(classes, classes)


def _classified(predictions: pd.DataFrame) -> ItemLevel:
    return ItemLevel(tally(predictions), 100.0 / count_classes(predictions))


def _segmented(predictions: pd.DataFrame) -> ItemLevel:
    """No chance level: what a guess overlaps with depends on how often each class occurs."""
    return ItemLevel(overlaps(predictions))


def _ranked(predictions: pd.DataFrame) -> ItemLevel:
    """No chance level: what a guess ranks depends on how often each class occurs."""
    return ItemLevel(ranked(predictions))


def _recalled(predictions: pd.DataFrame) -> ItemLevel:
    """A guess finds its own among the first k of n with the chance k / n, where n is not below."""
    n = predictions.groupby(["key", "seed"]).size().mean()
    chance = np.mean([min(k / n, 1.0) for k in DEPTHS])
    return ItemLevel(recalled(predictions), float(100 * chance))


ITEM_LEVELS = {
    **{CLASSIFICATION: _classified, SEGMENTATION: _segmented},
    **{MULTILABEL: _ranked, RETRIEVAL: _recalled},
}
"""Task -> what it makes of the rows of `predictions/`."""
