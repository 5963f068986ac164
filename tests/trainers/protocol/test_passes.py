"""Rows that read what a teacher gave to others end with the numbers of rows that compute it."""

import copy
import math
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from conftest import (
    DENSE,
    INFO,
    dense_fold,
    dense_trial,
    network,
    small_fold,
    small_roles,
    small_trial,
)

from fdsweep.search_spaces.storage import cache
from fdsweep.trainers import distillers
from fdsweep.trainers.datasets import Modality
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import epoch_batches
from fdsweep.trainers.modalities.arrays import Varied
from fdsweep.trainers.protocol import passes
from fdsweep.trainers.replicate import make_roles, run_replicate

METHODS = [
    name
    for name in distillers.names()
    if name != "none" and not distillers.registry.get(name).factory.dense_only
]
PATIENCE = timedelta(seconds=100)
LIVE = {"afd", "c2kd", "freekd", "pkd-maps"}
"""Methods that move the teacher or see its maps."""


@pytest.fixture(autouse=True)
def near(tmp_path, monkeypatch):
    """A cache of this test's own, for which no pass is too short and no disk too full."""
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "near"))
    monkeypatch.setattr(cache, "MIN_FREE", 0.0)
    monkeypatch.setattr(passes, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(passes, "MAX_WRITING", math.inf)
    return tmp_path / "near"


def varied(plain, seen=None):
    """`plain` with training views that differ; `seen` counts them."""

    def views(values, draws):
        if draws is None:
            return values
        if seen is not None:
            seen.append(len(draws))
        return values + draws[:, 0, None, None]

    return Varied(plain.values, plain.numbers, views)


def varied_fold(seen=None):
    """The small data set, its left modality with training views that differ; `seen` counts them."""
    fold = small_fold()
    return replace(fold, inputs=fold.inputs | {"left": varied(fold.inputs["left"], seen)})


def files(near):
    return sorted(near.glob("??/*-*"))


def taught(trial, fold, epoch=0, seed=0):
    """What the trial's teacher gives in an epoch."""
    batches = epoch_batches(fold.train, 16, seed, epoch)
    return list(small_roles(trial, fold, seed).teach(batches, epoch))


def test_what_is_read_is_what_was_computed(tmp_path, near, monkeypatch):
    seen, trial = [], small_trial(str(tmp_path), method="kd")
    fold = varied_fold(seen)
    monkeypatch.setenv(cache.GIGABYTES, "0")
    plain = taught(trial, fold)
    monkeypatch.delenv(cache.GIGABYTES)
    assert not near.exists()
    computed, passes_so_far = taught(trial, fold), len(seen)
    read = taught(trial, fold)
    assert len(seen) == passes_so_far == 2 * len(plain)
    for (own,), (first,), (second,) in zip(plain, computed, read, strict=True):
        for other in (first, second):
            assert torch.equal(own.features, other.features)
            assert torch.equal(own.logits, other.logits)
        assert second.maps is None
        for x in (second.features, second.logits):
            assert x.is_contiguous()
            assert x.storage_offset() == 0
            assert not x.requires_grad
    assert len(files(near)) == 1


def test_whatever_decides_the_outputs_has_a_pass_of_its_own(tmp_path, near):
    trial, fold = small_trial(str(tmp_path), method="kd"), varied_fold()
    others = [
        replace(trial, config=replace(trial.config, **{field: value}))
        for field, value in [
            ("teacher_channels", "permuted"),
            ("teachers", (replace(trial.config.teachers[0], data_fingerprint="another"),)),
        ]
    ]
    for other in (trial, *others):
        taught(other, fold)
    taught(trial, fold, epoch=1)
    taught(trial, fold, seed=1)
    taught(trial, replace(fold, train=fold.train[:48]))
    assert len(files(near)) == 6


def test_a_row_that_goes_on_reads_the_rest(tmp_path, near):
    seen, taken = [], {}
    trial, fold = small_trial(str(tmp_path), method="kd"), varied_fold(seen)

    def keep(history, snapshot):
        taken[history.epochs] = copy.deepcopy(snapshot())

    whole = run_replicate(trial, INFO, fold, 0, on_epoch=keep)
    files(near)[0].unlink()
    steps = len(seen)
    again = run_replicate(trial, INFO, fold, 0, resume=taken[1])
    assert again == whole
    assert len(seen) - steps in (0, steps // 3)  # the file may have been the first epoch's
    assert run_replicate(trial, INFO, fold, 0) == whole


def test_each_of_two_teachers_has_passes_of_its_own(tmp_path, near, monkeypatch):
    """Their samples are alike in shape, so that a file of the other would be taken too."""
    seen, trial = [], small_trial(str(tmp_path), method="kd", epochs=2)
    teachers = (network("left"), network("middle"))
    trial = replace(trial, config=replace(trial.config, teachers=teachers))
    info = replace(INFO, modalities=(*INFO.modalities, Modality("middle", 2, "cnn1d")))
    fold = varied_fold(seen)
    middle = Plain(fold.inputs["left"].values.flip(1, 2))
    fold = replace(fold, inputs=fold.inputs | {"middle": varied(middle, seen)})
    monkeypatch.setenv(cache.GIGABYTES, "0")
    plain = run_replicate(trial, info, fold, 0)
    monkeypatch.delenv(cache.GIGABYTES)
    steps = len(seen)
    assert [run_replicate(trial, info, fold, 0) for _ in range(2)] == [plain, plain]
    assert len(seen) == 2 * steps
    assert len(files(near)) == 2 * 2


def test_points_of_a_search_read_what_the_first_point_kept(tmp_path, near, monkeypatch):
    """They differ in weights and rates, which decide nothing of what a frozen teacher gives."""
    seen = []
    fold = varied_fold(seen)
    points = [
        small_trial(str(tmp_path), options={"weight_low": low}, lr=lr, epochs=2)
        for low, lr in [(0.5, 0.01), (20.0, 0.03)]
    ]
    monkeypatch.setenv(cache.GIGABYTES, "0")
    plain = [run_replicate(point, INFO, fold, 0) for point in points]
    monkeypatch.delenv(cache.GIGABYTES)
    steps = len(seen) // len(points)
    assert run_replicate(points[0], INFO, fold, 0) == plain[0]
    kept = files(near)
    assert run_replicate(points[1], INFO, fold, 0) == plain[1] != plain[0]
    assert len(seen) == 3 * steps
    assert files(near) == kept


@pytest.mark.parametrize("method", sorted(LIVE))
def test_what_moves_or_shows_its_maps_is_not_kept(tmp_path, near, method):
    taught(small_trial(str(tmp_path), method=method), varied_fold())
    assert not near.exists()


def test_maps_of_pixels_are_not_kept(tmp_path, near):
    trial, fold = dense_trial(str(tmp_path), "kd"), dense_fold()
    left = Varied(fold.inputs["left"].values, 192, lambda values, _: values)
    fold = replace(fold, inputs=fold.inputs | {"left": left})
    runtime = Runtime.here(torch.device("cpu"))
    roles = make_roles(trial.config, DENSE, fold, 0, storage=str(tmp_path), runtime=runtime)
    assert len(list(roles.teach([fold.train[:2]], 0))) == 1
    assert not near.exists()


def test_what_is_not_worth_its_file_is_not_kept(tmp_path, near, monkeypatch):
    trial, fold = small_trial(str(tmp_path), method="kd"), varied_fold()
    for name, value in [("MIN_SECONDS", 60.0), ("MAX_BYTES", 100), ("SHARE", 1e-7)]:
        with monkeypatch.context() as patched:
            patched.setattr(passes, name, value)
            taught(trial, fold, epoch=1)
    assert not near.exists()


def test_a_disk_that_is_slower_than_the_teacher_is_tried_once(tmp_path, near, monkeypatch):
    monkeypatch.setattr(passes, "MAX_WRITING", 0.0)
    trial, fold = small_trial(str(tmp_path), method="kd"), varied_fold()
    run_replicate(trial, INFO, fold, 0)
    assert len(files(near)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_rows_that_read_are_rows_that_compute(tmp_path, near, monkeypatch, method):
    seen, trial = [], small_trial(str(tmp_path), method=method)
    fold = varied_fold(seen)
    monkeypatch.setenv(cache.GIGABYTES, "0")
    plain = run_replicate(trial, INFO, fold, 0)
    monkeypatch.delenv(cache.GIGABYTES)
    steps = len(seen)
    assert [run_replicate(trial, INFO, fold, 0) for _ in range(2)] == [plain, plain]
    assert len(seen) == steps * (3 if method in LIVE else 2)
    assert len(files(near)) == (0 if method in LIVE else 3)


WORKER = """
import os, sys
from pathlib import Path
import test_passes
test_passes.both_rows(Path(sys.argv[1]), int(sys.argv[2]))
os._exit(0)
"""


def both_rows(place, rank):
    """Two rows of worker `rank` of two, the second of which reads, and how many views it saw."""
    os.environ[cache.FOLDER] = str(place / f"node-{rank}")
    passes.MIN_SECONDS, passes.MAX_WRITING, cache.MIN_FREE = 0.0, math.inf, 0.0
    torch.set_num_threads(1)
    meeting = f"file://{place}/rendezvous"
    dist.init_process_group("gloo", meeting, rank=rank, world_size=2, timeout=PATIENCE)
    try:
        seen, trial = [], small_trial(str(place), method="fd-cmkd")
        fold, counts, found = varied_fold(seen), [], []
        for row in range(3):
            if (row, rank) == (2, 1):
                files(place / "node-1")[0].unlink()  # one node has lost an epoch: both compute it
            found.append(run_replicate(trial, INFO, fold, 0))
            counts.append(len(seen))
    finally:
        dist.destroy_process_group()
    return found, counts


@pytest.mark.slow
def test_workers_read_together_or_compute_together(tmp_path):
    threads = torch.get_num_threads()
    command = [sys.executable, "-c", WORKER, str(tmp_path), "1"]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environ = {**os.environ, "PYTHONPATH": path}
    other = subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        (first, *others), counts = both_rows(tmp_path, 0)
        _, errors = other.communicate(timeout=100)
        assert other.returncode == 0, errors
    finally:
        other.kill()
        torch.set_num_threads(threads)
    assert others == [first, first]
    assert counts == [15, 15, 20]
