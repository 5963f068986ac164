"""What must be said of numbers that come from several sweeps."""

from collections.abc import Iterator, Mapping, Sequence

from fdsweep.results.compute.pooled.model import MIN_DATASETS, Column, PooledRow
from fdsweep.results.compute.pooled.resampling import DRAWS
from fdsweep.results.compute.pooled.runs import Beside
from fdsweep.results.compute.verdicts import ALPHA
from fdsweep.results.records.manifest import ManifestRow

MIN_SEEDS = 5
"""Seeds of every data set from which on scores are pooled across them."""

ACROSS = "Interquartile mean, performance profiles and probability of improvement"
LEVEL = f"{100 * (1 - ALPHA):.0f} %"


def why_not_across(columns: Sequence[Column], runs: Sequence[Beside]) -> str | None:
    """Why scores are not pooled across the data sets of `columns`; None if they are."""
    count = len({column.dataset for column in columns})
    if count < MIN_DATASETS:
        those = "one data set says" if count == 1 else f"{count} data sets say"
        return f"{those} nothing of others. {ACROSS} need {MIN_DATASETS} data sets or more"
    fewest = min(columns, key=lambda column: column.rows[0].n)
    if (seeds := fewest.rows[0].n) < MIN_SEEDS:
        return f"{fewest.heading} has {seeds} seeds. {ACROSS} need {MIN_SEEDS} or more everywhere"
    perfect = next((one.dataset for one in runs if not one.ceiling > 0), None)
    if perfect:
        return f"on {perfect} the baseline is perfect, which leaves scores no common scale"
    return None


def write(
    columns: Sequence[Column],
    rows: Sequence[PooledRow],
    variants: Mapping[str, Sequence[tuple[str, ManifestRow]]],
    why_not: str | None,
) -> tuple[str, ...]:
    """The sentences below a comparison, in the order in which they matter."""
    return (
        *_intervals(rows),
        _across(why_not),
        *_standing_out(columns),
        *_lacking(columns, rows),
        *_differing(variants),
        *_unfinished(columns),
    )


def _intervals(rows: Sequence[PooledRow]) -> Iterator[str]:
    """What Δ over data sets is, and what its intervals say."""
    yield (
        "Pooled Δ: the mean over data sets of the mean paired difference to the baseline; every "
        "data set weighs the same, its directions are averaged seed by seed."
    )
    over = {row.over for row in rows}
    if "seeds" in over:
        few = f" where a row stands on fewer than {MIN_DATASETS}" * ("data sets and seeds" in over)
        yield (
            f"Its {LEVEL} interval{few} is for other seeds on these data sets (t with Welch's "
            "degrees of freedom), not for other data sets."
        )
    if "data sets and seeds" in over:
        yield (
            f"Intervals over data sets and seeds: a bootstrap in two levels, {DRAWS:,} draws of "
            "data sets and of seeds within each, expanded percentiles; they describe, and are no "
            "test."
        )


def _across(why_not: str | None) -> str:
    if why_not:
        return f"Not pooled further: {why_not}."
    return (
        "IQM: the mean of the middle half of all runs' normalised scores, where 0 is the mean of "
        "the baseline's seeds on that data set and 1 is all right. P(better): the share of runs "
        "that beat the baseline's run of the same seed, ties half. Both are of rows that have "
        f"{MIN_SEEDS} seeds or more on every data set."
    )


def _standing_out(columns: Sequence[Column]) -> Iterator[str]:
    if any(row.verdict == "improves" for column in columns for row in column.rows):
        yield "What is bold in a page or paper improves by the verdict of its own sweep."


def _lacking(columns: Sequence[Column], rows: Sequence[PooledRow]) -> Iterator[str]:
    every = len({column.dataset for column in columns})
    some = [f"{row.row} ({row.datasets})" for row in rows if row.datasets < every]
    if some:
        yield f"Not on all {every} data sets: {', '.join(some)}."


def _differing(variants: Mapping[str, Sequence[tuple[str, ManifestRow]]]) -> Iterator[str]:
    """Rows of one name that are not the same method."""
    for name, found in variants.items():
        spelt = {sweep: {"method": row.method, **row.options} for sweep, row in found}
        fields = dict.fromkeys(field for facts in spelt.values() for field in facts)
        told = [_where(field, spelt) for field in fields]
        if any(told):
            yield f"{name} is not the same everywhere: {'; '.join(filter(None, told))}."


def _where(field: str, spelt: Mapping[str, Mapping[str, object]]) -> str:
    """Which sweeps have which value of `field`; empty where all have the same."""
    sweeps: dict[str, list[str]] = {}
    for sweep, facts in spelt.items():
        sweeps.setdefault(str(facts.get(field)), []).append(sweep)
    told = [f"{value} in {_some(names)}" for value, names in sweeps.items()]
    return f"{field} {', '.join(told)}" if len(sweeps) > 1 else ""


def _some(names: Sequence[str]) -> str:
    """`names` in few words."""
    first, *others = names
    return f"{first} and {len(others)} others" if len(others) > 1 else " and ".join(names)


def _unfinished(columns: Sequence[Column]) -> Iterator[str]:
    """How many seeds are not in the numbers."""
    asked, done, failed = (
        sum(getattr(row, what) for column in columns for row in column.rows)
        for what in ("asked", "n", "failed")
    )
    if done < asked:
        yield (
            f"{asked - done:,} of {asked:,} replicates are not in these numbers: {failed:,} "
            f"failed, {asked - done - failed:,} are not there."
        )
