"""What `fdsweep status` shows of a storage in which drivers are at work."""

import fcntl
import io
import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest
from commands import INTERRUPTIBLE, command
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.bulletins.record import SCHEMA, Best, Said, Training
from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.studies.status import watch as watching
from fdsweep.orchestrator.studies.status.looking import Looking, to_json
from fdsweep.orchestrator.studies.status.view import ago, lines, packed
from fdsweep.orchestrator.studies.status.watch import watch
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import ConfigError, StorageError

SWEEP, SEARCH = "compare-rooms-6cc79f", "tuning-loss-weights-rooms-0a1b2c"
ROOMS = Path(__file__).parents[4] / "docs" / "studies" / "rooms"
LONG = "KD + FD-CMKD, low band only, no heads, depth->rgb"
CJK = "知識蒸留、低周波のみ、depth->rgb"


@pytest.fixture
def store(tmp_path):
    """A sweep of 14 rows and 8 seeds that lacks half of one row."""
    root = tmp_path / "runs"
    shutil.copytree(ROOMS / "results", root / "results")
    place = Path("reports", SWEEP, "sweep.json")
    (root / place).parent.mkdir(parents=True)
    shutil.copy(ROOMS / place, root / place)
    return Store.open(str(root))


def post(store, sweep=SWEEP, **told):
    """The bulletin of a driver that has been at work for 100 s; its place."""
    board = Board(store, sweep, "Loss weights")
    now = board.blank.written
    blank = board.blank.replace(started=now - 100, **told)
    store.write_text(board.place, blank.to_text(SCHEMA))
    return store.local(board.place)


def trial(name="FD, depth->rgb", kind="student", epoch=12, **given):
    now = time.time()
    given = {"since": now - 30, "first": now - 24, "heard": now, "steps": 13, **given}
    return Training(name=name, kind=kind, epoch=epoch, epochs=20, score=0.61, best=0.63, **given)


@pytest.fixture
def busy(store):
    """One driver of the sweep is at work, one was not heard of for an hour; and there is a search.

    Of the sweep a row was never trained, and is now.
    """
    lost = sorted(store.local("results").glob("*.parquet"))[0]
    lost.unlink()
    one = trial("teacher depth", "teacher", seeds=(0, 1), seed=1)
    other = trial(LONG, seeds=(2, 3), seed=2, silent_since=time.time() - 130)
    third = Training(name=CJK, kind="student", seeds=(4,))
    said = Said(
        at=time.time() - 10, text=f"failed: {CJK}, seed 3: CUDA out of memory. " + "x " * 60
    )
    post(store, trials=(one, other, third), total=10, done=2, said=(said,))
    post(store, machine="another", trials=(trial(),), total=10)
    silent = post(store, machine="another", trials=(trial(),), total=10)
    os.utime(silent, (time.time() - 3600,) * 2)
    point = trial("FD, depth->rgb, trial 7", "point", rungs=(4, 12))
    best = Best(score=0.805, name="FD, depth->rgb, trial 5", split="val")
    post(store, SEARCH, trials=(point,), total=20, done=5, pruned=3, failed=1, best=best)
    return store


def test_rows_count_and_bulletins_tell_what_is_in_training_and_what_drivers_share(busy):
    search, sweep = Looking(busy).look()
    assert (sweep.total, sweep.done, sweep.running, sweep.left) == (112, 104, 3, 5)
    assert sorted(one.state for one in sweep.drivers) == ["running", "running", "silent"]
    counts = (search.total, search.done, search.pruned, search.failed, search.running, search.left)
    assert counts == (20, 5, 3, 1, 1, 10)
    document = json.loads(json.dumps(to_json(search)))
    assert (document["left"], document["best"]["score"]) == (10, 0.805)
    (driver,) = document["drivers"]
    assert (driver["state"], driver["trials"][0]["epoch"]) == ("running", 12)
    assert driver["started"] == pytest.approx(100, abs=3)
    with pytest.raises(ConfigError, match="Choose from: compare-rooms-6cc79f, tuning-"):
        Looking(busy, "ablation").look()

    paces = (2 + 0.6 + 0.6) / 100, 0.6 / 100
    assert sweep.seconds_left == pytest.approx((10 - 0.6) / sum(paces), abs=5)


def test_rows_are_read_again_when_a_driver_has_trained_something(store):
    looking = Looking(store, "compare")
    assert [status.done for status in looking.look()] == [112]
    gone = next(store.local("results").glob("*.parquet"))
    gone.unlink()
    assert [status.done for status in looking.look()] == [112]
    place = post(store, total=10)
    assert [status.done for status in looking.look()] == [104]
    place.unlink()


def test_a_sweep_that_is_done_has_no_drivers_that_ended(store):
    post(store, stopped=True)
    assert lines(Looking(store).look()) == [
        f"{SWEEP}: 112 done, 0 failed, 0 left of 112 (Methods compared, 8 seeds, 1.29 device hours)"
    ]


def test_no_line_is_too_long_and_nothing_of_weight_is_lost(busy):
    status = Looking(busy).look()
    for width in (30, 40, 80, 200):
        found = lines(status, width)
        assert max(map(cell_len, found)) <= width
        text = re.sub(r"\s+", " ", " ".join(found))
        for needle in ("104 done, 0 failed,", "5 left of 112", "12/20", "best 63.0", "ETA 0:16"):
            assert needle in text
        for needle in ("rung 1/2", "silent 2:10", "starting", "last heard of 1 h ago", "CUDA out"):
            assert needle in text
        table = [line for line in found if "epoch 12/20" in line and "silent 2:10" in line]
        assert len(table) == (width == 200)


def test_parts_stay_whole():
    assert packed(["one", "two", "three"], 9, " ") == [" one two", "   three"]
    assert packed(["a\x1b[2Jb", "1234567890123"], 12) == ["a\\x1b[2Jb", "  123456789…"]
    assert [ago(x) for x in (3.2, 180, 7200, 2e6)] == [
        "3 s ago",
        "3 min ago",
        "2 h ago",
        "23 d ago",
    ]


def test_status_prints_it_and_refuses_what_does_not_go_together(busy):
    words = ["status", "--storage", busy.root]
    text = CliRunner().invoke(app, words).stdout
    assert f"{SWEEP}: 104 done, 0 failed, 3 running, 1 teacher running, 5 left of 112" in text
    document = json.loads(CliRunner().invoke(app, [*words, "tun", "--json"]).stdout)
    assert [status["sweep"] for status in document["sweeps"]] == [SEARCH]
    refused = CliRunner().invoke(app, [*words, "--watch", "--json"])
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)


@pytest.fixture
def looks(monkeypatch):
    """Does something before each further look; when nothing is left to do, Ctrl-C is pressed."""

    def script(*acts):
        waiting = list(acts)

        def sleep(_):
            if not waiting:
                raise KeyboardInterrupt
            waiting.pop(0)()

        monkeypatch.setattr(watching.time, "sleep", sleep)

    return script


def watched(store, sweep=None, **given):
    out = io.StringIO()
    watch(store.root, sweep, console=Console(file=out, width=100, height=10, **given))
    return out.getvalue()


def test_without_a_terminal_each_look_adds_a_block(busy, looks):
    looks(lambda: None)
    blocks = watched(busy).rstrip("\n").split("\n\n")
    assert len(blocks) == 2
    assert all(re.match(r"\d\d:\d\d:\d\d  /", block) for block in blocks)
    assert "\x1b" not in blocks[0]
    assert blocks[0].splitlines()[1].startswith(f"{SEARCH}: 5 done, 3 pruned, 1 failed, 1 running")


def test_it_ends_when_nothing_is_left_of_the_sweep(store, looks):
    looks()
    assert watched(store, "compare").count(SWEEP) == 1
    looks(lambda: None)
    assert watched(store).count(SWEEP) == 2


def test_a_look_that_fails_is_told_and_the_next_one_counts(busy, looks, monkeypatch):
    def fail():
        def refuse(_):
            raise StorageError("cannot be read (no route to host)", "/nfs")

        context.setattr(watching.Looking, "look", refuse)

    with monkeypatch.context() as context:
        looks(fail, context.undo)
        first, second, *_ = watched(busy, "compare").split("\n\n")
    assert "no route to host" not in first
    assert "no route to host" in second
    assert "104 done" in second


def test_searches_that_nothing_is_heard_of_any_more_are_over(busy, looks, monkeypatch):
    def vanish():
        next(busy.local("progress").glob("tuning-*")).unlink()
        monkeypatch.setattr(watching, "GAP_S", -1.0)

    looks(vanish)
    assert watched(busy, "tuning").count(SEARCH) == 2


def test_a_terminal_is_drawn_in_place_and_has_the_last_of_it_in_the_end(busy, looks):
    looks(lambda: None)
    out = watched(busy, force_terminal=True, _environ={"TERM": "xterm"})
    enter, leave = "\x1b[?1049h", "\x1b[?1049l"
    assert (out.count(enter), out.count(leave)) == (1, 1)
    screen, end = out.split(leave)
    assert "more lines" in screen
    assert "\x1b[2J" not in screen  # nothing is blank in between
    assert SWEEP in end


@pytest.mark.slow
@pytest.mark.parametrize("columns", [40, 200])
def test_in_a_terminal_of_its_own(busy, columns):
    """In a pseudo-terminal: nothing wraps, and Ctrl-C is no failure."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {key: x for key, x in os.environ.items() if key not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        command("status", "--watch", "--storage", busy.root, first=INTERRUPTIBLE),
        env={**given, "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    seen = bytearray()

    def read():
        try:
            while chunk := os.read(master, 4096):
                seen.extend(chunk)
        except OSError:  # Linux says so at the end
            return

    reading = threading.Thread(target=read)
    reading.start()
    deadline = time.monotonic() + 120
    while seen.count(b"12/20") < 4 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    reading.join(60)
    os.close(master)
    lined = re.sub(r"\x1b\[(H|\?1049[hl])", "\n", seen.decode())
    screen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", lined)
    assert "Traceback" not in screen
    assert max(map(cell_len, re.split(r"[\r\n]+", screen))) <= columns
