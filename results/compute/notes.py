"""The sentences below a table, written from the data alone."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.provenance import environments, setting
from fdsweep.results.compute.provenance.setting import Deviations
from fdsweep.results.compute.responses import short_name
from fdsweep.results.compute.statistics import (
    DRAWS,
    MIN_PEOPLE,
    detectable_effect,
    seeds_needed,
    smallest_p,
)
from fdsweep.results.compute.verdicts import ALPHA
from fdsweep.results.compute.words import of_metric, of_option
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import RETRIEVAL

if TYPE_CHECKING:
    import pandas as pd

OURS = (
    "Epoch and head are chosen on validation and test is read once there. last: the last epoch. "
    "test-sel.: epoch and head chosen on test, optimistic, for comparison with papers only."
)
PUBLISHED = (
    "The published protocol: no validation split is held out, and of students and teachers alike "
    "the epoch and head that test prefers count, so every number is optimistic. Differences and "
    "their intervals describe; nothing here is tested or decided. last: the last epoch."
)
MIN_FIRM_SEEDS = 8
DOUBT_MARK = "†"

PAIRINGS = {
    "paired": "paired, each student sample beside its own",
    "shuffled": "shuffled within the batch",
    "same-class": "same-class, each student sample beside one drawn from its class",
    "unpaired": "unpaired, each student sample beside one drawn from all",
}

SEVERAL = (
    "Several teachers: each has an instance of the method of its own unless the method takes "
    "several at once, and what they teach is averaged, by weight where weights are named."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the sentences are about.

    `seeds` were asked for and `cells` hold what became of them, `done` the rows of those that are
    done. `pairs` is the smallest number of seeds behind a comparison (0 if there is none), `family`
    the number of comparisons in a direction. `floors` gives directions the noise floor of their A/A
    row, in points. `deviations` are from the paper's setting, None where no number of the paper's
    is shown, and `doubts` what is not certain about those numbers. `teachers` are test scores
    (fractions, one per seed) by modality, `learnt` the values of response options, one per seed, by
    key of the row. `margin` is that of equivalence, in points; `chance` the score in percent that
    failed seeds are given in the `worst` case, a difference in points by key of the row. `people`
    says of each cell with predictions how many it tested: subjects, speakers, videos, or images.
    """

    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    done: "pd.DataFrame"
    pairs: int
    family: int
    floors: Mapping[tuple[str, str], float]
    deviations: Deviations | None
    doubts: tuple[str, ...]
    teachers: Mapping[str, Sequence[float]]
    learnt: Mapping[str, Sequence[float]]
    margin: float
    chance: float | None
    worst: Mapping[str, float]
    people: tuple[int, ...]


def write(manifest: Manifest, facts: Facts) -> tuple[str, ...]:
    """The notes of a table: how to read it, how sure it is, what is missing, what it is from."""
    return (
        *_reading(manifest, facts),
        *_certainty(manifest, facts),
        *_noise(facts),
        *_people(manifest, facts),
        *_learnt(manifest, facts),
        *_gaps(facts),
        *_origin(manifest, facts),
    )


def _reading(manifest: Manifest, facts: Facts) -> Iterator[str]:
    words = of_metric(manifest.metric)
    yield (
        f"{words.on_test} in %, seeds {spell_seeds(facts.seeds)}, {manifest.epochs} epochs. "
        "Δ: mean difference to the first row over the seeds that both have, with its 95 % "
        "paired-t interval."
    )
    if manifest.task == RETRIEVAL and facts.chance is not None:
        yield f"Chance: who guesses scores {facts.chance:.1f}."
    is_published = manifest.protocol == "published"
    yield PUBLISHED if is_published else OURS
    pairings = {cell.row.pairing for cell in facts.cells if cell.row.pairing}
    if len(pairings) == 1:
        pairing = pairings.pop()
        yield f"Teacher samples: {PAIRINGS.get(pairing, pairing)}."
    if any(cell.row.taught_by for cell in facts.cells):
        yield SEVERAL
    if facts.deviations is not None:
        column = words.heading if is_published else "test-sel."
        other = "as here" if is_published else f"so compare it with {column}, not {words.heading}"
        yield (
            "paper: one published number; the published code reports its best test epoch and head, "
            f"{other}."
        )
        if not facts.deviations.task:
            yield f"paper is: where that number lies against the 95 % t interval of {column}."
        yield from setting.sentences(facts.deviations)
    for doubt in facts.doubts:
        yield f"{DOUBT_MARK} {doubt}."


def _certainty(manifest: Manifest, facts: Facts) -> Iterator[str]:
    n, family = facts.pairs, facts.family
    if n:
        needed = seeds_needed(family)
        if n < max(MIN_FIRM_SEEDS, needed):
            yield (
                f"Exploratory: with n = {n} paired seeds the exact sign-flip test cannot go below "
                f"p = {smallest_p(n):.2g}; Holm over the comparisons of a direction ({family}) "
                f"needs at least {needed} seeds, and {max(MIN_FIRM_SEEDS, needed)} are advised."
            )
        else:
            yield (
                "p Holm: two-sided sign-flip test, Holm-adjusted over the comparisons of a "
                f"direction ({family})."
            )
    if n > 1:
        yield (
            f"With n = {n} paired seeds a paired t-test finds a true difference of "
            f"{detectable_effect(n):.2g} SD of the differences with 80 % power (before Holm)."
        )
        yield (
            "Verdict: improves or worse where the 95 % interval leaves out 0 and p Holm is below "
            f"{ALPHA}; else equivalent where the 90 % paired-t interval lies within "
            f"±{facts.margin:g} points (two one-sided tests at 5 %); else inconclusive."
        )
    if len(manifest.seed_history) > 1:
        yield f"Seeds were extended after a look: {' -> '.join(_sizes(manifest))}."


def _noise(facts: Facts) -> Iterator[str]:
    if not facts.floors:
        return
    said = ", ".join(
        f"±{floor:.2f} points ({teacher} -> {student})"
        for (teacher, student), floor in facts.floors.items()
    )
    yield (
        f"Noise floor: {said}, the half-width of the 95 % paired-t interval of A/A, which repeats "
        "the first row from initial weights changed by a relative 1e-7. A difference within it may "
        "be rounding alone. A/A is outside Holm's family and has no verdict."
    )


def _people(manifest: Manifest, facts: Facts) -> Iterator[str]:
    tested = [people for people in facts.people if people]
    if not tested or not facts.pairs:
        return
    words = of_metric(manifest.metric)
    said = " to ".join(map(str, sorted({min(tested), max(tested)})))
    if max(tested) < MIN_PEOPLE:
        yield (
            f"New {words.drawn}? {said} {words.kinds} were tested; an interval that draws them "
            f"anew needs at least {MIN_PEOPLE}, for over fewer it covers too little."
        )
    else:
        yield (
            f"New seeds? The interval of Δ. New {words.drawn}? The difference over {words.samples} "
            f"with the 95 % percentile interval of a paired bootstrap over {said} {words.kinds} "
            f"({words.draws or f'{DRAWS:,} draws'}), which holds the seeds as they are."
        )


def _learnt(manifest: Manifest, facts: Facts) -> Iterator[str]:
    learning = [cell.row for cell in facts.cells if facts.learnt.get(cell.row.key)]
    several = len({row.row for row in learning}) > 1
    for row in learning:
        values = facts.learnt[row.key]
        option = short_name(manifest.response_options[row.method])
        start = of_option(option).start
        by = f"by {row.row}, " if several else ""
        yield (
            f"{option.capitalize()} learnt ({by}direction {row.teacher_modality} -> "
            f"{row.student_modality}): {_mean_and_deviation(values, 2)} at the chosen epoch "
            f"(n = {len(values)}){'' if start is None else f', from {start}'}."
        )


def _gaps(facts: Facts) -> Iterator[str]:
    for cell in facts.cells:
        place = f"{cell.row.row} ({cell.row.teacher_modality} -> {cell.row.student_modality})"
        if len(cell.missing) == len(facts.seeds):
            yield f"{place}: no data yet."
        else:
            gaps = {"failed": cell.failed, "missing": cell.missing}
            said = [f"{spell_seeds(seeds)} {word}" for word, seeds in gaps.items() if seeds]
            if said:
                yield f"{place}: seeds {'; '.join(said)}."
    if facts.worst and facts.chance is not None:
        said = [
            f"{cell.row.row} ({cell.row.teacher_modality} -> {cell.row.student_modality}) "
            f"{facts.worst[cell.row.key]:+z.1f}"
            for cell in facts.cells
            if cell.row.key in facts.worst
        ]
        yield (
            "Failed seeds count in n (done/asked) and are left out of Δ. In the worst case, with "
            f"each at chance level ({facts.chance:.1f} %), Δ is: {', '.join(said)}."
        )


def _origin(manifest: Manifest, facts: Facts) -> Iterator[str]:
    known = {modality: values for modality, values in facts.teachers.items() if values}
    if known:
        said = ", ".join(f"{modality} {_spread(values)}" for modality, values in known.items())
        yield f"Teachers on test: {said}."
    yield from manifest.data_notes
    yield from _cost(facts.done)
    versions = sorted(facts.done["fdsweep_version"].unique())
    made_by = f", fdsweep {', '.join(versions)}" if versions else ""
    yield f"Data {manifest.data_fingerprint}{made_by}."


def _cost(done: "pd.DataFrame") -> Iterator[str]:
    yield from environments.sentences(done)
    if count := len(done):
        total = float(done["wall_seconds"].sum())
        hours = float((done["wall_seconds"] * done["devices"].fillna(1.0)).sum()) / 3600
        devices = sorted(device for device in done["device"].unique() if device)
        where = f" on {', '.join(devices)}" if devices else ""
        yield (
            f"Cost: {total:,.0f} s of wall time for {count:,} done replicates{where}, "
            f"{total / count:.1f} s each; {f'{hours:,.0f}' if hours >= 100 else f'{hours:.3g}'} "
            "device hours."
        )


def spell_seeds(seeds: Sequence[int]) -> str:
    """Seeds for people, which are sorted: `0-4` for three or more in a row, else a list."""
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]}-{seeds[-1]}"
    return ", ".join(map(str, seeds))


def _sizes(manifest: Manifest) -> list[str]:
    history = manifest.seed_history
    unions = [set().union(*history[: index + 1]) for index in range(len(history))]
    return [str(len(union)) for union in unions]


def _spread(fractions: Sequence[float]) -> str:
    percent = [100 * value for value in fractions]
    return f"{_mean_and_deviation(percent, 1)} (n = {len(percent)})"


def _mean_and_deviation(values: Sequence[float], digits: int) -> str:
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{deviation}"
