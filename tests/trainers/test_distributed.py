"""Two workers on one batch against one, in float64 where rounding cannot hide a fault.

This process is the first of the two, so that only one other has to start. They need no Ray, but
more than their share of the fast tests' time.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from conftest import DENSE, INFO, dense_fold, dense_trial, small_fold, small_trial
from torch import nn

from fdsweep.trainers import distributed
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.replicate import run_replicate

METHODS = ("none", "fd-cmkd", "c2kd", "unpaired", "kd+afd")
IN_PARTS = "feat in parts"
PAIRS = ("teacher of pairs", "student of pairs")
ON_PIXELS = ("c2kd", "cirkd-v2+fd-cmkd")
SMALL = {"cirkd-v2.pixel_entries": 8, "cirkd-v2.stride": 2, "fd-cmkd.band_heads": False}
CPU = torch.device("cpu")
PATIENCE = timedelta(seconds=100)
# Another worker's process ends without the interpreter's own end: a gloo thread that lets go of its
# last tensor during it aborts the process, seldom, and long after the work that is looked at here.
OTHER = """
import os, sys
from pathlib import Path
import test_distributed
place, rank, workers, samples = sys.argv[1], *map(int, sys.argv[2:])
test_distributed.worker(Path(place), rank, workers, samples)
os._exit(0)
"""


def paired(storage):
    """Configurations of a retrieval: of a teacher beside its partner, and of a student."""
    student = small_trial(storage, method="feat", epochs=1, lr=0.05).config
    right, left = (
        replace(one, task="retrieval", optim=student.network.optim)
        for one in (student.network, *student.teachers)
    )
    alone = small_trial(storage, method="none").config
    yield replace(alone, network=replace(left, partner=right))
    yield replace(student, network=right, teachers=(left,))


def outcomes(place, samples=43):
    """Every method's outcome, and rows of which each worker brings some; of this worker.

    Of 43 `samples` the third batch has 11, which two workers cannot share evenly.
    """
    torch.set_default_dtype(torch.float64)
    try:
        fold = small_fold()
        doubled = {name: Plain(x.values.double()) for name, x in fold.inputs.items()}
        fold = replace(fold, inputs=doubled, train=fold.train[:samples])
        found = {}
        for method in METHODS:
            epochs = 2 if method == "fd-cmkd" else 1  # one chooses among epochs; all have steps
            trial = small_trial(str(place), method=method, epochs=epochs, lr=0.05)
            found[method] = run_replicate(trial, INFO, fold, 0)
        trial = small_trial(str(place), method="feat", epochs=1, lr=0.05, accumulate=3)
        found[IN_PARTS] = run_replicate(trial, INFO, fold, 0)
        for part, config in zip(PAIRS, paired(str(place)), strict=True):
            found[part] = run_replicate(replace(trial, config=config), INFO, fold, 0)
        fold = dense_fold()
        doubled = {name: Plain(x.values.double()) for name, x in fold.inputs.items()}
        for method in ON_PIXELS:
            options = SMALL if "+" in method else {}
            trial = dense_trial(str(place), method, epochs=1, lr=0.05, options=options)
            found[f"pixels/{method}"] = run_replicate(
                trial, DENSE, replace(fold, inputs=doubled), 0
            )
    finally:
        torch.set_default_dtype(torch.float32)
    runtime = Runtime.here(CPU)
    rows = runtime.gather_rows(torch.arange(3 + runtime.rank) + 10 * runtime.rank)
    return json.loads(json.dumps(found)), rows.tolist()


def worker(place, rank, workers=2, samples=43):
    """What worker `rank` of all finds."""
    torch.set_num_threads(1)
    meeting = f"file://{place}/rendezvous"
    dist.init_process_group("gloo", meeting, rank=rank, world_size=workers, timeout=PATIENCE)
    try:
        return outcomes(place, samples)
    finally:
        dist.destroy_process_group()


def others(place, *, workers, samples):
    """The processes of all workers but the first."""
    here = Path(__file__).parent
    return [
        subprocess.Popen(
            [sys.executable, "-c", OTHER, str(place), str(rank), str(workers), str(samples)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(1, workers)
    ]


def compared(tmp_path_factory, *, workers, samples):
    """What one worker finds, and the first of several."""
    threads, place = torch.get_num_threads(), tmp_path_factory.mktemp("several")
    started = others(place, workers=workers, samples=samples)
    try:
        torch.set_num_threads(1)
        alone = outcomes(tmp_path_factory.mktemp("one"), samples)  # while the others start
        together = worker(place, 0, workers, samples)
        for other in started:
            _, errors = other.communicate(timeout=100)
            assert other.returncode == 0, errors
    finally:
        for other in started:
            other.kill()
        torch.set_num_threads(threads)
    return alone, together


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    return compared(tmp_path_factory, workers=2, samples=43)


def check_equal(one, two):
    names = [point[:3] for point in one["curves"]]
    assert [point[:3] for point in two["curves"]] == names
    for mine, theirs in zip(one["curves"], two["curves"], strict=True):
        assert theirs[3] == pytest.approx(mine[3], rel=1e-9)
    for name in ("kept", "best_epoch", "best_head"):
        assert two[name] == one[name]


@pytest.mark.ray
@pytest.mark.parametrize(
    "method", [*METHODS, IN_PARTS, *PAIRS, *(f"pixels/{name}" for name in ON_PIXELS)]
)
def test_two_workers_give_the_numbers_of_one(both, method):
    one, two = (found[method] for found, _ in both)
    check_equal(one, two)


@pytest.mark.slow
def test_a_worker_may_have_nothing_of_the_last_batch(tmp_path_factory):
    """34 samples leave 2 for the third batch, and nothing of it for the third worker."""
    (alone, _), (together, _) = compared(tmp_path_factory, workers=3, samples=34)
    for method in METHODS:
        check_equal(alone[method], together[method])


@pytest.mark.ray
def test_rows_of_different_number_come_in_order_of_rank(both):
    _, rows = both[1]
    assert rows == [0, 1, 2, 10, 11, 12, 13]


@pytest.mark.parametrize(("rank", "part"), [(0, [0, 1, 2]), (1, [3, 4])])
def test_each_worker_has_its_part(rank, part):
    assert Runtime(CPU, rank, 2).shard(torch.arange(5)).tolist() == part


class Twice(nn.Module):
    """Outputs with maps, from inputs [N, 2]."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, x):
        y = self.layer(x)
        return Outputs(y, 2 * y, (y[..., None],))


def test_one_worker_changes_nothing():
    x, network = torch.arange(5), Twice()
    runtime = Runtime.here(CPU)
    assert (runtime.world_size, runtime.rank, runtime.device_name) == (1, 0, "cpu")
    assert torch.equal(runtime.shard(x), x)
    assert torch.equal(distributed.shard(x), x)
    assert runtime.gather_rows(x) is x
    placed = runtime.place(network)
    assert placed.network is placed.parallel is network


def test_a_placed_network_gives_maps_only_where_they_are_wanted():
    placed, x = Runtime.here(CPU).place(Twice()), torch.randn(3, 2)
    expected = placed.network(x)
    assert torch.equal(placed(x).maps[0], expected.maps[0])
    assert torch.equal(placed.on_batch(x, len(x), maps=True).maps[0], expected.maps[0])
    without = placed.on_batch(x, len(x), maps=False)
    assert without.maps is None
    assert torch.equal(without.logits, expected.logits)


def test_shared_normalisation_of_half_precision_has_statistics_in_full(tmp_path):
    """As a GPU's networks have it: what comes in bfloat16 goes out so, rounded once."""
    x = torch.randn(64, 3, 5, generator=torch.Generator().manual_seed(0)) + 20
    layer, plain = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    distributed._share_statistics(layer)
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        found = layer(x.bfloat16())
    finally:
        dist.destroy_process_group()
    expected = plain(x.bfloat16().float())
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=2**-8, atol=2**-8)
    torch.testing.assert_close(layer.running_var, plain.running_var)


@pytest.mark.parametrize(
    ("free", "used", "kept", "part", "left"),
    [
        (60, 0, 0, 1.0, 60),
        (30, 20, 30, 1.0, 60),  # torch keeps what the last seed had
        (60, 0, 0, 0.25, 20),
        (60, 25, 0, 0.25, -5),
        (10, 5, 0, 0.5, 10),  # others have the rest
    ],
)
def test_a_process_may_take_what_is_free_of_its_part_of_a_gpu(
    monkeypatch, free, used, kept, part, left
):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80))
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: used)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: used + kept)
    monkeypatch.setattr(distributed, "_SHARE", distributed._Share(1.0))
    distributed.share_gpu(part)
    assert distributed.gpu_memory_left(torch.device("cuda")) == left
