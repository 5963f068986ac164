"""A sweep's report, made anew from the storage each time, in a format for each kind of reader.

The same rows give the same bytes: nothing here knows the time or the machine.
"""

from collections.abc import Mapping, Sequence

from fdsweep.results.compute.cells import chosen_seeds
from fdsweep.results.document import Report, StoredSweep, SweepData
from fdsweep.results.formats.csv import to_csv
from fdsweep.results.formats.html import to_html
from fdsweep.results.formats.json import to_json, to_json_text
from fdsweep.results.formats.latex import to_latex
from fdsweep.results.formats.markdown import to_markdown
from fdsweep.results.formats.terminal import to_terminal
from fdsweep.results.records.manifest import find
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import unknown

__all__ = [
    "FORMATS",
    "Report",
    "SweepData",
    "load",
    "report",
    "report_of",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_terminal",
    "to_text",
]

WRITERS = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv, "json": to_json_text}
FORMATS = ("markdown", "latex", "html", "csv", "json")


def load(store: Store, sweep: str | None = None, seeds: Sequence[int] | None = None) -> SweepData:
    """The data of `sweep` (a name, its beginning, or None for the newest) in `store`.

    `seeds` leaves out the others.

    Raises:
        ConfigError: no such sweep, or a seed that it does not have.
        StorageError: the storage holds no sweep, or cannot be read.
    """
    manifest = find(store, sweep)
    return SweepData(StoredSweep(store, manifest), chosen_seeds(manifest, seeds))


def report_of(data: SweepData) -> Report:
    """The report of what was loaded.

    Raises:
        StorageError: the storage cannot be read.
    """
    return Report(
        data.manifest.sweep, (data.table,), data.stored.searches, data.effects, data.networks
    )


def report(store: Store, sweep: str | None = None, seeds: Sequence[int] | None = None) -> Report:
    """The report of what `load` gives for the same arguments, with the same errors."""
    return report_of(load(store, sweep, seeds))


def to_text(report: Report, form: str, pictures: Mapping[str, bytes] | None = None) -> str:
    """`report` in one of the `FORMATS`; only html has `pictures`.

    Raises:
        ConfigError: another format.
    """
    if form == "html":
        return to_html(report, pictures or {})
    if form not in WRITERS:
        raise unknown("format", form, FORMATS, "--format")
    return WRITERS[form](report)
