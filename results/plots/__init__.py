"""Pictures of a sweep: its effects, its curves, its searches.

Figures are made and written without pyplot and whatever a matplotlibrc says, so the same data
give the same bytes.
"""

from matplotlib.figure import Figure

from fdsweep.results.compute.tables import build_table
from fdsweep.results.plots.confusion import chosen_rows, confusions
from fdsweep.results.plots.curves import learning_curves
from fdsweep.results.plots.cutoff import cutoff_response, cutoff_rows
from fdsweep.results.plots.forest import forest
from fdsweep.results.plots.levels import gap, paper
from fdsweep.results.plots.matrix import STUDY as COMPARE
from fdsweep.results.plots.matrix import matrix
from fdsweep.results.plots.output import render, save
from fdsweep.results.plots.search import drawn, search_pictures
from fdsweep.results.records import searches
from fdsweep.results.records.manifest import load
from fdsweep.results.records.store import Store
from fdsweep.results.report import learnt_cutoffs

__all__ = [
    "confusions",
    "cutoff_response",
    "cutoff_rows",
    "drawn",
    "forest",
    "gap",
    "learning_curves",
    "matrix",
    "paper",
    "pictures",
    "render",
    "save",
    "search_pictures",
]


def pictures(store: Store, sweep: str) -> dict[str, Figure]:
    """Everything that can be drawn of `sweep`, by name, in the order in which people look at it.

    `forest`, the learning curves of each direction, `matrix` where `sweep` compares methods, the
    pictures of its searches, `cutoff-response`, `paper`, `gap` and `confusion`.

    Raises:
        StorageError: there is no such sweep, or it cannot be read.
    """
    manifest = load(store, sweep)
    keys = {row.key for row in manifest.rows}
    replicates = store.replicates(keys)
    replicates = replicates[replicates["seed"].isin(manifest.seeds)]
    table = build_table(manifest, replicates)
    cutoffs = cutoff_rows(manifest, replicates)
    learnt = learnt_cutoffs(store, replicates)
    predictions = store.predictions(set(chosen_rows(manifest, table)))
    figures = {
        "forest": forest(manifest, table, replicates),
        **learning_curves(manifest, replicates, store.curves(keys)),
        "matrix": matrix(store) if manifest.study == COMPARE else None,
        **drawn(searches.load(store, sweep)),
        "cutoff-response": cutoff_response(manifest, table, cutoffs, learnt),
        "paper": paper(manifest, table, replicates),
        "gap": gap(manifest, table, replicates),
        "confusion": confusions(manifest, table, replicates, predictions),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
