import io
import os
import time

import pytest
from rich.console import Console

from fdsweep.orchestrator import owner
from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.bulletins.hearing import Listener, hear
from fdsweep.orchestrator.bulletins.record import SCHEMA, Training
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.search_spaces.storage import Storage

LONG_AGO = 7200
NOBODY = 2**22 + 1
"""No process has such a number: Linux counts to 2**22."""


@pytest.fixture
def storage(tmp_path):
    return Storage(str(tmp_path))


def shown(storage):
    """A driver with ten replicates before it."""
    board = Board(storage, "s", "Mine", every=0.005)
    return Progress(10, Console(file=io.StringIO()), board)


def until(storage, condition):
    """The only bulletin, as soon as it is as it should be."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = hear(storage)
        if found and condition(found[0].bulletin):
            return found[0]
        time.sleep(0.002)
    pytest.fail(str(hear(storage)))


def test_others_see_what_the_terminal_shows_until_all_is_done(storage):
    with shown(storage) as progress:
        heard = until(storage, lambda b: b.total == 10)
        assert (heard.state, heard.bulletin.title, heard.bulletin.pid) == (
            *("running", "Mine"),
            os.getpid(),
        )
        progress.running("x", Training(name="FD, a->b", kind="student", seeds=(3,)))
        progress.epoch("x", 2, 5, 0.5, "val", 3)
        progress.epoch("never heard of", 2, 5, 0.5)
        progress.silent("x", "FD, seed 3", 40, over=False)
        progress.counts.done = 1
        progress.reached(0.75, "kd, a->b")
        progress.show()
        bulletin = until(storage, lambda b: b.best).bulletin
        (trial,) = bulletin.trials
        assert (trial.name, trial.seed, trial.epoch, trial.best) == ("FD, a->b", 3, 2, 0.5)
        assert time.time() - trial.silent_since == pytest.approx(40, abs=2)
        assert [line.text.partition(" since")[0] for line in bulletin.said] == [
            "FD, seed 3: no step"
        ]
        assert (bulletin.ended, bulletin.best.score) == (1, 0.75)
    assert storage.files("progress") == []


def test_a_driver_that_stops_says_so(storage):
    progress = shown(storage)
    progress.__enter__()
    progress.running("x", Training(name="FD, a->b", kind="student"))
    progress.__exit__(KeyboardInterrupt)
    (heard,) = hear(storage)
    assert (heard.state, heard.is_past, heard.bulletin.trials) == ("stopped", True, ())


def test_a_storage_that_cannot_be_written_holds_no_one_up(storage):
    storage.write("progress", b"a file, where a folder should be")
    with shown(storage) as progress:
        progress.show()
    assert storage.read("progress").startswith(b"a file")


def put(storage, driver, age=0.0, sweep="s", **given):
    """The bulletin of a `driver`, as it looks `age` s after it was written."""
    blank = Board(storage, sweep, "Mine").blank.replace(driver=driver, **given)
    place = f"progress/{sweep}-{driver}.json"
    storage.write_text(place, blank.to_text(SCHEMA))
    os.utime(storage.local(place), (time.time() - age,) * 2)


def test_who_left_what_is_told_and_cleared_up_by_the_next_driver_of_the_sweep(storage):
    put(storage, "a", pid=NOBODY)
    put(storage, "b", stopped=True)
    put(storage, "c", LONG_AGO, machine="another", pid=NOBODY)
    put(storage, "d", 120, machine="another", pid=NOBODY)
    put(storage, "e", pid=NOBODY, sweep="another")
    storage.write("progress/s-f.json", b"garbage")
    storage.write("progress/.s-g.json.123", b"half")
    states = {heard.bulletin.driver: heard.state for heard in hear(storage)}
    assert states == {"a": "gone", "b": "stopped", "c": "silent", "d": "silent", "e": "gone"}
    with shown(storage):
        until(storage, lambda b: b.total == 10 or len(hear(storage)) == 3)
    assert {heard.bulletin.driver for heard in hear(storage)} == {"d", "e"}


def test_clocks_that_differ_matter_only_until_a_bulletin_changes(storage):
    listener = Listener()
    put(storage, "a", 120, machine="another", written=5.0)
    (first,) = listener.hear(storage)
    assert (first.state, round(first.age), round(first.now)) == ("silent", 120, 125)
    put(storage, "a", 120, machine="another", written=8.0)
    (second,) = listener.hear(storage)
    assert (second.state, round(second.age)) == ("running", 0)
    put(storage, "b", -3600, machine="another")  # a clock that is fast
    assert [round(heard.age) for heard in listener.hear(storage)] == [0, 0]


@pytest.mark.parametrize("number", ["no number", 2**70, -1])
def test_of_a_process_that_is_badly_named_nothing_is_known(number):
    assert not owner.is_gone(owner.machine(), number)
    assert not owner.is_gone("another machine", NOBODY)
