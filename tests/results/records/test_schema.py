import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from fdsweep.results.records.schema import CURVES, PREDICTIONS, REPLICATES, Replicate

CONTRACT = """sweep, study, row, method, dataset, teacher_modality, student_modality, seed, key,
teacher_key, status, epochs, best_epoch, best_head, val_accuracy, test_accuracy,
test_accuracy_last, test_accuracy_best, wall_seconds, device, fdsweep_version, data_fingerprint,
config"""


def test_columns_are_those_of_the_contract() -> None:
    assert CONTRACT.replace("\n", " ").split(", ") == REPLICATES.names
    assert CURVES.names == ["key", "seed", "epoch", "split", "metric", "value"]
    assert PREDICTIONS.names == ["key", "seed", "sample_id", "group", "label", "prediction"]


def test_a_replicate_has_the_columns_as_fields() -> None:
    assert [field.name for field in dataclasses.fields(Replicate)] == REPLICATES.names


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "running"}, "status is 'running'"),
        ({"test_accuracy": 64.3}, "test_accuracy is 64.3, not a fraction"),
        ({"val_accuracy": float("nan")}, "val_accuracy is nan, not a fraction"),
        ({"test_accuracy": None}, "needs its test_accuracy"),
    ],
)
def test_a_replicate_that_cannot_be_is_refused(
    replicate: Callable[..., Replicate], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replicate(**changes)
