"""What commands print for people."""

import fcntl
import os
import struct
import sys
import termios

from fdsweep.orchestrator.cli.output import show_plan


def test_a_plan_fits_the_terminal_and_is_left_as_it_is_elsewhere(monkeypatch, capsys):
    plan = "steps: 4 cells x 2 seeds = 8 replicates; 0 done, 8 left\n  hand->foot: weight_low"
    show_plan(plan, {}, dry_run=True, as_json=False)
    assert capsys.readouterr().out == f"{plan}\n"
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with os.fdopen(theirs, "w") as terminal, os.fdopen(ours, "rb", buffering=0) as shown:
        monkeypatch.setattr(sys, "stderr", terminal)
        show_plan(plan, {}, dry_run=False, as_json=False)
        terminal.flush()
        lines = shown.read(1000).decode().splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(line.strip() for line in lines) == plan.replace("\n ", "")
