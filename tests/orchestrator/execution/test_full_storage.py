"""A storage without room: a real file system of a few MB, mounted where nobody else sees it."""

import subprocess
import time

import pandas as pd
import pytest
import torch
from commands import IMPATIENT, command, surroundings
from faults import rows

from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.search_spaces.sweep import load_sweep
from fdsweep.trainers import datasets
from fdsweep.trainers.replicate import run_replicate

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MOUNT = 'mount -t tmpfs -o size={size}k none "$1"'
TWICE = f"""
set -e
{MOUNT.format(size=65536)}
head -c "$2" /dev/zero > "$1/ballast"
full="$1" kept="$3"
shift 3
"$@" && exit 9
echo "exit $?" >&2
rm "$full/ballast"
mkdir "$kept"
"$@"
cp -r "$full/runs/results" "$kept"
"""
"""The command fails where a file leaves little room, and ends when that is gone."""

ROOM = 1_900_000
"""Bytes that are free at first: MLflow's database takes half of them, checkpoints the rest."""

STUDY = """
title: One
seeds: [0, 1]
epochs: 4
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}]
"""


def unshared(script, *words):
    """A shell script that has a view of the file systems of its own: what it mounts is gone."""
    return subprocess.Popen(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", *words],
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def mountable(tmp_path):
    """A folder that a file system can be mounted on."""
    folder = tmp_path / "full"
    folder.mkdir()
    if unshared(MOUNT.format(size=64), str(folder)).wait():
        pytest.skip("file systems cannot be mounted here")
    return folder


@pytest.mark.fault("the storage is full", "exit 2 and what to do; the same command goes on")
def test_the_same_command_goes_on_when_there_is_room_again(tmp_path, mountable, fault):
    path, kept = tmp_path / "one.yaml", tmp_path / "kept"
    path.write_text(STUDY)
    words = ["run", path, "--storage", mountable / "runs"]
    ballast = str(65536 * 1024 - ROOM)
    both = unshared(TWICE, str(mountable), ballast, str(kept), *command(*words, first=IMPATIENT))
    while not kept.exists() and both.poll() is None:
        time.sleep(0.1)
    fault.hits()  # there is room again
    stderr = both.communicate(timeout=120)[1]
    assert both.returncode == 0, stderr
    first, second = stderr.split("exit 2\n")
    said = [line for line in first.splitlines() if line.startswith("fdsweep:")]
    assert "is full" in said[-1]
    assert "Make room there, then type the same command again" in said[-1]
    assert "Traceback" not in first
    assert "failed:" not in second

    sweep = load_sweep(path)
    dataset = datasets.find("watch")
    plan = make_plan(
        sweep,
        make_cells(sweep, dataset.info),
        finished=set(),
        missing_teachers=lambda key, seeds: (),
        storage=str(tmp_path),
    )
    (trial,) = plan.students
    torch.set_num_threads(1)
    alone = [run_replicate(trial, dataset.info, dataset.folds()(s), s) for s in (0, 1)]
    fault.counts([(trial.key, 0), (trial.key, 1)], rows(kept))
    found = pd.read_parquet(kept / "results").sort_values("seed")
    for name in ("best_epoch", "val_score", "test_score", "test_score_last"):
        assert found[name].tolist() == [outcome[name] for outcome in alone]
