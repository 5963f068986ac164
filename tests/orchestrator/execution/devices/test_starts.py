"""What starts take is seen in one command, and known in the next."""

from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial

from fdsweep.orchestrator.execution.devices import meter, starts
from fdsweep.orchestrator.execution.devices.meter import Timer
from fdsweep.orchestrator.execution.devices.starts import Starts


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FDSWEEP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_seen_is_kept_for_this_machine_and_for_each_cluster():
    assert not Starts.last("").seen
    starts.keep("", ray=3.0)
    starts.keep("", first=7.0, later=0.5)
    starts.keep("10.0.0.1:6379", ray=0.1)
    assert Starts.last("") == Starts(ray=3.0, first=7.0, later=0.5, seen=True)
    assert Starts.last("10.0.0.1:6379") == Starts(ray=0.1, seen=True)
    assert not Starts.last("10.0.0.2:6379").seen


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "fdsweep.starts/1", "first": -1}'])
def test_a_damaged_file_is_as_good_as_none(cache, text):
    cache.mkdir()
    (cache / "starts.json").write_text(text)
    assert Starts.last("") == Starts()


def test_a_cache_that_cannot_be_written_costs_the_memory_alone(cache):
    cache.write_text("a file")
    starts.keep("", ray=3.0)
    assert Starts.last("") == Starts()


def test_starts_are_seen_from_when_trials_report(monkeypatch):
    """Two places, epochs of 2 s: the first trials train after 10 s, the others 1 s after those."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(meter.time, "monotonic", lambda: clock.now)
    timer = Timer("")
    names = {name: SimpleNamespace(trial_id=name, status=Trial.RUNNING) for name in "abcd"}
    timer.on_step_end(0, [names["a"], names["b"]])
    reports = {
        **dict.fromkeys([12.0, 14.0, 16.0], "ab"),  # 10 s to 16 s
        **dict.fromkeys([19.0, 21.0], "cd"),  # from 17 s on
    }
    for now, told in reports.items():
        clock.now = now
        for name in told:
            timer.on_trial_result(0, [], names[name], {})
    assert timer.seen() == {"first": 10.0, "later": 1.0}
    timer.on_experiment_end([])
    assert Starts.last("") == Starts(first=10.0, later=1.0, seen=True)


def test_single_reports_say_nothing_of_starts():
    timer = Timer("")
    timer.on_trial_result(0, [], SimpleNamespace(trial_id="a"), {})
    timer.on_experiment_end([])
    assert not Starts.last("").seen
