import io
import re

import pytest
from rich.console import Console

from fdsweep.orchestrator.bulletins.record import Training, clock
from fdsweep.orchestrator.tracking.progress import Counts, Progress, Steps, time_left


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7325, "2:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_the_counter_line_adds_up():
    counts = Counts(
        10,
        done=3,
        failed=1,
        running={("k", "g"): Training(name="x", kind="student")},
        best=(0.805, "FD"),
    )
    assert counts.left == 5
    assert counts.line(40) == (
        "3 done · 1 failed · 1 running · 5 left · best val 80.5 (FD) · ETA 1:00"
    )


def test_off_a_terminal_there_are_lines_and_no_escape_codes():
    out = io.StringIO()
    with Progress(1, Console(file=out, force_terminal=False)) as progress:
        progress.say("failed: [x] {y}")
    assert out.getvalue().splitlines() == [
        "failed: [x] {y}",
        "0 done · 0 failed · 0 running · 1 left",
    ]


def test_a_silence_and_its_end_are_said():
    out = io.StringIO()
    progress = Progress(1, Console(file=out))
    progress.silent("x", "FD, seeds 0-2", 30, over=False)
    progress.silent("x", "FD, seeds 0-2", 601, over=True)
    first, second = out.getvalue().splitlines()
    assert re.fullmatch(
        r"FD, seeds 0-2: no step since \d\d:\d\d:\d\d \(see --hang-timeout\)", first
    )
    assert second == "FD, seeds 0-2: goes on after 10:01 without a step"


def test_a_terminal_shows_how_far_each_trial_is():
    out = io.StringIO()
    with Progress(1, Console(file=out, force_terminal=True, width=80)) as progress:
        progress.running("x", Training(name="FD, a->b", kind="student", seeds=(0, 3)))
        assert "FD, a->b: starting" in drawn(progress)
        progress.epoch("x", 2, 10, 0.8125, "test", 3)
        assert "FD, a->b: seed 3, epoch 2/10, test 81.2" in drawn(progress)
        progress.running("y", Training(name="FD, a->b, trial 3", kind="point"))
        progress.epoch("y", 1, 10, float("nan"))
        assert "trial 3: epoch 1/10\n" in drawn(progress)


def drawn(progress):
    with progress.console.capture() as shown:
        progress.console.print(progress.drawn())
    return re.sub(r"\x1b\[[0-9;]*m| +(?=\n)", "", shown.get())


def test_steps_say_how_many_are_through():
    out = io.StringIO()
    with Steps(2000, "decoding", "samples decoded", 0, Console(file=out)) as steps:
        steps.advance(1500)
        steps.advance(500)
    first, *rest = out.getvalue().splitlines()
    assert first.startswith("0:00  1,500 of 2,000 samples decoded, ETA 0:0")
    assert rest == ["0:00  2,000 of 2,000 samples decoded"] * 2


def test_on_a_terminal_the_bar_is_live_and_gone_at_the_end():
    out = io.StringIO()
    with Steps(4, "decoding", "samples decoded", console=Console(file=out, force_terminal=True)):
        pass
    assert "0/4  decoding" in out.getvalue()
    assert out.getvalue().endswith("0:00  0 of 4 samples decoded\n")


def test_the_time_left_is_told_only_in_between():
    assert [time_left(30, ended, 4) for ended in (0, 1, 3, 4)] == ["", "1:30", "0:10", ""]
