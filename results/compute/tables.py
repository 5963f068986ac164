"""The table of a sweep, computed: every number in percent, none of them formatted."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fdsweep.results.compute import notes
from fdsweep.results.compute.cells import Cell, chosen_seeds, collect
from fdsweep.results.compute.predictions import (
    PeopleDifference,
    Tally,
    item_level,
    people_differences,
)
from fdsweep.results.compute.provenance.published import Published, look_up
from fdsweep.results.compute.provenance.setting import (
    INCOMPARABLE_MARK,
    NOT_COMPARABLE,
    Deviations,
    deviations,
)
from fdsweep.results.compute.statistics import (
    detectable_effect,
    effect_size,
    half_width,
    holm,
    mean_interval,
    paired_difference,
    share_better,
    sign_flip_ps,
)
from fdsweep.results.compute.verdicts import MARGIN, Verdict, against_paper, decide
from fdsweep.results.records.manifest import Manifest
from fdsweep.search_spaces.configs import Protocol

TO_PERCENT = 100.0
TITLES: dict[Protocol, str] = {
    "ours": "",
    "published": " (published protocol: epoch and head chosen on test, optimistic)",
}
"""What a table's title says of how epoch and head were chosen."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One line of the table in one direction, in percent; None where there is no number.

    `group` is a heading shared with its neighbours, `pairing` which teacher sample stands beside
    a student sample (None without a teacher). `control` "aa" repeats the first row but for
    rounding. Over the `n` done of the `asked` seeds: `mean`, `std` (ddof = 1) and 95 % t interval
    `ci_low`, `ci_high` of the test score at the epoch and head chosen on validation; the
    means `last` (last epoch) and `test_selected` (chosen on test), and `gap`, how much the
    latter gains. Against the first row of the direction, over the `pairs` seeds that both have:
    `delta` with its paired-t interval, the correlation `rho`, the sign-flip `p_value`, and
    `p_adjusted` (Holm over the other rows of the direction, those without data included, A/A rows
    not); the `verdict` of `verdicts.decide`; `detectable`, the smallest true difference in points
    that so many seeds find with 80 % power if differences vary as they do here; the `effect_size`
    d_z; and `p_better`, the share (0..1) of seeds in which the row is better, ties half.
    `worst_delta` is `delta` with every failed seed of either side at chance level, where one
    failed. `people_delta` and its 95 % interval `people_ci` are of the same difference over test
    samples, when people are drawn anew and seeds are not: see `predictions.people_differences`.
    `paper` is the published number, `paper_note` what is not certain about it, `paper_verdict`
    where it lies against the 95 % t interval of the test-selected score, or "not comparable: " and
    why. `seconds` is the mean wall time of a done replicate.

    `noise_floor` is the half-width of the 95 % paired-t interval of the direction's A/A row, in
    points, and `within_noise` says whether `delta` lies inside it. An A/A row has neither p nor
    verdict; nor has any row under the published protocol, where `mean` is chosen on test, so that
    there is no `gap`, and differences only describe.
    """

    row: str
    group: str | None
    pairing: str | None
    teacher_modality: str
    student_modality: str
    n: int
    asked: int
    failed: int
    mean: float | None
    std: float | None
    ci_low: float | None
    ci_high: float | None
    delta: float | None = None
    delta_ci: tuple[float, float] | None = None
    pairs: int | None = None
    rho: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    last: float | None
    test_selected: float | None
    gap: float | None
    paper: float | None
    paper_note: str | None
    verdict: Verdict | None = None
    detectable: float | None = None
    effect_size: float | None = None
    p_better: float | None = None
    worst_delta: float | None = None
    people_delta: float | None = None
    people_ci: tuple[float, float] | None = None
    seconds: float | None = None
    paper_verdict: str | None = None
    control: str | None = None
    noise_floor: float | None = None
    within_noise: bool | None = None

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality

    @property
    def is_comparable(self) -> bool:
        """Whether the paper's number is of the same task."""
        return not (self.paper_verdict or "").startswith(NOT_COMPARABLE)

    @property
    def paper_marks(self) -> str:
        """What stands behind the paper's number, each mark with a note of its own."""
        doubt = notes.DOUBT_MARK if self.paper_note else ""
        return doubt if self.is_comparable else doubt + INCOMPARABLE_MARK


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRow:
    """Accuracy in percent on the `n` test samples of one class, all done seeds of a row pooled."""

    row: str
    teacher_modality: str
    student_modality: str
    label: int
    n: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Table:
    """Rows grouped by direction, in the order of the sweep, never sorted by score.

    `columns` are the fields of the rows that hold something in at least one of them; `notes`
    are whole sentences. `per_class` is in the order of the rows, then of the labels, and `margin`
    the equivalence margin of the verdicts, in points. `metric` is what the scores are, `protocol`
    how epoch and head were chosen, as in `NetworkConfig`.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]
    per_class: tuple[ClassRow, ...] = ()
    margin: float = MARGIN
    metric: str = "accuracy"
    protocol: Protocol = "ours"


def build_table(
    manifest: Manifest,
    replicates: pd.DataFrame,
    seeds: Sequence[int] | None = None,
    teachers: Mapping[str, Sequence[float]] | None = None,
    learnt: Mapping[str, Sequence[float]] | None = None,
    predictions: pd.DataFrame | None = None,
    margin: float = MARGIN,
) -> Table:
    """The table of `manifest`, both directions as groups, from the rows of `results/`.

    `seeds` leaves out the others; `teachers` gives test scores (fractions, one per seed) of each
    modality's teacher, and `learnt` the values that `responses.learnt` finds: for notes.
    `predictions`, the rows of `predictions/`, are needed for what is said of people and classes,
    and for the chance level of failed seeds. `margin` is in points.

    Raises:
        ConfigError: a seed that the sweep does not have, or a wrong reference to the paper.
    """
    asked = chosen_seeds(manifest, seeds)
    cells = collect(manifest, replicates, asked)
    groups = [list(group) for _, group in itertools.groupby(cells, lambda cell: cell.row.direction)]
    samples = predictions if predictions is not None else pd.DataFrame()
    items = item_level(manifest.task, samples)
    setting = _Setting(
        manifest=manifest,
        asked=len(asked),
        tallies=items.tallies,
        chance=items.chance,
        margin=margin,
        deviations=deviations(manifest),
    )
    rows = tuple(row for group in groups for row in _group_rows(setting, group))
    facts = notes.Facts(
        seeds=asked,
        cells=tuple(cells),
        pairs=min((row.pairs for row in rows if row.pairs and row.verdict), default=0),
        family=max(map(_family, groups), default=0),
        floors={row.direction: row.noise_floor for row in rows if row.noise_floor is not None},
        deviations=setting.deviations if any(row.paper is not None for row in rows) else None,
        doubts=tuple(dict.fromkeys(row.paper_note for row in rows if row.paper_note)),
        teachers=teachers or {},
        learnt=learnt or {},
        margin=margin,
        chance=setting.chance,
        worst={
            cell.row.key: row.worst_delta
            for cell, row in zip(cells, rows, strict=True)
            if row.worst_delta is not None
        },
        people=tuple(
            setting.tallies[cell.row.key].count_people(cell.done.index)
            for cell in cells
            if cell.row.key in setting.tallies
        ),
    )
    return Table(
        title=title(manifest),
        columns=tuple(
            field.name
            for field in fields(TableRow)
            if any(getattr(row, field.name) is not None for row in rows)
        ),
        rows=rows,
        notes=notes.write(manifest, facts),
        per_class=tuple(one for cell in cells for one in _per_class(cell, setting.tallies)),
        margin=margin,
        metric=manifest.metric,
        protocol=manifest.protocol,
    )


def _family(group: Sequence[Cell]) -> int:
    """Comparisons of a direction that Holm counts."""
    return sum(not cell.row.control for cell in group) - 1


def title(manifest: Manifest) -> str:
    """What is studied, on what, and whether its numbers are optimistic."""
    return f"{manifest.title}, {manifest.dataset}{TITLES[manifest.protocol]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setting:
    """What all rows of a table share; `chance` is in percent."""

    manifest: Manifest
    asked: int
    tallies: Mapping[str, Tally]
    chance: float | None
    margin: float
    deviations: Deviations | None

    def judges(self, cell: Cell) -> bool:
        """Whether a difference of `cell` to its baseline gets a p and a verdict."""
        return not cell.row.control and self.manifest.protocol == "ours"


@dataclass(frozen=True, slots=True)
class _Scores:
    """A cell's done replicates: scores in percent and wall seconds, and the place of a seed."""

    cell: Cell
    places: dict[int, int]
    selected: Vector
    last: Vector
    best: Vector
    seconds: Vector

    @classmethod
    def of(cls, cell: Cell) -> "_Scores":
        names = ("test_score", "test_score_last", "test_score_best", "wall_seconds")
        selected, last, best, seconds = (cell.done[name].to_numpy(np.float64) for name in names)
        places = {int(seed): place for place, seed in enumerate(cell.done.index)}
        return cls(
            cell, places, TO_PERCENT * selected, TO_PERCENT * last, TO_PERCENT * best, seconds
        )

    def by_seed(self) -> dict[int, float]:
        return {seed: float(self.selected[place]) for seed, place in self.places.items()}


def _group_rows(setting: _Setting, group: Sequence[Cell]) -> list[TableRow]:
    """The rows of one direction; the p-values of all that are judged are one family."""
    baseline, *others = (_Scores.of(cell) for cell in group)
    pairs = [_paired(each, baseline) for each in others]
    rows = [
        _described(_row(setting, each), *pair, _worst_delta(each, baseline, setting.chance))
        for each, pair in zip(others, pairs, strict=True)
    ]
    judged = [place for place, each in enumerate(others) if setting.judges(each.cell)]
    p_values = _p_values([np.subtract(*pairs[place]) for place in judged])
    adjusted = holm([1.0 if p is None else p for p in p_values])
    people = people_differences(
        setting.tallies,
        [
            (each.cell.row.key, baseline.cell.row.key, each.places.keys() & baseline.places.keys())
            for each in (others[place] for place in judged)
        ],
    )
    for place, p_value, p_adjusted, drawn in zip(judged, p_values, adjusted, people, strict=True):
        row = _with_people(rows[place], drawn)
        if p_value is not None:
            row = _judged(row, *pairs[place], p_value, p_adjusted, setting.margin)
        rows[place] = row
    if setting.manifest.protocol == "ours":
        rows = _against_noise(rows)
    return [_row(setting, baseline), *rows]


def _row(setting: _Setting, scores: _Scores) -> TableRow:
    """What is known of one cell alone."""
    cell, selected, best = scores.cell, scores.selected, scores.best
    interval = mean_interval(selected)
    on_test = setting.manifest.protocol == "published"
    paper = _paper(setting.manifest, cell)
    return TableRow(
        row=cell.row.row,
        group=cell.row.group or None,
        pairing=cell.row.pairing or None,
        control=cell.row.control or None,
        teacher_modality=cell.row.teacher_modality,
        student_modality=cell.row.student_modality,
        n=len(selected),
        asked=setting.asked,
        failed=len(cell.failed),
        mean=_mean(selected),
        std=float(selected.std(ddof=1)) if interval else None,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        last=_mean(scores.last),
        test_selected=_mean(best),
        gap=None if on_test else _mean(best - selected),
        paper=paper.value if paper else None,
        paper_note=paper.doubt if paper else None,
        paper_verdict=_paper_verdict(setting, paper, best) if paper else None,
        seconds=_mean(scores.seconds),
    )


def _paired(scores: _Scores, baseline: _Scores) -> tuple[Vector, Vector]:
    """Scores of both over the seeds that both have done."""
    seeds = [seed for seed in scores.places if seed in baseline.places]
    return (
        scores.selected[[scores.places[seed] for seed in seeds]],
        baseline.selected[[baseline.places[seed] for seed in seeds]],
    )


def _p_values(differences: Sequence[Vector]) -> list[float | None]:
    """Sign-flip p of each; None where there is no pair."""
    p_values: list[float | None] = [None] * len(differences)
    for n in {len(each) for each in differences} - {0}:
        places = [place for place, each in enumerate(differences) if len(each) == n]
        some = sign_flip_ps([differences[place] for place in places], np.random.default_rng(0))
        for place, p in zip(places, some, strict=True):
            p_values[place] = float(p)
    return p_values


def _described(row: TableRow, ours: Vector, theirs: Vector, worst: float | None) -> TableRow:
    """`row` with what its difference to the baseline is, without a word on what it means."""
    row = replace(row, pairs=len(ours), worst_delta=worst)
    if not len(ours):
        return row
    against = paired_difference(ours, theirs)
    low, high = against.ci_low, against.ci_high
    return replace(
        row,
        delta=against.delta,
        delta_ci=None if low is None or high is None else (low, high),
        rho=against.rho,
    )


def _judged(
    row: TableRow, ours: Vector, theirs: Vector, p_value: float, p_adjusted: float, margin: float
) -> TableRow:
    """`row` with its verdict and all that belongs to a test."""
    against = paired_difference(ours, theirs)
    differences, spread = ours - theirs, against.std_diff
    return replace(
        row,
        p_value=p_value,
        p_adjusted=p_adjusted,
        verdict=decide(differences, p_adjusted, margin),
        detectable=None if spread is None else detectable_effect(against.n) * spread,
        effect_size=effect_size(against),
        p_better=share_better(differences),
    )


def _against_noise(rows: Sequence[TableRow]) -> list[TableRow]:
    """The `rows` of a direction beside the spread of those that repeat its first one."""
    widths = [half_width(row.delta_ci) for row in rows if row.control]
    floor = max((width for width in widths if width is not None), default=None)
    if floor is None:
        return list(rows)
    return [
        replace(
            row,
            noise_floor=floor,
            within_noise=None if row.verdict is None else abs(row.delta or 0) <= floor,
        )
        for row in rows
    ]


def _paper_verdict(setting: _Setting, paper: Published, best: Vector) -> str | None:
    refusal = setting.deviations and setting.deviations.refusal
    return refusal or against_paper(paper.value, best[~np.isnan(best)])


def _worst_delta(scores: _Scores, baseline: _Scores, chance: float | None) -> float | None:
    """The difference if failed seeds were at `chance`; None where none failed or it is unknown."""
    failed = {*scores.cell.failed, *baseline.cell.failed}
    if chance is None or not failed:
        return None
    ours, theirs = (
        {**dict.fromkeys(each.cell.failed, chance), **each.by_seed()} for each in (scores, baseline)
    )
    seeds = [seed for seed in ours if seed in theirs]
    if failed.isdisjoint(seeds):
        return None
    return float(np.mean([ours[seed] - theirs[seed] for seed in seeds]))


def _with_people(row: TableRow, difference: PeopleDifference | None) -> TableRow:
    if difference is None:
        return row
    low, high = difference.interval
    return replace(
        row,
        people_delta=difference.delta * TO_PERCENT,
        people_ci=(low * TO_PERCENT, high * TO_PERCENT),
    )


def _per_class(cell: Cell, tallies: Mapping[str, Tally]) -> Iterator[ClassRow]:
    counted = tallies.get(cell.row.key)
    if counted is None:
        return
    done = counted.tested(cell.done.index)
    samples, hits = counted.class_samples[done].sum(axis=0), counted.class_hits[done].sum(axis=0)
    for label in np.flatnonzero(samples):
        yield ClassRow(
            row=cell.row.row,
            teacher_modality=cell.row.teacher_modality,
            student_modality=cell.row.student_modality,
            label=int(label),
            n=int(samples[label]),
            accuracy=float(TO_PERCENT * hits[label] / samples[label]),
        )


def _paper(manifest: Manifest, cell: Cell) -> Published | None:
    if manifest.paper_table is None or cell.row.paper is None:
        return None
    return look_up(
        manifest.paper_table, cell.row.paper, manifest.dataset, cell.row.student_modality
    )


def _mean(values: Vector) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
