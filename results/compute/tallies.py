"""Test samples counted by who they are of, and what a row gains when others are drawn."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fdsweep.results.compute.ranked import Ranking, nan_mean, ranked_scores
from fdsweep.results.compute.statistics import MIN_PEOPLE, mean_share, paired_bootstrap

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tally:
    """Test samples of one key, counted; the score of any of them is their `mean_share`.

    `seeds` and `people` (subjects, speakers, videos, or images) name the first two places of
    `samples` [seeds, people, parts] and of `hits`, how many of these are right. The score is the
    mean over its parts: an accuracy has one, a mIoU one for each class, whose samples are the
    pixels of the union and whose hits are those of the intersection. `class_samples` and
    `class_hits` [seeds, classes] count the same by label, whichever the parts; `class_labelled`
    is how many samples have that label, `class_taken` how many are taken for that class.

    Where samples have sets of labels, a sample stands in the counts once for each class, `rankings`
    has each seed's samples as they are (None where it tested none), and these alone give the score.
    """

    seeds: tuple[int, ...]
    people: tuple[str, ...]
    samples: Counts
    hits: Counts
    class_samples: Counts
    class_hits: Counts
    class_labelled: Counts
    class_taken: Counts
    rankings: tuple[Ranking | None, ...] = ()

    def class_scores(self, seeds: Collection[int]) -> Shares:
        """The score of each class in percent, [classes], over `seeds`; NaN where it has none."""
        if self.rankings:
            found = [one.precisions() for one in self.ranked(seeds).values()]
            return 100 * nan_mean(np.stack(found, 1)) if found else np.zeros(0)
        done = self.tested(seeds)
        samples, hits = (each[done].sum(axis=0) for each in (self.class_samples, self.class_hits))
        nothing = np.full(hits.shape, np.nan)
        return np.asarray(np.divide(100 * hits, samples, out=nothing, where=samples > 0))

    def ranked(self, seeds: Collection[int]) -> dict[int, Ranking]:
        """The rankings of those of `seeds` that have one."""
        pairs = zip(self.seeds, self.rankings, strict=True)
        return {seed: one for seed, one in pairs if one is not None and seed in seeds}

    def macro_recall(self, seeds: Collection[int]) -> Shares:
        """The mean over the labels that occur of the share that is right, of each tested seed.

        It is called balanced accuracy, too, or mean class accuracy.
        """
        done = self.tested(seeds)
        return _class_mean(self.class_hits[done], self.class_labelled[done])

    def macro_f1(self, seeds: Collection[int]) -> Shares:
        """The mean of the classes' F1, 2 TP / (2 TP + FP + FN), of each tested seed.

        Of classes that occur, or that some sample is taken for; of pixels that is the Dice score.
        """
        done = self.tested(seeds)
        return _class_mean(
            2 * self.class_hits[done], self.class_labelled[done] + self.class_taken[done]
        )

    def tested(self, seeds: Collection[int]) -> NDArray[np.bool_]:
        """Which of the seeds are among `seeds` and have test samples: [seeds]."""
        wanted = set(seeds)  # which may be an index of pandas, slow to look up in
        chosen = np.array([seed in wanted for seed in self.seeds], dtype=np.bool_)
        return chosen & self.samples.any(axis=(1, 2))

    def count_people(self, seeds: Collection[int]) -> int:
        """How many people were tested by `seeds`."""
        return int(np.count_nonzero(self.samples[self.tested(seeds)].any(axis=(0, 2))))


@dataclass(frozen=True, slots=True)
class PeopleDifference:
    """A row against its baseline over test samples: fractions, not percent.

    `interval` is the 95 % percentile interval when people are drawn anew and seeds are not.
    """

    delta: float
    interval: tuple[float, float]


def count(
    rows: pd.DataFrame,
    *,
    hits: ArrayLike,
    samples: ArrayLike,
    labelled: ArrayLike,
    taken: ArrayLike,
    guesses: Counts,
    parts: Counts,
    classes: int,
) -> dict[str, Tally]:
    """The tally of each key in `rows`, whose columns are `key`, `seed`, `group` and `label`.

    All have the same seeds and people; where one was not tested its counts are 0.

    Args:
        rows: one or more, of `predictions/`.
        hits: what each row adds to the hits, [rows].
        samples: the same of the samples.
        labelled: the same of the samples with its label.
        taken: the same of the samples that are taken for the class in `guesses`.
        guesses: a class for each row, [rows].
        parts: the part that each row adds to, [rows].
        classes: more than the largest label or guess.
    """
    codes, keys = pd.factorize(rows["key"])
    seed_codes, seeds = pd.factorize(rows["seed"], sort=True)
    person_codes, people = pd.factorize(rows["group"].astype("category"), sort=True)
    replicate = codes * len(seeds) + seed_codes

    def add(values: ArrayLike, *axes: tuple[Counts, int]) -> Counts:
        place, shape = replicate, [len(keys), len(seeds)]
        for code, size in axes:
            place = place * size + code
            shape.append(size)
        sums = np.bincount(place, weights=values, minlength=int(np.prod(shape)))
        return sums.astype(np.int64).reshape(shape)

    by_person = (person_codes, len(people)), (parts, int(parts.max()) + 1)
    by_class = rows["label"].to_numpy(np.int64), classes
    counts = (
        *(add(samples, *by_person), add(hits, *by_person)),
        *(add(each, by_class) for each in (samples, hits, labelled)),
        add(taken, (guesses, classes)),
    )
    names = tuple(map(int, seeds)), tuple(map(str, people))
    return {
        str(key): Tally(*names, *own)
        for key, own in zip(keys, zip(*counts, strict=True), strict=True)
    }


def _class_mean(hits: Counts, counts: Counts) -> Shares:
    """The mean over classes of hits / counts, [seeds], where there is something to count."""
    there = counts > 0
    shares = np.divide(hits, counts, out=np.zeros(hits.shape), where=there)
    return np.asarray(shares.sum(axis=1) / there.sum(axis=1))


def people_differences(
    tallies: Mapping[str, Tally], pairs: Sequence[tuple[str, str, Collection[int]]]
) -> list[PeopleDifference | None]:
    """Each row against its baseline, from people: `pairs` are (key, baseline's key, seeds).

    Samples of all seeds that both have are pooled, so that it does not matter whether each seed
    tests the same people; all samples of a part weigh the same. A draw of people serves both sides
    and all rows that were tested on the same people. It is fixed by their names, so the same rows
    give the same numbers. None without predictions, and where fewer than 10 people were tested: a
    percentile interval over fewer covers less than 90 %.

    Where samples have sets of labels it is the mean over seeds of the difference: there is no score
    of the samples of several seeds together, whose scores come from several networks.
    """
    alike: dict[tuple[str, ...], list[tuple[int, Counts]]] = {}
    found: list[PeopleDifference | None] = [None] * len(pairs)
    scored: dict[tuple[object, ...], Shares | None] = {}
    for index, (key, baseline, seeds) in enumerate(pairs):
        sides = [tallies.get(key), tallies.get(baseline)]
        if sides[0] is None or sides[1] is None:
            continue
        if sides[0].rankings and sides[1].rankings:
            found[index] = _ranked(sides[0], sides[1], seeds, scored)
            continue
        people, counts = _paired_counts(sides[0], sides[1], seeds)
        if len(people) >= MIN_PEOPLE:
            alike.setdefault(people, []).append((index, counts))
    for people, rows in alike.items():
        samples, hits, their_samples, their_hits = np.stack([counts for _, counts in rows], axis=1)
        intervals = paired_bootstrap(samples, hits, their_samples, their_hits, _generator(people))
        deltas = mean_share(hits.sum(1), samples.sum(1)) - mean_share(
            their_hits.sum(1), their_samples.sum(1)
        )
        for (index, _), delta, (low, high) in zip(rows, deltas, intervals, strict=True):
            found[index] = PeopleDifference(float(delta), (float(low), float(high)))
    return found


def _generator(people: Sequence[str]) -> np.random.Generator:
    """The draws of so named `people`: the same whenever they are asked for."""
    return np.random.default_rng(list(hashlib.sha256("\n".join(people).encode()).digest()))


def _ranked(
    row: Tally,
    baseline: Tally,
    seeds: Collection[int],
    scored: dict[tuple[object, ...], Shares | None],
) -> PeopleDifference | None:
    """Of rows whose samples are ranked; people have the same numbers on both sides.

    `scored` has what was found of a row, as baselines are asked for again.
    """
    both = sorted(row.ranked(seeds).keys() & baseline.ranked(seeds).keys())
    sides = [list(one.ranked(both).values()) for one in (row, baseline)]
    there = [{number for one in side for number in one.people.tolist()} for side in sides]
    people = np.array(sorted(there[0] & there[1]), dtype=np.int64)
    if len(people) < MIN_PEOPLE:
        return None
    names = tuple(row.people[number] for number in people)
    scores = []
    for tally, side in zip((row, baseline), sides, strict=True):
        asked = (id(tally), *both, names)
        if asked not in scored:
            scored[asked] = ranked_scores(side, len(row.people), people, _generator(names))
        scores.append(scored[asked])
    ours, theirs = scores
    if ours is None or theirs is None or len(ours) != len(theirs):
        return None
    differences = ours - theirs
    low, high = np.nanquantile(differences[1:], [0.025, 0.975])
    return PeopleDifference(float(differences[0]), (float(low), float(high)))


def _paired_counts(
    row: Tally, baseline: Tally, seeds: Collection[int]
) -> tuple[tuple[str, ...], Counts]:
    """Who was tested on both sides, and their samples and hits on either: [4, people, parts]."""
    both = row.tested(seeds) & baseline.tested(seeds)
    each = (row.samples, row.hits, baseline.samples, baseline.hits)
    counts = np.stack([count[both].sum(axis=0) for count in each])
    there = counts[0].any(axis=1) & counts[2].any(axis=1)
    people = tuple(name for name, tested in zip(row.people, there, strict=True) if tested)
    return people, counts[:, there]
