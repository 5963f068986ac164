"""A sweep's report as data."""

from dataclasses import dataclass

from fdsweep.results.compute.tables import Table
from fdsweep.results.records.searches import Search


@dataclass(frozen=True, slots=True)
class Report:
    """The tables of one sweep, and the searches that it evaluates."""

    sweep: str
    tables: tuple[Table, ...]
    searches: tuple[Search, ...] = ()
