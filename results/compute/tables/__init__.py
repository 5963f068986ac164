"""The table of a sweep: what it says (model), and how it is computed (build, rows, classes).

`costs` has its networks beside it.
"""

from fdsweep.results.compute.tables.build import build_table, title
from fdsweep.results.compute.tables.costs import NetworkRow, network_rows
from fdsweep.results.compute.tables.model import TITLES, TO_PERCENT, ClassRow, Table, TableRow

__all__ = [
    "TITLES",
    "TO_PERCENT",
    "ClassRow",
    "NetworkRow",
    "Table",
    "TableRow",
    "build_table",
    "network_rows",
    "title",
]
