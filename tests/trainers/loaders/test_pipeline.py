"""Reading ahead: in order, side by side, as far as cores and memory go."""

import math
import os
import threading
from collections.abc import Iterator

import pytest

from fdsweep.trainers.loaders import pipeline
from fdsweep.trainers.loaders.pipeline import MIN_AHEAD, depth, read_ahead, usable_cores


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 8}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores() == 64


def test_a_trial_reads_on_its_part_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    for part, used in ((4, 4), (64, 16)):
        monkeypatch.setattr(pipeline, "_SHARE", pipeline._Share(math.inf))
        pipeline.share_cores(part)
        assert usable_cores() == used


@pytest.mark.parametrize(
    ("cores", "result_bytes", "expected"),
    [(2, 1, 4), (16, 1, 32), (64, 10**7, 12), (64, 10**9, MIN_AHEAD), (1, 1, MIN_AHEAD)],
)
def test_two_per_core_as_far_as_memory_goes(cores: int, result_bytes: int, expected: int) -> None:
    assert depth(cores, result_bytes, budget=125 * 10**6) == expected


def test_results_come_in_the_order_asked_for() -> None:
    assert list(read_ahead(lambda x: x * x, range(20), ahead=5, threads=3)) == [
        x * x for x in range(20)
    ]


def test_no_more_is_read_ahead_than_asked_for() -> None:
    read: list[int] = []
    results: Iterator[int] = read_ahead(lambda x: read.append(x) or x, range(20), 5, threads=1)
    for place, result in enumerate(results):
        assert result == place
        assert len(read) <= place + 1 + 5


@pytest.mark.parametrize("threads", [1, 6])
def test_so_many_are_loaded_at_the_same_time(threads: int) -> None:
    """A barrier lets go only when that many threads have come to it."""
    together = threading.Barrier(threads)
    assert list(read_ahead(lambda _: together.wait(30) >= 0, range(12), 12, threads)) == [True] * 12


def test_a_failure_comes_back() -> None:
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(lambda x: 1 // x, [1, 0, 1], ahead=2, threads=2))
