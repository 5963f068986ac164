"""A report as one JSON document, the values in percent."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from fdsweep.results.compute.tables import Table
from fdsweep.results.compute.words import of_metric
from fdsweep.results.document import Report
from fdsweep.results.records import searches

SCHEMA = "fdsweep.report/1"
UNSAID = "accuracy"
"""The metric of a table that names none."""


def to_json(report: Report) -> dict[str, Any]:
    """`report` in JSON types, as architecture.md has it; null for none.

    Searches, where there are any, are as they were stored: their scores are fractions. Effects are
    there where the sweep crosses switches, networks where their cost is known.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "sweep": report.sweep,
        "tables": [_table(table) for table in report.tables],
    }
    if report.effects:
        document["effects"] = plain(report.effects)
    if report.networks:
        document["networks"] = [plain(one) for one in report.networks]
    if report.searches:
        document["searches"] = [searches.plain(search) for search in report.searches]
    return document


def to_json_text(report: Report) -> str:
    """`report` as the text of its document."""
    return to_document(to_json(report))


def to_document(document: Mapping[str, object]) -> str:
    """The text of a JSON `document`."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _table(table: Table) -> dict[str, Any]:
    """`table` with lists for tuples; what a class scores goes by its own name, such as `iou`."""
    content: dict[str, Any] = plain(table)
    of_class = of_metric(table.metric).of_class.lower()
    content["per_class"] = [
        {of_class if name == "score" else name: value for name, value in row.items()}
        for row in content["per_class"]
    ]
    if not table.class_names:
        del content["class_names"]
    if table.metric == UNSAID:
        del content["metric"]
    return content


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """`value` with dictionaries for dataclasses and lists for tuples, all the way down."""
    if value is None or isinstance(value, str | float | int):  # most values are
        return value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
