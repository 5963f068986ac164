"""The table of a sweep, computed: every number in percent, none of them formatted."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pandas as pd

from results import notes
from results.cells import Cell, chosen_seeds, collect
from results.manifest import Manifest
from results.published import Published, look_up
from results.statistics import holm, mean_interval, paired_difference, sign_flip_p

TO_PERCENT = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One line of the table in one direction, in percent; None where there is no number.

    `group` is a heading shared with its neighbours, `pairing` which teacher sample stands beside
    a student sample (None without a teacher).
    Over the `n` done of the `asked` seeds: `mean`, `std` (ddof = 1) and 95 % t interval
    `ci_low`, `ci_high` of the test accuracy at the epoch and head chosen on validation; the
    means `last` (last epoch) and `test_selected` (chosen on test), and `gap`, how much the
    latter gains. Against the first row of the direction, over the `pairs` seeds that both have:
    `delta` with its paired-t interval, the correlation `rho`, the sign-flip `p_value`, and
    `p_adjusted` (Holm over the other rows of the direction, those without data included).
    `paper` is the published number, `paper_note` what is not certain about it.
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
    delta: float | None
    delta_ci: tuple[float, float] | None
    pairs: int | None
    rho: float | None
    p_value: float | None
    p_adjusted: float | None
    last: float | None
    test_selected: float | None
    gap: float | None
    paper: float | None
    paper_note: str | None

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality


@dataclass(frozen=True, slots=True)
class Table:
    """Rows grouped by direction, in the order of the sweep, never sorted by score.

    `columns` are the fields of the rows that hold something in at least one of them; `notes`
    are whole sentences.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...]


def build_table(
    manifest: Manifest,
    replicates: pd.DataFrame,
    seeds: Sequence[int] | None = None,
    teachers: Mapping[str, Sequence[float]] | None = None,
    cutoffs: Mapping[str, Sequence[float]] | None = None,
) -> Table:
    """The table of `manifest`, both directions as groups, from the rows of `results/`.

    `seeds` leaves out the others; `teachers` gives test accuracies (fractions, one per seed) of
    each modality's teacher, and `cutoffs` those learnt, by key of the row, one per seed: for notes.

    Raises:
        ConfigError: a seed that the sweep does not have, or a wrong reference to the paper.
    """
    asked = chosen_seeds(manifest, seeds)
    cells = collect(manifest, replicates, asked)
    groups = [list(group) for _, group in itertools.groupby(cells, lambda cell: cell.row.direction)]
    rows = tuple(row for group in groups for row in _group_rows(manifest, group, len(asked)))
    facts = notes.Facts(
        seeds=asked,
        cells=tuple(cells),
        pairs=min((row.pairs for row in rows if row.pairs), default=0),
        family=max(map(len, groups), default=1) - 1,
        has_paper=any(row.paper is not None for row in rows),
        doubts=tuple(dict.fromkeys(row.paper_note for row in rows if row.paper_note)),
        teachers=teachers or {},
        cutoffs=cutoffs or {},
    )
    return Table(
        title=f"{manifest.title}, {manifest.dataset}",
        columns=tuple(
            field.name
            for field in fields(TableRow)
            if any(getattr(row, field.name) is not None for row in rows)
        ),
        rows=rows,
        notes=notes.write(manifest, facts),
    )


def _group_rows(manifest: Manifest, group: list[Cell], asked: int) -> list[TableRow]:
    """The rows of one direction; the p-values of all but the first are one family."""
    first, *others = [_row(manifest, cell, group[0], asked) for cell in group]
    adjusted = holm([1.0 if row.p_value is None else row.p_value for row in others])
    return [
        first,
        *(
            row if row.p_value is None else replace(row, p_adjusted=p)
            for row, p in zip(others, adjusted, strict=True)
        ),
    ]


def _row(manifest: Manifest, cell: Cell, baseline: Cell, asked: int) -> TableRow:
    accuracy = cell.done["test_accuracy"] * TO_PERCENT
    best = cell.done["test_accuracy_best"] * TO_PERCENT
    interval = mean_interval(accuracy)
    paper = _paper(manifest, cell)
    row = TableRow(
        row=cell.row.row,
        group=cell.row.group or None,
        pairing=cell.row.pairing or None,
        teacher_modality=cell.row.teacher_modality,
        student_modality=cell.row.student_modality,
        n=len(accuracy),
        asked=asked,
        failed=len(cell.failed),
        mean=_mean(accuracy),
        std=float(accuracy.std(ddof=1)) if interval else None,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        delta=None,
        delta_ci=None,
        pairs=None,
        rho=None,
        p_value=None,
        p_adjusted=None,
        last=_mean(cell.done["test_accuracy_last"] * TO_PERCENT),
        test_selected=_mean(best),
        gap=_mean(best - accuracy),
        paper=paper.value if paper else None,
        paper_note=paper.doubt if paper else None,
    )
    return row if cell is baseline else _compared(row, accuracy, baseline)


def _compared(row: TableRow, accuracy: "pd.Series[float]", baseline: Cell) -> TableRow:
    reference = baseline.done["test_accuracy"] * TO_PERCENT
    seeds = accuracy.index.intersection(reference.index)
    if seeds.empty:
        return replace(row, pairs=0)
    ours, theirs = accuracy.loc[seeds].to_numpy(), reference.loc[seeds].to_numpy()
    against = paired_difference(ours, theirs)
    low, high = against.ci_low, against.ci_high
    return replace(
        row,
        pairs=against.n,
        delta=against.delta,
        delta_ci=None if low is None or high is None else (low, high),
        rho=against.rho,
        p_value=sign_flip_p(ours - theirs, np.random.default_rng(0)),
    )


def _paper(manifest: Manifest, cell: Cell) -> Published | None:
    if manifest.paper_table is None or cell.row.paper is None:
        return None
    return look_up(
        manifest.paper_table, cell.row.paper, manifest.dataset, cell.row.student_modality
    )


def _mean(values: "pd.Series[float]") -> float | None:
    known = values.dropna()
    return float(known.mean()) if len(known) else None
