"""A sweep's report as data."""

from dataclasses import dataclass

from results.searches import Search
from results.tables import Table


@dataclass(frozen=True, slots=True)
class Report:
    """The tables of one sweep, and the searches that it evaluates."""

    sweep: str
    tables: tuple[Table, ...]
    searches: tuple[Search, ...] = ()
