"""Test samples instead of seeds: who is predicted right, which class, what is taken for what."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fdsweep.results.compute.statistics import MIN_PEOPLE, paired_bootstrap
from fdsweep.results.records.schema import CLASSIFICATION

Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tally:
    """Test samples of one key, counted.

    `seeds` and `people` (subjects, speakers or videos) name the first two places of `samples`
    [seeds, people] and of `hits`, how many of these are right. `class_samples` and `class_hits`
    [seeds, classes] count the same by label.
    """

    seeds: tuple[int, ...]
    people: tuple[str, ...]
    samples: Counts
    hits: Counts
    class_samples: Counts
    class_hits: Counts

    def tested(self, seeds: Collection[int]) -> NDArray[np.bool_]:
        """Which of the seeds are among `seeds` and have test samples: [seeds]."""
        chosen = np.array([seed in seeds for seed in self.seeds], dtype=np.bool_)
        return chosen & self.samples.any(axis=1)

    def count_people(self, seeds: Collection[int]) -> int:
        """How many people were tested by `seeds`."""
        return int(np.count_nonzero(self.samples[self.tested(seeds)].any(axis=0)))


@dataclass(frozen=True, slots=True)
class ItemLevel:
    """What a task knows of single test samples: counts by key, and a guess's score in percent."""

    tallies: Mapping[str, Tally] = field(default_factory=dict)
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class PeopleDifference:
    """A row against its baseline over test samples: fractions, not percent.

    `interval` is the 95 % percentile interval when people are drawn anew and seeds are not.
    """

    delta: float
    interval: tuple[float, float]


def item_level(task: str, predictions: pd.DataFrame) -> ItemLevel:
    """What `predictions` hold; nothing where there are none, or `task` has no item level."""
    read = ITEM_LEVELS.get(task)
    return ItemLevel() if read is None or predictions.empty else read(predictions)


def tally(predictions: pd.DataFrame) -> dict[str, Tally]:
    """The counts of each key in `predictions`, whose columns are those of `schema.PREDICTIONS`.

    All have the same seeds and people; where one was not tested its counts are 0.
    """
    if predictions.empty:
        return {}
    codes, keys = pd.factorize(predictions["key"])
    seed_codes, seeds = pd.factorize(predictions["seed"], sort=True)
    person_codes, people = pd.factorize(predictions["group"].astype("category"), sort=True)
    labels = predictions["label"].to_numpy()
    right = labels == predictions["prediction"].to_numpy()
    classes = count_classes(predictions)
    replicate = codes * len(seeds) + seed_codes

    def count(part: Counts, size: int) -> tuple[Counts, Counts]:
        place = replicate * size + part
        shape = (len(keys), len(seeds), size)
        every, hits = (
            np.bincount(some, minlength=int(np.prod(shape))).reshape(shape)
            for some in (place, place[right])
        )
        return every, hits

    by_person, by_class = count(person_codes, len(people)), count(labels, classes)
    counts = zip(*by_person, *by_class, strict=True)
    names = tuple(map(int, seeds)), tuple(map(str, people))
    return {str(key): Tally(*names, *own) for key, own in zip(keys, counts, strict=True)}


def people_differences(
    tallies: Mapping[str, Tally], pairs: Sequence[tuple[str, str, Collection[int]]]
) -> list[PeopleDifference | None]:
    """Each row against its baseline, from people: `pairs` are (key, baseline's key, seeds).

    Samples of all seeds that both have are pooled, so that it does not matter whether each seed
    tests the same people; all samples weigh the same. A draw of people serves both sides and all
    rows that were tested on the same people. It is fixed by their names, so the same rows give
    the same numbers. None without predictions, and where fewer than 10 people were tested: a
    percentile interval over fewer covers less than 90 %.
    """
    alike: dict[tuple[str, ...], list[tuple[int, Counts]]] = {}
    for index, (key, baseline, seeds) in enumerate(pairs):
        sides = [tallies.get(key), tallies.get(baseline)]
        if sides[0] is None or sides[1] is None:
            continue
        people, counts = _paired_counts(sides[0], sides[1], seeds)
        if len(people) >= MIN_PEOPLE:
            alike.setdefault(people, []).append((index, counts))
    found: list[PeopleDifference | None] = [None] * len(pairs)
    for people, rows in alike.items():
        digest = hashlib.sha256("\n".join(people).encode()).digest()
        samples, hits, their_samples, their_hits = np.stack([counts for _, counts in rows], axis=1)
        intervals = paired_bootstrap(
            samples, hits, their_samples, their_hits, np.random.default_rng(list(digest))
        )
        deltas = hits.sum(1) / samples.sum(1) - their_hits.sum(1) / their_samples.sum(1)
        for (index, _), delta, (low, high) in zip(rows, deltas, intervals, strict=True):
            found[index] = PeopleDifference(float(delta), (float(low), float(high)))
    return found


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


ITEM_LEVELS = {CLASSIFICATION: _classified}
"""Task -> what it makes of the rows of `predictions/`."""


def _paired_counts(
    row: Tally, baseline: Tally, seeds: Collection[int]
) -> tuple[tuple[str, ...], Counts]:
    """Who was tested on both sides, and their samples and hits on either: [4, people]."""
    both = row.tested(seeds) & baseline.tested(seeds)
    each = (row.samples, row.hits, baseline.samples, baseline.hits)
    counts = np.stack([count[both].sum(axis=0) for count in each])
    there = (counts[0] > 0) & (counts[2] > 0)
    people = tuple(name for name, tested in zip(row.people, there, strict=True) if tested)
    return people, counts[:, there]
