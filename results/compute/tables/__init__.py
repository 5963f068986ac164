"""The table of a sweep: what it says (model), and how it is computed (build, rows, classes).

`costs` has its networks beside it. `build` brings pandas and is imported where it is needed.
"""

from fdsweep.results.compute.tables.costs import NetworkRow, network_rows
from fdsweep.results.compute.tables.model import (
    TITLES,
    TO_PERCENT,
    ClassRow,
    Table,
    TableRow,
    title,
)

__all__ = [
    "TITLES",
    "TO_PERCENT",
    "ClassRow",
    "NetworkRow",
    "Table",
    "TableRow",
    "network_rows",
    "title",
]
