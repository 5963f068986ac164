"""The table of a sweep, computed from what is stored of it."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields

import pandas as pd

from fdsweep.results.compute import notes
from fdsweep.results.compute.cells import Cell, chosen_seeds, collect
from fdsweep.results.compute.predictions import item_level
from fdsweep.results.compute.provenance.setting import deviations
from fdsweep.results.compute.tables.classes import per_class
from fdsweep.results.compute.tables.model import Table, TableRow, title
from fdsweep.results.compute.tables.rows import Shared, group_rows
from fdsweep.results.compute.verdicts import MARGIN
from fdsweep.results.records.manifest import Manifest


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
    is_done = (replicates["status"] == "done") & replicates["seed"].isin(asked)
    groups = [list(group) for _, group in itertools.groupby(cells, lambda cell: cell.row.direction)]
    samples = predictions if predictions is not None else pd.DataFrame()
    items = item_level(manifest.task, samples)
    shared = Shared(
        manifest=manifest,
        asked=len(asked),
        tallies=items.tallies,
        chance=items.chance,
        margin=margin,
        deviations=deviations(manifest),
    )
    rows = tuple(row for group in groups for row in group_rows(shared, group))
    facts = notes.Facts(
        seeds=asked,
        cells=tuple(cells),
        done=replicates[is_done & replicates["key"].isin({row.key for row in manifest.rows})],
        pairs=min((row.pairs for row in rows if row.pairs and row.verdict), default=0),
        family=max(map(_family, groups), default=0),
        floors={row.direction: row.noise_floor for row in rows if row.noise_floor is not None},
        deviations=shared.deviations if any(row.paper is not None for row in rows) else None,
        doubts=tuple(dict.fromkeys(row.paper_note for row in rows if row.paper_note)),
        teachers=teachers or {},
        learnt=learnt or {},
        margin=margin,
        chance=shared.chance,
        worst={
            cell.row.key: row.worst_delta
            for cell, row in zip(cells, rows, strict=True)
            if row.worst_delta is not None
        },
        people=tuple(
            shared.tallies[cell.row.key].count_people(cell.done.index)
            for cell in cells
            if cell.row.key in shared.tallies
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
        per_class=tuple(one for cell in cells for one in per_class(cell, shared.tallies)),
        margin=margin,
        metric=manifest.metric,
        protocol=manifest.protocol,
        class_names=manifest.class_names,
    )


def _family(group: Sequence[Cell]) -> int:
    """Comparisons of a direction that Holm counts."""
    return sum(not cell.row.control for cell in group) - 1
