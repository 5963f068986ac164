"""What starts take is seen in one command, and known in the next."""

from types import SimpleNamespace

import pytest

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
    """Epochs of 2 s; `a` and `b` start processes, `c` begins in those of `a` and waits before."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(meter.time, "monotonic", lambda: clock.now)
    timer = Timer("")
    trials = {name: SimpleNamespace(trial_id=name) for name in "abc"}

    def asked(now, names):
        clock.now = now
        timer.on_step_end(0, [trials[name] for name in names])

    def reports(names, *times):
        for clock.now in times:
            for name in names:
                timer.on_trial_result(0, [], trials[name], {})

    asked(1.0, "ab")
    reports("ab", 12.0, 14.0, 16.0)
    clock.now = 16.25
    timer.on_trial_complete(0, [], trials["a"])
    asked(30.0, "abc")
    reports("c", 32.5, 34.5)
    assert timer.seen() == {"first": 10.0, "later": 0.75}
    timer.on_experiment_end([])
    assert Starts.last("") == Starts(first=10.0, later=0.75, seen=True)


def test_single_reports_say_nothing_of_starts():
    timer, trial = Timer(""), SimpleNamespace(trial_id="a")
    timer.on_step_end(0, [trial])
    timer.on_trial_result(0, [], trial, {})
    timer.on_experiment_end([])
    assert not Starts.last("").seen
