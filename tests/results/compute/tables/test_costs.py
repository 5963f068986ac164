from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from fdsweep.results.compute.tables import Table, network_rows
from fdsweep.results.records.costs import Costs, NetworkCost
from fdsweep.results.records.manifest import Manifest

SCORES = [0.61, 0.60, 0.64, 0.62, 0.63]


def cost(modality: str, parameters: int) -> NetworkCost:
    return NetworkCost(
        modality=modality,
        backbone="cnn1d",
        parameters=parameters,
        flops=10 * parameters,
        latency=0.002,
        batch=4,
        batch_latency=0.006,
        device="a chip",
    )


COSTS = Costs(
    networks={
        "teacher.accelerometer": cost("accelerometer", 100),
        "small gyroscope": cost("gyroscope", 10),
    },
    students={
        "Feat.gyroscope": "small gyroscope",
        "Freq.gyroscope": "small gyroscope",
        "Feat.accelerometer": "teacher.accelerometer",
    },
)


def test_a_network_teaches_and_learns(
    build: Callable[..., Table], manifest: Callable[..., Manifest]
) -> None:
    """Freq in the other direction, and the gyroscope's teacher, have no known cost."""
    scores = {"Feat.gyroscope": SCORES, "Freq.gyroscope": [0.5], "Feat.accelerometer": [0.7, 0.8]}
    table = build(scores, names=["Feat", "Freq"])
    teachers = {"accelerometer": SCORES, "gyroscope": [0.5]}
    small, large = network_rows(manifest(names=["Feat", "Freq"]), COSTS, table.rows, teachers)
    assert (small.modality, small.parameters, small.flops) == ("gyroscope", 10, 100)
    assert (small.latency_ms, small.batch, small.batch_latency_ms) == (2.0, 4, 1.5)
    assert small.as_teacher is None
    assert [(one.row, one.teacher_modality, one.mean) for one in small.as_student] == [
        ("Feat", "accelerometer", pytest.approx(62.0)),
        ("Freq", "accelerometer", pytest.approx(50.0)),
    ]
    assert [one.mean for one in large.as_student] == [pytest.approx(75.0)]
    score, values = large.as_teacher, 100 * np.array(SCORES)
    assert score is not None
    assert (score.n, score.mean) == (5, pytest.approx(62.0))
    assert score.std == pytest.approx(values.std(ddof=1))
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert (score.ci_low, score.ci_high) == (pytest.approx(low), pytest.approx(high))


def test_nothing_known_gives_no_network(
    build: Callable[..., Table], manifest: Callable[..., Manifest]
) -> None:
    table = build({"Feat.gyroscope": SCORES})
    assert network_rows(manifest(), Costs(), table.rows, {}) == ()
