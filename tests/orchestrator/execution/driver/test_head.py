"""The head of a local cluster dies under a real driver."""

import json
import time

import pytest
from commands import start
from faults import rows

from fdsweep.orchestrator.execution.ray_compat import psutil

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SWEEP = """
title: One
seeds: [0, 1]
epochs: 16
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}]
"""


@pytest.mark.fault(
    "the head of a local cluster is killed: its GCS, or its raylet",
    "one sentence, the table of what is stored, exit code 1; the same command ends the study",
)
@pytest.mark.parametrize("server", ["gcs_server", "raylet"])
def test_a_lost_head_is_said_and_what_is_stored_is_printed(server, fault, tmp_path):
    storage = tmp_path / "runs"
    (tmp_path / "one.yaml").write_text(SWEEP)
    words = ["run", tmp_path / "one.yaml", "--json", "--storage", storage]
    driver = start(*words)
    deadline = time.monotonic() + 120
    while not (stored := rows(storage)):
        assert time.monotonic() < deadline, "no row in two minutes"
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)
    family = psutil.Process(driver.pid).children(recursive=True)
    fault.hits()
    (victim,) = [one for one in family if one.name() == server]
    victim.kill()
    stdout, stderr = driver.communicate(timeout=50)
    fault.over()
    assert driver.returncode == 1, stderr
    assert f"the Ray cluster is gone (its {server} ended)" in stderr
    assert "type: fdsweep run" in stderr
    assert "Traceback" not in stderr
    assert json.loads(stdout)["tables"][0]["rows"][0]["n"] == len(rows(storage))
    assert not [one for one in family if one.is_running() and one.status() != "zombie"]

    again = start(*words)
    _, stderr = again.communicate(timeout=120)
    assert again.returncode == 0, stderr
    ((key, _),) = stored
    fault.counts({(key, 0), (key, 1)}, rows(storage))
