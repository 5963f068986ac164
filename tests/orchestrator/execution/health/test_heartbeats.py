"""Signs of life without trainings; what a hang costs is measured in `test_hangs`."""

import ctypes
import os
import time
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial

from fdsweep.orchestrator.execution.health import guard
from fdsweep.orchestrator.execution.health.guard import STDERR, guarded
from fdsweep.orchestrator.execution.health.heartbeats import (
    SILENT_S,
    Heartbeats,
    Listener,
    Silence,
)
from fdsweep.orchestrator.execution.ray_compat import head
from fdsweep.trainers.distributed import beat, last_beat


def told(listener, signs, now, running=("a", "b")):
    return list(listener.hear(running, signs, now))


def test_a_silence_is_told_of_once_and_its_end_too():
    listener = Listener()
    assert told(listener, {}, 100) == []
    assert told(listener, {"a": "1"}, 110) == []
    assert told(listener, {"a": "1"}, 100 + SILENT_S) == [Silence("b", SILENT_S, over=False)]
    assert told(listener, {"a": "1"}, 115 + SILENT_S) == [Silence("a", 5 + SILENT_S, over=False)]
    assert told(listener, {"a": "1"}, 1000) == []
    assert told(listener, {"a": "1", "b": "1"}, 1001) == [Silence("b", 901, over=True)]
    assert told(listener, {"a": "2", "b": "2"}, 1002) == [Silence("a", 892, over=True)]


def test_steps_that_take_their_time_are_told_of_ever_less_often():
    listener, silences = Listener(), []
    for now in range(4000):
        silences += told(listener, {"a": str(now // 100)}, now, ["a"])
    assert [(one.seconds, one.over) for one in silences] == [(SILENT_S, False), (100, True)]


def test_a_trial_is_overdue_once_in_every_time_that_it_may_be_silent():
    listener, overdue = Listener(), []
    for now in range(100, 400):
        told(listener, {"a": str(now), "b": str(now // 150)}, now)
        overdue += [(name, now) for name in listener.overdue(70, now)]
    assert overdue == [("b", 221), ("b", 292), ("b", 371)]


def fate(path, act, limit=0.5):
    """Exit code of a process that is guarded while it acts, `limit` in s, and its stderr."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), STDERR)
        with guarded(limit, lambda sign: None):
            act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), path.read_text()


@pytest.mark.parametrize(
    "hang",
    [lambda: time.sleep(20), lambda: ctypes.PyDLL(None).sleep(20)],
    ids=["sleeps", "holds Python's lock"],
)
def test_a_process_without_a_beat_ends_and_says_where_it_was(tmp_path, hang):
    start = time.monotonic()
    code, said = fate(tmp_path / "stderr", hang)
    assert code == 1
    assert 0.4 < time.monotonic() - start < 10
    assert "in <lambda>" in said


@pytest.mark.slow
def test_a_process_that_gives_beats_lives_on(tmp_path):
    def work():
        for _ in range(6):
            time.sleep(0.2)
            beat()

    assert fate(tmp_path / "stderr", work, limit=1.0) == (0, "")


def test_every_new_beat_is_told_and_no_old_one(monkeypatch):
    """The limit is a long one: it is the tests' own process that would end."""
    monkeypatch.setattr(guard, "EVERY_S", 0.01)
    signs = []
    with guarded(60, signs.append):
        for _ in range(3):
            time.sleep(0.02)
            beat()
    assert 2 <= len(signs) == len({*signs})
    assert signs[-1] <= repr(last_beat())


@pytest.mark.ray
def test_signs_are_kept_in_the_head_until_they_are_dropped(cluster):
    assert head.signs(["one", "two"]) == {}
    for sign in ("1", "2"):
        head.put_sign("one", sign)
        assert head.signs(["one", "two"]) == {"one": sign}
    heartbeats, trial = Heartbeats(print, 9), SimpleNamespace(trial_id="one", status=Trial.RUNNING)
    heartbeats.on_step_end(0, [trial])
    assert heartbeats.listener.trials["one"].sign == "2"
    trial.status = Trial.TERMINATED
    heartbeats.on_step_end(1, [trial])
    assert head.signs(["one"]) == {"one": "2"}  # it is not time to look again
    heartbeats.looked = 0.0
    heartbeats.on_step_end(2, [trial])
    assert head.signs(["one"]) == {}
