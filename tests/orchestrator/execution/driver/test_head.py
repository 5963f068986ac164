"""The head of a cluster dies under a real driver."""

import json
import time

import pytest
from commands import cluster, start, surroundings
from faults import rows

from fdsweep.orchestrator.execution.ray_compat.head import psutil

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SEEDS = [0, 1, 2, 3]
"""On two cores two are at work when the first has ended, and one waits: the study cannot end before
the lost head is noticed."""

SWEEP = f"""
title: One
seeds: {SEEDS}
epochs: 8
directions: [accelerometer->gyroscope]
rows: [{{name: w/o KD, method: none}}]
"""

HEAD = """
import os, sys
from ray.cluster_utils import Cluster

head = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print(head.address, flush=True)
for line in sys.stdin:
    head.head_node.kill_gcs_server()
head.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
os._exit(0)
"""
"""A cluster whose head is killed when a line comes."""


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
    stored = first_row(driver, storage)
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

    assert to_end(words) == 0
    fault.counts({(key, seed) for key, _ in stored for seed in SEEDS}, rows(storage))


@pytest.mark.fault(
    "the head of a cluster that was joined is killed",
    "one sentence, exit code 1; the same command ends the study on another cluster",
)
def test_a_lost_head_of_a_joined_cluster_is_said_before_ray_ends_the_driver(fault, tmp_path):
    storage, variables = tmp_path / "runs", surroundings(RAY_AUTH_MODE="disabled")
    (tmp_path / "one.yaml").write_text(SWEEP)
    words = ["run", tmp_path / "one.yaml", "--storage", storage]
    with cluster(HEAD, variables) as (head, address):
        driver = start(*words, "--address", address, environment=variables)
        stored = first_row(driver, storage)
        fault.hits()
        print(file=head.stdin, flush=True)
        _, stderr = driver.communicate(timeout=90)
        fault.over()
    assert driver.returncode == 1, stderr
    assert "the Ray cluster is gone (its head has not answered for" in stderr
    assert "goes on from what is stored" in stderr
    assert "Traceback" not in stderr
    assert to_end(words) == 0
    fault.counts({(key, seed) for key, _ in stored for seed in SEEDS}, rows(storage))


def first_row(driver, storage):
    """What is stored when the first replicate has ended."""
    deadline = time.monotonic() + 120
    while not (stored := rows(storage)):
        assert time.monotonic() < deadline, "no row in two minutes"
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.05)
    return stored


def to_end(words):
    """The exit code of the same command on a cluster of its own."""
    again = start(*words)
    again.communicate(timeout=120)
    return again.returncode
