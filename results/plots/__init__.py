"""Pictures of a sweep: its effects, its curves, its searches.

Figures are made and written without pyplot and whatever a matplotlibrc says, so the same data
give the same bytes.
"""

from matplotlib.figure import Figure

from fdsweep.results.document import SweepData
from fdsweep.results.plots.confusion import confusions
from fdsweep.results.plots.costs import cost
from fdsweep.results.plots.curves import learning_curves
from fdsweep.results.plots.effects import effects
from fdsweep.results.plots.examples import examples
from fdsweep.results.plots.forest import forest
from fdsweep.results.plots.levels import gap, paper
from fdsweep.results.plots.matrix import matrix
from fdsweep.results.plots.output import render, save
from fdsweep.results.plots.response import option_responses
from fdsweep.results.plots.search import drawn, search_pictures

__all__ = [
    "confusions",
    "cost",
    "drawn",
    "effects",
    "examples",
    "forest",
    "gap",
    "learning_curves",
    "matrix",
    "option_responses",
    "paper",
    "pictures",
    "render",
    "save",
    "search_pictures",
]


def pictures(data: SweepData) -> dict[str, Figure]:
    """Everything that can be drawn of a sweep, by name, in the order in which people look at it.

    `forest`, `effects` where the sweep crosses switches, the learning curves of each direction,
    `matrix` where it compares methods, `cost` where that is known, the pictures of its searches,
    `<option>-response`, `paper`, `gap` and `confusion`, and of each direction the `examples` where
    the task draws some.

    Raises:
        StorageError: the storage cannot be read.
    """
    figures = {
        "forest": forest(data),
        "effects": effects(data),
        **learning_curves(data),
        "matrix": matrix(data),
        "cost": cost(data),
        **drawn(data.stored.searches),
        **option_responses(data),
        "paper": paper(data),
        "gap": gap(data),
        "confusion": confusions(data),
        **examples(data),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}
