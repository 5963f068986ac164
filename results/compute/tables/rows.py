"""The rows of one direction, from the scores of its lines: each against the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.provenance.published import Published, look_up
from fdsweep.results.compute.provenance.setting import Deviations
from fdsweep.results.compute.statistics import (
    PairedDifference,
    detectable_effect,
    effect_size,
    half_width,
    holm,
    interval_of,
    mean_interval,
    paired_difference,
    share_better,
    sign_flip_ps,
)
from fdsweep.results.compute.tables.model import TO_PERCENT, TableRow
from fdsweep.results.compute.tables.scores import Scores, Vector, mean, paired, worst_delta
from fdsweep.results.compute.tallies import PeopleDifference, Tally, people_differences
from fdsweep.results.compute.verdicts import against_paper, decide
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.schema import RETRIEVAL


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
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


def group_rows(shared: Shared, group: Sequence[Cell]) -> list[TableRow]:
    """The rows of one direction; the p-values of all that are judged are one family."""
    baseline, *others = (Scores.of(cell) for cell in group)
    pairs = [paired(each, baseline) for each in others]
    against = [paired_difference(*pair) if len(pair[0]) else None for pair in pairs]
    rows = [
        _described(_row(shared, each), difference, worst_delta(each, baseline, shared.chance))
        for each, difference in zip(others, against, strict=True)
    ]
    judged = [place for place, each in enumerate(others) if shared.judges(each.cell)]
    p_values = _p_values([np.subtract(*pairs[place]) for place in judged])
    adjusted = holm([1.0 if p is None else p for p in p_values])
    people = people_differences(
        shared.tallies,
        [
            (each.cell.row.key, baseline.cell.row.key, each.places.keys() & baseline.places.keys())
            for each in (others[place] for place in judged)
        ],
    )
    for place, p_value, p_adjusted, drawn in zip(judged, p_values, adjusted, people, strict=True):
        row = _with_people(rows[place], drawn)
        difference = against[place]
        if p_value is not None and difference is not None:
            apart = np.subtract(*pairs[place])
            row = _judged(row, difference, apart, p_value, p_adjusted, shared.margin)
        rows[place] = row
    if shared.manifest.protocol == "ours":
        rows = _against_noise(rows)
    return [_row(shared, baseline), *rows]


def _row(shared: Shared, scores: Scores) -> TableRow:
    """What is known of one cell alone."""
    cell, selected, best = scores.cell, scores.selected, scores.best
    interval = mean_interval(selected)
    on_test = shared.manifest.protocol == "published"
    paper = _paper(shared.manifest, cell)
    row = TableRow(
        row=cell.row.row,
        group=cell.row.group or None,
        pairing=cell.row.pairing or None,
        control=cell.row.control or None,
        teacher_modality=cell.row.teacher_modality,
        student_modality=cell.row.student_modality,
        n=len(selected),
        asked=shared.asked,
        failed=len(cell.failed),
        mean=mean(selected),
        std=_spread(selected),
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        last=mean(scores.last),
        test_selected=mean(best),
        gap=None if on_test else mean(best - selected),
        paper=paper.value if paper else None,
        paper_note=paper.doubt if paper else None,
        paper_verdict=_paper_verdict(shared, paper, best) if paper else None,
        seconds=mean(scores.seconds),
        taught_by=cell.row.taught_by or None,
    )
    return _with_classes(shared, row, cell)


def _with_classes(shared: Shared, row: TableRow, cell: Cell) -> TableRow:
    """`row` with the scores in which all classes weigh the same, where predictions are there."""
    tally = shared.tallies.get(cell.row.key)
    if tally is None or shared.manifest.task == RETRIEVAL:
        return row
    seeds = cell.done.index
    recall, f1 = TO_PERCENT * tally.macro_recall(seeds), TO_PERCENT * tally.macro_f1(seeds)
    return replace(
        row,
        macro_recall=mean(recall),
        macro_recall_std=_spread(recall),
        macro_f1=mean(f1),
        macro_f1_std=_spread(f1),
    )


def _spread(values: Vector) -> float | None:
    return float(values.std(ddof=1)) if len(values) > 1 else None


def _p_values(differences: Sequence[Vector]) -> list[float | None]:
    """Sign-flip p of each; None where there is no pair."""
    p_values: list[float | None] = [None] * len(differences)
    for n in {len(each) for each in differences} - {0}:
        places = [place for place, each in enumerate(differences) if len(each) == n]
        some = sign_flip_ps([differences[place] for place in places], np.random.default_rng(0))
        for place, p in zip(places, some, strict=True):
            p_values[place] = float(p)
    return p_values


def _described(row: TableRow, against: PairedDifference | None, worst: float | None) -> TableRow:
    """`row` with what its difference to the baseline is, without a word on what it means."""
    if against is None:
        return replace(row, pairs=0, worst_delta=worst)
    return replace(
        row,
        pairs=against.n,
        worst_delta=worst,
        delta=against.delta,
        delta_ci=interval_of(against.ci_low, against.ci_high),
        rho=against.rho,
    )


def _judged(
    row: TableRow,
    against: PairedDifference,
    differences: Vector,
    p_value: float,
    p_adjusted: float,
    margin: float,
) -> TableRow:
    """`row` with its verdict and all that belongs to a test."""
    spread = against.std_diff
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


def _paper_verdict(shared: Shared, paper: Published, best: Vector) -> str | None:
    refusal = shared.deviations and shared.deviations.refusal
    return refusal or against_paper(paper.value, best[~np.isnan(best)])


def _with_people(row: TableRow, difference: PeopleDifference | None) -> TableRow:
    if difference is None:
        return row
    low, high = difference.interval
    return replace(
        row,
        people_delta=difference.delta * TO_PERCENT,
        people_ci=(low * TO_PERCENT, high * TO_PERCENT),
    )


def _paper(manifest: Manifest, cell: Cell) -> Published | None:
    if manifest.paper_table is None or cell.row.paper is None:
        return None
    return look_up(
        manifest.paper_table, cell.row.paper, manifest.dataset, cell.row.student_modality
    )
