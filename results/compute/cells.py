"""Which stored replicates belong to which line of a sweep's table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fdsweep.results.records.manifest import Manifest, ManifestRow
from fdsweep.search_spaces.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("test_score", "test_score_last", "test_score_best", "wall_seconds")
"""Columns of a cell's replicates: with all of them a table takes a third longer."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One line in one direction: `SCORES` of its done replicates by seed, and the other seeds."""

    row: ManifestRow
    done: "pd.DataFrame"
    failed: tuple[int, ...]
    missing: tuple[int, ...]


def collect(manifest: Manifest, replicates: "pd.DataFrame", seeds: Sequence[int]) -> list[Cell]:
    """A cell for each row of `manifest`: grouped by direction, in the order of the manifest.

    Replicates are found by key alone: another sweep may have trained them.
    """
    directions = list(dict.fromkeys(row.direction for row in manifest.rows))
    rows = sorted(manifest.rows, key=lambda row: directions.index(row.direction))
    chosen = replicates[replicates["seed"].isin(seeds)].sort_values(["key", "seed"])
    chosen = chosen.set_index("seed")
    is_done, scores = chosen["status"] == "done", chosen[[*SCORES]]
    done = dict(list(scores[is_done].groupby(chosen["key"][is_done])))
    failed = chosen[~is_done].groupby("key").groups
    nothing = scores.iloc[:0]
    return [_cell(row, done.get(row.key, nothing), failed.get(row.key, ()), seeds) for row in rows]


def chosen_seeds(manifest: Manifest, seeds: Sequence[int] | None) -> tuple[int, ...]:
    """The `seeds` to report, sorted; all of the sweep's for None.

    Raises:
        ConfigError: one of them is not among the sweep's.
    """
    strange = sorted(set(seeds or ()) - set(manifest.seeds))
    if strange:
        there = ", ".join(map(str, manifest.seeds))
        raise ConfigError(
            f"seed {strange[0]} is not in {manifest.sweep}", "--seeds", f"Choose from: {there}"
        )
    return manifest.seeds if seeds is None else tuple(sorted(set(seeds)))


def _cell(
    row: ManifestRow, done: "pd.DataFrame", failed: Iterable[int], seeds: Sequence[int]
) -> Cell:
    lost = tuple(map(int, failed))
    there = {*done.index, *lost}
    return Cell(
        row=row,
        done=done,
        failed=lost,
        missing=tuple(seed for seed in seeds if seed not in there),
    )
