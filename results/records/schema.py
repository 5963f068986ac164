"""The columns of the three Parquet tables, and one replicate as a value."""

import dataclasses
from typing import Literal

import pyarrow as pa

REPLICATES = pa.schema(
    [
        ("sweep", pa.string()),
        ("study", pa.string()),
        ("row", pa.string()),
        ("method", pa.string()),
        ("dataset", pa.string()),
        ("teacher_modality", pa.string()),
        ("student_modality", pa.string()),
        ("seed", pa.int64()),
        ("key", pa.string()),
        ("teacher_key", pa.string()),
        ("status", pa.string()),
        ("epochs", pa.int64()),
        ("best_epoch", pa.int64()),
        ("best_head", pa.string()),
        ("val_accuracy", pa.float64()),
        ("test_accuracy", pa.float64()),
        ("test_accuracy_last", pa.float64()),
        ("test_accuracy_best", pa.float64()),
        ("wall_seconds", pa.float64()),
        ("device", pa.string()),
        ("fdsweep_version", pa.string()),
        ("data_fingerprint", pa.string()),
        ("config", pa.string()),
    ]
)
"""`results/`: one row per replicate. Accuracies are fractions in 0..1, `config` is JSON."""

CURVES = pa.schema(
    [
        ("key", pa.string()),
        ("seed", pa.int64()),
        ("epoch", pa.int64()),
        ("split", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
    ]
)
"""`curves/`: one row per epoch, split and metric."""

PREDICTIONS = pa.schema(
    [
        ("key", pa.string()),
        ("seed", pa.int64()),
        ("sample_id", pa.string()),
        ("group", pa.string()),
        ("label", pa.int32()),
        ("prediction", pa.int32()),
    ]
)
"""`predictions/`: the test split at the selected epoch; `group` is the subject or speaker."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Replicate:
    """One row of `results/`: a point of the study in one direction with one seed.

    `test_accuracy` is read at the epoch and head that validation chose, `test_accuracy_last` at
    the last epoch, `test_accuracy_best` at the epoch and head that test itself would choose.
    Accuracies are fractions in 0..1; None where a failed run has no number.

    Raises:
        ValueError: an unknown status, an accuracy outside 0..1, or a done replicate without
            `test_accuracy`.
    """

    sweep: str
    study: str
    row: str
    method: str
    dataset: str
    teacher_modality: str
    student_modality: str
    seed: int
    key: str
    teacher_key: str
    status: Literal["done", "failed"]
    epochs: int
    best_epoch: int | None
    best_head: str | None
    val_accuracy: float | None
    test_accuracy: float | None
    test_accuracy_last: float | None
    test_accuracy_best: float | None
    wall_seconds: float
    device: str
    fdsweep_version: str
    data_fingerprint: str
    config: str

    def __post_init__(self) -> None:
        if self.status not in ("done", "failed"):
            raise ValueError(f"status is {self.status!r}, not 'done' or 'failed'")
        for name in ACCURACIES:
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}, not a fraction in 0..1")
        if self.status == "done" and self.test_accuracy is None:
            raise ValueError("a done replicate needs its test_accuracy")


ACCURACIES = ("val_accuracy", "test_accuracy", "test_accuracy_last", "test_accuracy_best")
