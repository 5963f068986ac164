"""A study on two nodes of one core each, the second of which is killed while it trains."""

import json
import subprocess
import time

import pytest
from commands import IMPATIENT, calm, cluster, start, surroundings
from faults import rows

from fdsweep.results.records.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NODES = """
import sys
from ray.cluster_utils import Cluster

nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = nodes.add_node(num_cpus=1)
nodes.wait_for_nodes()
print(nodes.address, flush=True)
for line in sys.stdin:
    nodes.remove_node(second, allow_graceful=False)
    print("killed", flush=True)
nodes.shutdown()
"""
"""A cluster that kills its second node when a line comes, and ends with its input."""

SWEEP = """
title: Nodes
seeds: [0, 1]
epochs: 4
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}, {name: FD, teacher: random}]
"""


@pytest.fixture
def environment():
    """That of the cluster and its driver, who share a token."""
    return surroundings(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)


@pytest.fixture
def nodes(environment):
    """The cluster's process and its address."""
    with cluster(NODES, environment) as found:
        yield found


@pytest.fixture
def run(environment, tmp_path):
    """Starts a driver of SWEEP that writes into a folder."""
    (tmp_path / "nodes.yaml").write_text(SWEEP)

    def run(storage, *options):
        words = ["run", tmp_path / "nodes.yaml", "--json", "--storage", storage, *options]
        return start(*words, first=IMPATIENT, environment=environment)

    return run


@pytest.mark.fault(
    "a node is killed, and what stays has room for one trial only",
    "its trial goes on from its checkpoint when there is room; the same command ends with all rows",
)
def test_a_study_outlives_a_node(nodes, run, tmp_path, fault):
    joined, address = nodes
    driver = run(tmp_path / "runs", "--address", address)
    deadline = time.monotonic() + 120
    while len({one.parent for one in tmp_path.glob("runs/ray/train/*/checkpoint_*")}) < 2:
        assert time.monotonic() < deadline, "no two trials at a time"
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.2)
    fault.hits()
    print("kill", file=joined.stdin, flush=True)
    assert joined.stdout.readline() == "killed\n"
    out, err = driver.communicate(timeout=200)
    assert driver.returncode == 0, err
    assert "a process or a node was lost; tried again in 1 s" in err
    assert "failed:" not in err
    found = rows(tmp_path / "runs")
    fault.counts(found, found)
    assert len(found) == 4
    assert [row["n"] for row in json.loads(out)["tables"][0]["rows"]] == [2, 2]

    words = calm("run", tmp_path / "nodes.yaml", "--storage", tmp_path / "calm")
    undisturbed = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert undisturbed.returncode == 0, undisturbed.stderr
    numbers = ["key", "seed", "best_epoch", "best_head", "val_score", "test_score"]
    one, other = (
        Store(str(tmp_path / name)).replicates()[numbers].sort_values(["key", "seed"])
        for name in ("runs", "calm")
    )
    assert one.values.tolist() == other.values.tolist()
