import inspect
import os
import socket
from dataclasses import replace

import pytest
from commands import start, surroundings
from faults import rows

from fdsweep.orchestrator.execution.cluster import (
    ResourceRequest,
    check,
    check_nodes,
    local_resources,
    plan_resources,
    share,
)
from fdsweep.orchestrator.execution.devices.packing import Node
from fdsweep.orchestrator.execution.ray_compat.head import head_answers
from fdsweep.search_spaces.errors import ClusterError, ConfigError
from fdsweep.search_spaces.storage import Storage


@pytest.mark.parametrize(
    ("request_", "cpus", "gpus", "concurrent", "gpus_per_worker"),
    [
        (ResourceRequest(), 2, 0, 2, 0),
        (ResourceRequest(workers_per_trial=2), 5, 0, 2, 0),
        (ResourceRequest(), 64, 8, 8, 1),
        (ResourceRequest(gpus=4), 64, 8, 4, 1),
        (ResourceRequest(gpus=0), 64, 8, 64, 0),
        (ResourceRequest(gpus_per_trial=0.25), 64, 2, 8, 0.25),
        (ResourceRequest(workers_per_trial=4), 64, 8, 2, 1),
        (ResourceRequest(gpus_per_trial=0.3), 64, 8, 24, 0.3),
        (ResourceRequest(gpus_per_trial=0.75), 64, 8, 8, 0.75),
        (ResourceRequest(gpus_per_trial=0.25, gpus=3), 64, 8, 12, 0.25),
        (ResourceRequest(gpus_per_trial=4), 64, 8, 2, 1),
        (ResourceRequest(gpus_per_trial=0, workers_per_trial=4), 64, 8, 16, 0),
        (ResourceRequest(), 4, 8, 4, 1),
    ],
)
def test_trials_fill_the_cluster(request_, cpus, gpus, concurrent, gpus_per_worker):
    resources = plan_resources(request_, cpus, gpus)
    shape = resources.shape
    assert (resources.concurrent, shape.gpus_per_worker) == (concurrent, gpus_per_worker)
    workers = resources.concurrent * shape.workers
    assert workers * shape.per_worker["CPU"] <= cpus
    assert workers <= workers * resources.cores_per_worker <= cpus
    assert workers * shape.per_worker.get("GPU", 0) <= gpus
    check(replace(request_, gpus=None))


def test_of_a_machine_only_the_cores_given_are_used():
    """As in a job of Slurm that has a part of a node; Ray itself would count all of it."""
    whole = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(whole)})
        assert local_resources(ResourceRequest(gpus=0)).nodes == (Node(1, 0),)
    finally:
        os.sched_setaffinity(0, whole)


@pytest.mark.parametrize(
    ("request_", "later", "fitting"),
    [
        (ResourceRequest(), (0, 0), 0),
        (ResourceRequest(), (16, 0), 16),
        (ResourceRequest(workers_per_trial=2), (5, 0), 2),
        (ResourceRequest(gpus_per_trial=0.5), (64, 4), 8),
        (ResourceRequest(gpus_per_trial=0.5, gpus=2), (64, 4), 4),
        (ResourceRequest(gpus=1), (64, 4), 1),
    ],
)
def test_trials_fill_what_becomes_of_the_cluster(request_, later, fitting):
    assert plan_resources(request_, 2, later[1]).fitting([Node(*later)]) == fitting


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (ResourceRequest(gpus=8), "8 GPUs asked for, Ray sees 1"),
        (ResourceRequest(workers_per_trial=3), "a trial of 3 workers and 3 GPUs does not fit"),
        (
            ResourceRequest(gpus=0, workers_per_trial=3),
            "a trial of 3 workers and 0 GPUs does not",
        ),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused_at_once(request_, message):
    with pytest.raises(ClusterError, match=message):
        plan_resources(request_, 2, 1)


@pytest.mark.parametrize(
    "request_",
    [
        ResourceRequest(workers_per_trial=0),
        ResourceRequest(gpus=-1),
        ResourceRequest(gpus_per_trial=-0.5),
        ResourceRequest(gpus_per_trial=0.001),
        ResourceRequest(gpus_per_trial=1.5),
        ResourceRequest(gpus_per_trial="auto", workers_per_trial=2),
        ResourceRequest(gpus_per_trial=1, workers_per_trial=4),
        ResourceRequest(gpus_per_trial=4, workers_per_trial=1),
        ResourceRequest(gpus_per_trial=6, workers_per_trial=4),
    ],
)
def test_numbers_without_sense_are_refused(request_):
    with pytest.raises(ConfigError, match="Give"):
        check(request_)


def test_a_cluster_that_is_joined_may_have_to_grow():
    """It is waited for, and in full if so many GPUs were asked for."""
    nodes = (Node(8, 2), Node(8, 3))
    joined = ResourceRequest("10.0.0.1:6379", gpus=8)
    assert share(joined, nodes).wanted == 8
    assert share(joined, ()).concurrent == 8  # what seeds per trial are chosen for
    assert share(replace(joined, gpus=None), nodes).wanted == 1
    with pytest.raises(ClusterError, match="8 GPUs asked for, Ray sees 5"):
        share(replace(joined, address="local"), nodes)
    with pytest.raises(ClusterError, match="4 workers and 4 GPUs does not fit into --gpus 2"):
        share(replace(joined, gpus=2, workers_per_trial=4), nodes)


def test_a_cluster_without_workers_does_not_tell_what_its_trials_take(tmp_path):
    storage, head, worker = Storage(str(tmp_path)), Node(0, 0), Node(8, 0)
    joined = ResourceRequest("10.0.0.1:6379")
    for nodes in ((), (head,)):
        with pytest.raises(ClusterError, match=r"^10.0.0.1:6379: no worker .* Give --gpus"):
            check_nodes(joined, nodes, storage)
        check_nodes(ResourceRequest("local"), nodes, storage)
        for told in ({"gpus": 0}, {"gpus": 8}, {"gpus_per_trial": 0.5}):
            check_nodes(replace(joined, **told), nodes, storage)
    check_nodes(joined, (head, worker), storage)


@pytest.mark.fault("no cluster at `--address`", "one sentence, exit 2")
@pytest.mark.ray
def test_a_dead_address_is_one_sentence_at_once(tmp_path, fault):
    fault.hits()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound, so that no other takes it; it does not listen
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        driver = start("ablation", "--seeds", 1, "--storage", tmp_path, "--address", address)
        _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 2
    fault.counts((), rows(tmp_path))
    (line,) = [one for one in stderr.splitlines() if one.startswith("fdsweep:")]
    assert f"{address}: no Ray cluster answers" in line
    assert "refused" in line
    assert "Traceback" not in stderr


@pytest.mark.ray
def test_a_cluster_that_cannot_be_started_is_one_sentence(tmp_path):
    """Ray's sockets lie in its temporary folder, whose path is too long for them here."""
    environment = surroundings(RAY_TMPDIR=str(tmp_path / ("x" * 100)))
    driver = start("ablation", "--seeds", 1, "--storage", tmp_path, environment=environment)
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 2
    (line,) = [one for one in stderr.splitlines() if one.startswith("fdsweep:")]
    assert "no Ray cluster can be started here" in line
    assert "type the same command again" in line
    assert "Traceback" not in stderr


@pytest.mark.ray
def test_a_head_that_takes_the_call_and_says_nothing_is_given_up():
    assert inspect.signature(head_answers).parameters["seconds"].default < 30
    with socket.socket() as silent:
        silent.bind(("", 0))
        silent.listen()
        with pytest.raises(ConnectionError, match="no answer within 4 s"):
            head_answers(f"127.0.0.1:{silent.getsockname()[1]}", seconds=4)
