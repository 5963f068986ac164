"""Several sweeps as one comparison, from their tables and the scores behind them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.pooled import notes
from fdsweep.results.compute.pooled.model import (
    MIN_DATASETS,
    Column,
    Pooled,
    PooledRow,
    Profile,
    Span,
)
from fdsweep.results.compute.pooled.resampling import (
    drawn_interval,
    fixed_interval,
    level_weights,
    mean_of_means,
    means,
    middle_means,
    weights,
)
from fdsweep.results.compute.pooled.runs import Beside, by_dataset
from fdsweep.results.compute.tables import Table
from fdsweep.results.records.manifest import Manifest, ManifestRow
from fdsweep.search_spaces.errors import ConfigError

THRESHOLDS = 101
"""Points of a performance profile."""

Vector = NDArray[np.float64]
Runs = Mapping[str, Vector]
"""Data set -> a number per run."""

Estimate = Callable[[Vector, Vector], Vector]
"""Of runs [runs] by weights [draws, runs]: [draws]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A sweep to compare: what it is called, its table, and the cells (row, direction) of that."""

    name: str
    manifest: Manifest
    table: Table
    cells: Mapping[tuple[str, tuple[str, str]], Cell]


def pool(sources: Sequence[Source]) -> Pooled:
    """The comparison of `sources`, whose rows go together by name.

    Raises:
        ConfigError: they differ in metric, protocol or baseline, so that nothing can be compared.
    """
    _refuse_unlike(sources)
    columns = _headed([column for source in sources for column in _columns(source)])
    names = list(dict.fromkeys(name for column in columns for name in column.names))
    runs = {name: _runs(name, sources) for name in names}
    datasets = tuple(dict.fromkeys(column.dataset for column in columns))
    why_not = notes.why_not_across(columns, [one for found in runs.values() for one in found])
    whole = [] if why_not else [name for name in names if _spans(runs[name], datasets)]
    scores = {name: by_dataset(runs[name], Beside.normalised) for name in whole}
    rows = tuple(
        _across(_over(name, runs[name], is_baseline=name == names[0]), runs[name], scores)
        for name in names
    )
    first = sources[0]
    return Pooled(
        sweeps=tuple(source.name for source in sources),
        baseline=names[0],
        metric=first.table.metric,
        protocol=first.table.protocol,
        columns=tuple(columns),
        rows=rows,
        profiles=_profiles(scores),
        notes=notes.write(columns, rows, _variants(sources), why_not),
    )


def _refuse_unlike(sources: Sequence[Source]) -> None:
    """ConfigError where the differences of the sweeps are not of one kind."""
    facts = {
        "metric": [source.table.metric for source in sources],
        "protocol": [str(source.table.protocol) for source in sources],
        "baseline": [source.table.rows[0].row for source in sources],
    }
    for what, found in facts.items():
        if len(set(found)) > 1:
            told = ", ".join(
                f"{source.name} has {each}" for source, each in zip(sources, found, strict=True)
            )
            fix = "Report them one by one, or give those that agree"
            raise ConfigError(f"the sweeps differ in their {what}: {told}", "report", fix)


def _columns(source: Source) -> list[Column]:
    """A column for each direction of the sweep."""
    manifest = source.manifest
    shown = [row for row in source.table.rows if not row.control]
    return [
        Column(
            sweep=source.name,
            dataset=manifest.dataset,
            teacher_modality=direction[0],
            student_modality=direction[1],
            heading="",
            epochs=manifest.epochs,
            names=tuple(
                _called(row.row, row.pairing) for row in shown if row.direction == direction
            ),
            rows=tuple(row for row in shown if row.direction == direction),
        )
        for direction in dict.fromkeys(row.direction for row in shown)
    ]


def _called(row: str, pairing: str | None) -> str:
    """The name of a row; what it is paired with, if not as the data are, belongs to it."""
    return row if pairing in (None, "", "paired") else f"{row} ({pairing})"


def _headed(columns: Sequence[Column]) -> list[Column]:
    """`columns` with headings: the data set, and as much more as tells it from the others."""
    spelt = [_headings(column) for column in columns]
    counts = [Counter(names[place] for names in spelt) for place in range(len(spelt[0]))]
    return [
        replace(
            column,
            heading=next(
                (name for name, count in zip(names, counts, strict=True) if count[name] == 1),
                names[-1],
            ),
        )
        for column, names in zip(columns, spelt, strict=True)
    ]


def _headings(column: Column) -> tuple[str, ...]:
    """What `column` may be called, the shortest first."""
    direction = " -> ".join(column.direction)
    return (
        column.dataset,
        f"{column.dataset}: {column.student_modality}",
        f"{column.dataset}: {direction}",
        f"{column.sweep}: {column.student_modality}",
        f"{column.sweep}: {direction}",
    )


def _runs(name: str, sources: Sequence[Source]) -> list[Beside]:
    """What the row called `name` did in each direction of each sweep that has it."""
    found = []
    for source in sources:
        cells = [cell for cell in source.cells.values() if not cell.row.control]
        first = {cell.row.direction: cell for cell in reversed(cells)}
        found += [
            Beside.of(source.name, source.manifest.dataset, cell, first[cell.row.direction])
            for cell in cells
            if _called(cell.row.row, cell.row.pairing) == name
        ]
    return found


def _spans(found: Sequence[Beside], datasets: Sequence[str]) -> bool:
    """Whether a row has enough runs on every data set to be pooled across them."""
    counts = {dataset: len(values) for dataset, values in by_dataset(found, Beside.deltas).items()}
    return all(counts.get(dataset, 0) >= notes.MIN_SEEDS for dataset in datasets)


def _over(name: str, found: Sequence[Beside], *, is_baseline: bool) -> PooledRow:
    """The mean difference of a row over the data sets that have it."""
    deltas = by_dataset(found, Beside.deltas)
    if is_baseline or not deltas:
        return PooledRow(row=name, datasets=len(deltas))
    groups = [*deltas.values()]
    draws = len(groups) >= MIN_DATASETS
    return PooledRow(
        row=name,
        datasets=len(groups),
        delta=mean_of_means(groups),
        delta_ci=_span(deltas, means) if draws else fixed_interval(groups),
        over="data sets and seeds" if draws else "seeds",
    )


def _across(row: PooledRow, found: Sequence[Beside], scores: Mapping[str, Runs]) -> PooledRow:
    """`row` with what is pooled across data sets, if it is one of those in `scores`."""
    if row.row not in scores:
        return row
    mine = scores[row.row]
    row = replace(row, iqm=_value(mine, middle_means), iqm_ci=_span(mine, middle_means))
    if row.delta is None:
        return row
    wins = by_dataset(found, Beside.wins)
    return replace(row, p_better=_value(wins, means), p_better_ci=_span(wins, means))


def _value(runs: Runs, estimate: Estimate) -> float:
    every = np.concatenate([*runs.values()])
    return float(estimate(every, level_weights(_sizes(runs)))[0])


def _span(runs: Runs, estimate: Estimate) -> Span:
    """The interval of `estimate` over data sets and seeds; the same runs give the same one."""
    estimates = estimate(np.concatenate([*runs.values()]), _drawn(_sizes(runs)))
    low, high = drawn_interval(estimates, len(runs))
    return float(low), float(high)


def _sizes(runs: Runs) -> tuple[int, ...]:
    return tuple(len(values) for values in runs.values())


@lru_cache(maxsize=1)
def _drawn(sizes: tuple[int, ...]) -> Vector:
    """The draws that all rows share that have as many runs."""
    return weights(sizes, np.random.default_rng(0))


def _profiles(scores: Mapping[str, Runs]) -> tuple[Profile, ...]:
    """The performance profile of each row, over the range of all their runs."""
    if not scores:
        return ()
    every = np.concatenate([values for runs in scores.values() for values in runs.values()])
    thresholds = np.linspace(every.min(), every.max(), THRESHOLDS)
    return tuple(_profile(row, runs, thresholds) for row, runs in scores.items())


def _profile(row: str, runs: Runs, thresholds: Vector) -> Profile:
    above = (np.concatenate([*runs.values()])[:, None] > thresholds).astype(np.float64)
    low, high = drawn_interval(means(above, _drawn(_sizes(runs))), len(runs))
    share = means(above, level_weights(_sizes(runs)))[0]
    points = [tuple(map(float, each)) for each in (thresholds, share, low, high)]
    return Profile(
        row=row, **dict(zip(("thresholds", "share", "low", "high"), points, strict=True))
    )


def _variants(sources: Sequence[Source]) -> dict[str, list[tuple[str, ManifestRow]]]:
    """Name of a row -> each sweep that has it, and what it is there."""
    found: dict[str, list[tuple[str, ManifestRow]]] = {}
    for source in sources:
        own = {
            _called(row.row, row.pairing): row for row in source.manifest.rows if not row.control
        }
        for name, row in own.items():
            found.setdefault(name, []).append((source.name, row))
    return found
