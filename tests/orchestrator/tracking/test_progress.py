import io

import pytest
from rich.console import Console

from fdsweep.orchestrator.tracking.progress import Counts, Progress, clock


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65.4, "1:05"), (3599.6, "1:00:00"), (7325, "2:02:05")]
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_the_counter_line_adds_up():
    counts = Counts(10, done=3, failed=1, running={("k", "g"): "x"}, best=(0.805, "FD"))
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
