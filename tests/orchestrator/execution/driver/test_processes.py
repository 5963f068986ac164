"""Ray's programs that this process started are ended with all that came from them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import ray

from fdsweep.orchestrator.execution.driver import processes

GRANDCHILD = "import subprocess, sys; subprocess.Popen(['sleep', '60']).wait()"


def is_running(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_children_of_a_program_that_is_gone_are_known_still(monkeypatch):
    monkeypatch.setattr(processes, "_known", set())
    program = f"{Path(ray.__file__).parent}/core/src/ray/raylet/raylet"
    raylet = subprocess.Popen([sys.executable, "-c", GRANDCHILD, program])
    other = subprocess.Popen(["sleep", "60"])
    while len(processes._known) < 2:
        time.sleep(0.02)
        processes.remember()
    known = [one.pid for one in processes._known]
    raylet.kill()
    raylet.wait()
    assert any(map(is_running, known))
    processes.kill()
    assert not any(map(is_running, known))
    assert other.poll() is None
    other.kill()
    other.wait()
