"""How many trials fit, node by node and GPU by GPU, and what is said of the rest."""

import pytest

from fdsweep.orchestrator.execution.devices.packing import (
    MOST_ON_A_GPU,
    Node,
    Shape,
    idle,
    lack,
    on_a_gpu,
    part,
)

TWO = (Node(8, 4), Node(8, 4))


@pytest.mark.parametrize(
    ("shape", "nodes", "fitting"),
    [
        (Shape(1, 0), TWO, 16),
        (Shape(3, 0), TWO, 4),
        (Shape(3, 0, spread=True), TWO, 5),
        (Shape(1, 1), TWO, 8),
        (Shape(3, 1), TWO, 2),
        (Shape(8, 1), TWO, 0),
        (Shape(8, 1, spread=True), TWO, 1),
        (Shape(1, 0.3), (Node(64, 8),), 24),
        (Shape(1, 0.75), (Node(64, 8),), 8),
        (Shape(1, 1 / 3), (Node(64, 1),), 3),
        (Shape(1, 0.25), (Node(2, 8),), 2),
        (Shape(1, 0.5), (Node(0.5, 4), Node(4, 0)), 0),
    ],
)
def test_trials_that_fit(shape, nodes, fitting):
    assert shape.fitting(nodes) == fitting


def test_of_more_gpus_than_were_asked_for_none_is_taken():
    assert Shape(1, 0.25).fitting(TWO, most_gpus=3) == 12
    assert Shape(2, 1).fitting(TWO, most_gpus=3) == 1
    assert Shape(2, 0).fitting(TWO, most_gpus=0) == 8


@pytest.mark.parametrize(
    ("shape", "nodes", "most", "said"),
    [
        (Shape(1, 1), TWO, 8, ""),
        (Shape(1, 1), TWO, 3, ""),
        (Shape(1, 0), TWO, 8, ""),
        (Shape(1, 0.5), TWO, 8, ""),
        (Shape(1, 0.33), (Node(32, 8),), 8, ""),
        (Shape(1, 0.75), TWO, 8, "0.25 of each GPU stays idle: a trial takes 0.75 of one GPU"),
        (
            Shape(3, 1),
            TWO,
            8,
            "2 of 8 GPUs stay idle: a trial takes 3 cores and 3 GPUs of one node",
        ),
        (
            Shape(1, 1),
            (Node(4, 8),),
            8,
            "4 of 8 GPUs stay idle: a trial takes 1 core and 1 GPU",
        ),
        (
            Shape(3, 1, spread=True),
            TWO,
            8,
            "2 of 8 GPUs stay idle: a trial takes 3 cores and 3 GPUs",
        ),
    ],
)
def test_no_gpu_is_idle_without_a_word(shape, nodes, most, said):
    assert idle(shape, nodes, most) == said


@pytest.mark.parametrize(
    ("shape", "nodes", "trials", "said"),
    [
        (Shape(1, 1), TWO, 8, ""),
        (Shape(1, 1), TWO, 12, "12 GPUs, 8 are there"),
        (Shape(1, 0.5), (Node(64, 1),), 4, "2 GPUs, 1 is there"),
        (Shape(1, 1), (Node(2, 8),), 4, "4 cores, 2 are there"),
        (Shape(1, 1), (), 1, "1 GPU, 0 are there"),
        (Shape(1, 0), (), 1, "1 core, 0 are there"),
        (Shape(8, 1), TWO, 1, "a node with 8 GPUs, the largest has 4 (or give --spread)"),
        (Shape(16, 0), TWO, 1, "a node with 16 cores, the largest has 8 (or give --spread)"),
        (Shape(16, 1, spread=True), TWO, 1, "16 GPUs, 8 are there"),
        (Shape(3, 0), TWO, 5, "room for 5 trials at a time, there is room for 4"),
    ],
)
def test_what_is_missing_is_named(shape, nodes, trials, said):
    assert lack(shape, nodes, trials) == said


def test_what_stays_on_one_node_is_one_bundle():
    assert Shape(4, 1).bundles(2) == [{"CPU": 4.0, "GPU": 4.0}] * 2
    assert Shape(4, 1, spread=True).bundles(1) == [{"CPU": 1.0, "GPU": 1.0}] * 4
    assert Shape(4, 1).strategy == "STRICT_PACK"
    assert Shape(4, 1, spread=True).strategy == "SPREAD"


ROOMY = {"nbytes": 1, "room": 1000, "busy": 0.001, "cores": 1000, "trials": 1000}


@pytest.mark.parametrize(
    ("given", "count", "limit"),
    [
        ({}, MOST_ON_A_GPU, "16, as more were never measured"),
        ({"nbytes": 100}, 5, "its memory"),  # half of each part is left for data
        ({"nbytes": 600}, 1, "its memory"),
        ({"busy": 0.3}, 3, "its time"),
        ({"busy": 0.1}, 10, "its time"),
        ({"busy": 1.0}, 1, "its time"),
        ({"cores": 8}, 8, "cores"),
        ({"cores": 0}, 1, "cores"),
        ({"trials": 2, "busy": 0.3}, 2, "trials that are left"),
    ],
)
def test_what_a_gpu_may_be_shared_by(given, count, limit):
    assert on_a_gpu(**ROOMY | given) == (count, limit)


@pytest.mark.parametrize("count", range(1, MOST_ON_A_GPU + 1))
def test_parts_fill_a_gpu_and_no_more_as_ray_counts(count):
    assert Shape(1, part(count)).per_gpu == count
    assert count * round(part(count) * 10_000) <= 10_000
    assert not idle(Shape(1, part(count)), (Node(128, 8),))
