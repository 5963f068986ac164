"""Several workers on one batch against one, in float64 where rounding cannot hide a fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fdsweep.trainers import distributed

METHODS = ["none", "fd-cmkd", "c2kd", "unpaired", "kd+afd"]
WORKER = """
import json, sys
from dataclasses import replace
import torch
import torch.distributed as dist
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
from conftest import INFO, small_fold, small_trial
from fdsweep.trainers import distributed
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.features.outputs import Outputs

rank, world, place = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if world > 1:
    dist.init_process_group("gloo", f"file://{place}/rendezvous", rank=rank, world_size=world)
fold = small_fold()
fold = replace(fold, inputs={name: Plain(x.values.double()) for name, x in fold.inputs.items()})
outcomes = {}
for method in json.loads(sys.argv[4]):
    trial = small_trial(place, method=method, epochs=2, lr=0.05)
    outcomes[method] = run_replicate(trial, INFO, fold, 0)
rows = distributed.gather_rows(torch.arange(3 + rank) + 10 * rank).tolist()
if rank == 0:
    print(json.dumps({"outcomes": outcomes, "rows": rows}))
if world > 1:
    dist.destroy_process_group()
"""


def start(world, place):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(here)}
    return [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(world), str(place), json.dumps(METHODS)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]


def finish(workers):
    ends = [worker.communicate(timeout=100) for worker in workers]
    assert all(worker.returncode == 0 for worker in workers), ends
    return json.loads(ends[0][0])


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    alone, together = (start(n, tmp_path_factory.mktemp(f"world{n}")) for n in (1, 2))
    return finish(alone), finish(together)


@pytest.mark.parametrize("method", METHODS)
def test_two_workers_give_the_numbers_of_one(both, method):
    one, two = (result["outcomes"][method] for result in both)
    names = [point[:3] for point in one["curves"]]
    assert [point[:3] for point in two["curves"]] == names
    for mine, theirs in zip(one["curves"], two["curves"], strict=True):
        assert theirs[3] == pytest.approx(mine[3], rel=1e-9)
    for name in ("predictions", "labels", "sample_ids", "best_epoch", "best_head"):
        assert two[name] == one[name]


def test_rows_of_different_number_come_in_order_of_rank(both):
    assert both[1]["rows"] == [0, 1, 2, 10, 11, 12, 13]


def test_one_worker_changes_nothing():
    x = torch.arange(5)
    network = torch.nn.Linear(2, 2)
    assert (distributed.world_size(), distributed.rank()) == (1, 0)
    assert distributed.shard(x) is x or torch.equal(distributed.shard(x), x)
    assert distributed.gather_rows(x) is x
    assert distributed.unwrap(distributed.wrap(network)) is network
