"""What an older fdsweep wrote, in the columns and fields of today: it knew accuracies alone."""

from typing import Any

import pyarrow as pa

from fdsweep.results.records.schema import CLASSIFICATION
from fdsweep.search_spaces import layout

BESIDE = (layout.CURVES, layout.PREDICTIONS)
"""Folders in which every replicate had a file beside its row."""

METRIC = "accuracy"
SCORES = {
    "val_accuracy": "val_score",
    "test_accuracy": "test_score",
    "test_accuracy_last": "test_score_last",
    "test_accuracy_best": "test_score_best",
}
"""Columns of `results/`, and what they are called now."""

LEARNER, RESPONSE = "fd-cmkd", "cutoff"
"""The one method that had an option whose response was drawn, and that option."""


def replicates(table: pa.Table) -> pa.Table:
    """Rows of `results/`, whichever version of fdsweep wrote them, with the columns of today."""
    if "files" not in table.column_names:  # each had its own
        names = map(layout.replicate_file, *(table[c].to_pylist() for c in ("key", "seed")))
        files = [[f"{folder}/{name}" for folder in BESIDE] for name in names]
        table = table.append_column("files", pa.array(files, pa.list_(pa.string())))
    if "test_accuracy" not in table.column_names:
        return table
    columns = {SCORES.get(name, name): table[name] for name in table.column_names}
    if "teacher_key" in columns:
        keys = [[key] if key else [] for key in columns.pop("teacher_key").to_pylist()]
        columns["teacher_keys"] = pa.array(keys, pa.list_(pa.string()))
    for name, value in (("task", CLASSIFICATION), ("metric", METRIC), ("environment", "")):
        columns[name] = pa.array([value] * len(table), pa.string())
    return pa.table(columns)


def teachers_alone(fields: dict[str, Any]) -> dict[str, Any]:
    """An analysis's fields from its `fields` under the schema fdsweep.analysis/1.

    Features were those before the ReLU, epochs were chosen on validation, and of students nothing
    was known.
    """
    known = {"features": "pre-relu", "protocol": "ours", "classes": (), "embeddings": ()}
    return accuracies({**fields, **known})


def accuracies(fields: dict[str, Any]) -> dict[str, Any]:
    """An analysis's fields from its `fields` under the schema fdsweep.analysis/2.

    KeyError, TypeError or AttributeError where there are no such fields.
    """
    teachers = [
        {SCORES.get(name, name): value for name, value in one.items()} for one in fields["teachers"]
    ]
    return {**fields, "teachers": teachers, "metric": METRIC, "positions": 0}


def manifest(fields: dict[str, Any]) -> dict[str, Any]:
    """A sweep's fields from its `fields` under the schema fdsweep.sweep/1.

    KeyError, TypeError or ValueError where there are no such fields.
    """
    rows = [dict(row) for row in fields["rows"]]
    for row in rows:
        key = row.pop("teacher_key")
        row["teacher_keys"] = [key] if key else []
    options = {row["method"]: _response(row["method"]) for row in rows}
    known = {method: option for method, option in options.items() if option}
    return {**fields, "rows": rows, "response_options": known}


def _response(method: str) -> str:
    """The option of `method`, part by part, whose response was drawn; empty if it has none."""
    if method == LEARNER:
        return RESPONSE
    return f"{LEARNER}.{RESPONSE}" if LEARNER in method.split("+") else ""
