"""A cluster that is joined: it is waited for, its GPUs must be torch's too, its tokens fit."""

import json

import pytest
from commands import cluster, start, surroundings

from fdsweep.results.records.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.slow]

HEAD = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1})
print(cluster.address, flush=True)
for line in sys.stdin:
    cluster.add_node(num_cpus=int(line))
cluster.shutdown()
"""
"""A head with a core and what only Ray takes for a GPU; each line is the cores of another node."""

SWEEP = """
title: Joined
seeds: [0]
epochs: 1
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}]
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """That of a cluster without tokens; the home of who starts a command holds one."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("0" * 64)
    return surroundings(HOME=str(home), RAY_AUTH_MODE="disabled")


@pytest.fixture(scope="module")
def joined(environment):
    """Its process and its address."""
    with cluster(HEAD, environment) as found:
        yield found


@pytest.fixture
def typed(environment, joined, tmp_path):
    """Starts a command that joins the cluster."""
    (tmp_path / "joined.yaml").write_text(SWEEP)

    def typed(*words, without=()):
        words = [*words, "--storage", tmp_path / "runs", "--address", joined[1]]
        variables = {k: v for k, v in environment.items() if k not in without}
        return start(*words, environment=variables, folder=tmp_path)

    return typed


def test_a_token_that_nobody_asks_for_is_not_shown(typed):
    driver = typed("run", "joined.yaml", without={"RAY_AUTH_MODE"})
    _, err = driver.communicate(timeout=90)
    assert driver.returncode == 2, err
    (line,) = [line for line in err.splitlines() if line.startswith("fdsweep:")]
    assert "the cluster has no token, but you have one" in line
    assert "Set RAY_AUTH_MODE=disabled to join it" in line


def test_gpus_that_torch_cannot_use_are_told_of_once(typed, tmp_path):
    """The first worker that is given one says so, and no replicate counts as failed."""
    driver = typed("run", "joined.yaml")
    _, err = driver.communicate(timeout=90)
    assert driver.returncode == 2, err
    (line,) = [line for line in err.splitlines() if line.startswith("fdsweep:")]
    assert "Ray sees GPUs that torch cannot use (torch" in line
    assert "--gpus 0" in line
    assert len(Store(str(tmp_path / "runs")).replicates()) == 0
    assert not [*tmp_path.glob("runs/reports/*/errors/*")]
    asked = typed("doctor", "--json")
    out, _ = asked.communicate(timeout=90)
    assert asked.returncode == 2
    (problem,) = json.loads(out)["problems"]
    assert "Ray sees GPUs that torch cannot use (torch" in problem


def test_a_trial_for_which_no_node_is_large_enough_waits_for_one(typed, joined, tmp_path):
    driver = typed("run", "joined.yaml", "--gpus", "0", "--workers-per-trial", "2")
    for line in driver.stderr:
        if "waiting for" in line:
            break
    assert "waiting for a node with 2 cores, the largest has 1 (or give --spread)" in line
    print(2, file=joined[0].stdin, flush=True)
    _, err = driver.communicate(timeout=90)
    assert driver.returncode == 0, err
    rows = Store(str(tmp_path / "runs")).replicates()
    assert rows[["status", "devices"]].values.tolist() == [["done", 2.0]]
