"""A report as CSV: a line per row and direction, numbers in full."""

import csv
import io
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from fdsweep.results.compute.effects import Effect
from fdsweep.results.compute.tables import TableRow
from fdsweep.results.document import Report

SPANS = ("delta_ci", "people_ci")
"""Intervals: two columns, `<name>_low` and `<name>_high`."""

COSTS = ("parameters", "flops", "latency_ms", "batch", "batch_latency_ms")
"""Columns of a row's student: fields of `NetworkRow`."""


def to_csv(report: Report) -> str:
    """Every field of every row of the tables, as RFC 4180 has it; empty where there is none.

    Names are those of `TableRow`, in percent like there, with the `sweep`, the title of the
    `table`, the number of `missing` seeds (neither done nor failed), and COSTS. Effects of switches
    are lines of a table of their own: the kind is the `group`, the switches are the `row`, the
    estimate is the `delta`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, ("sweep", "table", *_names(), *COSTS))
    writer.writeheader()
    writer.writerows(lines(report))
    return text.getvalue()


def lines(report: Report) -> Iterator[dict[str, Any]]:
    """The lines of `to_csv`, by the names of its columns; what is empty is None or left out."""
    costs = {
        (told.row, (told.teacher_modality, network.modality)): {
            name: getattr(network, name) for name in COSTS
        }
        for network in report.networks
        for told in network.as_student
    }
    for table in report.tables:
        own = {"sweep": report.sweep, "table": table.title}
        for row in table.rows:
            values = dict(zip(_names(), _values(row), strict=True))
            yield own | values | costs.get((row.row, row.direction), {})
    if report.effects:
        own = {"sweep": report.sweep, "table": report.effects.title}
        yield from (own | _of_effect(effect) for effect in report.effects.effects)


def _names() -> Iterator[str]:
    for field in fields(TableRow):
        ends = (f"{field.name}_low", f"{field.name}_high")
        yield from ends if field.name in SPANS else (field.name,)
        if field.name == "failed":
            yield "missing"


def _values(row: TableRow) -> Iterator[Any]:
    for field in fields(TableRow):
        value = getattr(row, field.name)
        yield from (value or (None, None)) if field.name in SPANS else (value,)
        if field.name == "failed":
            yield row.asked - row.n - row.failed


def _of_effect(effect: Effect) -> dict[str, Any]:
    """`effect` in the columns of a row."""
    low, high = effect.ci or (None, None)
    return {
        "row": effect.name,
        "group": effect.kind,
        "teacher_modality": effect.teacher_modality,
        "student_modality": effect.student_modality,
        "n": len(effect.seeds),
        "pairs": len(effect.seeds),
        "delta": effect.estimate,
        "delta_ci_low": low,
        "delta_ci_high": high,
        "p_value": effect.p_value,
        "p_adjusted": effect.p_adjusted,
    }
