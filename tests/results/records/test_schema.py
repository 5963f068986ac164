from collections.abc import Callable
from typing import Any

import pytest

from fdsweep.results.records.schema import CURVES, PREDICTIONS, REPLICATES, Replicate

CONTRACT = """sweep, study, row, method, dataset, task, teacher_modality, student_modality, seed,
key, teacher_keys, status, epochs, best_epoch, best_head, metric, val_score, test_score,
test_score_last, test_score_best, wall_seconds, devices, device, fdsweep_version, data_fingerprint,
environment, config, files"""


def test_columns_are_those_of_the_contract() -> None:
    assert CONTRACT.replace("\n", " ").split(", ") == REPLICATES.names
    assert CURVES.names == ["key", "seed", "epoch", "split", "metric", "value"]
    assert PREDICTIONS.names == ["key", "seed", "sample_id", "group", "label", "prediction"]


def test_a_replicate_has_the_columns_as_fields() -> None:
    assert [*Replicate.model_fields, "files"] == REPLICATES.names


def test_a_done_replicate_may_have_no_validation(replicate: Callable[..., Replicate]) -> None:
    assert replicate(val_score=None).val_score is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "running"}, "status\n.*should be 'done' or 'failed'"),
        ({"test_score": 64.3}, "test_score\n.*less than or equal to 1"),
        ({"test_score_last": -0.1}, "test_score_last\n.*greater than or equal to 0"),
        ({"val_score": float("nan")}, "val_score\n.*less than or equal to 1"),
        ({"test_score": None}, "needs its test_score"),
        ({"test_accuracy": 0.5}, "test_accuracy\n.*not permitted"),
    ],
)
def test_a_replicate_that_cannot_be_is_refused(
    replicate: Callable[..., Replicate], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replicate(**changes)
