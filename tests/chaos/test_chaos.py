"""A study and a search under random faults: in the end exactly what a calm run leaves.

    pytest -m chaos --chaos-seed 7 --chaos-seconds 60
    pytest -m chaos --hours 8

An even seed storms a study, an odd one a search. Faults strike for `--chaos-seconds`, then the
command is typed until it ends with 0. With `--hours` that is done again and again, each time with
the next seed.
"""

import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest
from chaos.stored import assert_equal
from chaos.storms import Storm
from chaos.strikes import FAULTS
from faults import rows

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]

SWEEP = """
title: Storm
seeds: [0, 1]
epochs: 4
directions: [accelerometer->gyroscope]
rows: [{name: w/o KD, method: none}, {name: KD, method: kd}]
"""
SEARCH = ["search", "--trials", "3", "--epochs", "3", "--tuning-seeds", "1", "--seeds", "1"]
SEARCH += ["--direction", "accelerometer->gyroscope", "--no-prune"]
HANG_MINUTES = "0.3"


def words(kind, folder):
    """What is typed; without its storage."""
    (folder / "storm.yaml").write_text(SWEEP)
    first = {"study": ["run", str(folder / "storm.yaml")], "search": SEARCH}[kind]
    return [*first, "--hang-timeout", HANG_MINUTES]


@pytest.fixture
def calm(tmp_path):
    """`calm(kind)` lets the storage be made that a command leaves if nothing happens.

    It gives the storage and the process that makes it, meanwhile and once for each kind.
    """
    made = {}

    def begin(kind):
        folder = tmp_path / kind
        if kind not in made:
            folder.mkdir()
            program = [sys.executable, str(Path(__file__).with_name("calm.py"))]
            command = [*program, *words(kind, folder), "--storage", str(folder / "runs")]
            with (folder / "log").open("w") as log:
                made[kind] = subprocess.Popen(command, stdout=log, stderr=log)
        return folder / "runs", made[kind]

    yield begin
    for process in made.values():
        process.kill()
        process.wait()


def test_what_a_storm_leaves_is_what_a_calm_run_leaves(calm, tmp_path, pytestconfig):
    seconds = pytestconfig.getoption("--chaos-seconds")
    deadline = time.monotonic() + 3600 * pytestconfig.getoption("--hours")
    for seed in count(pytestconfig.getoption("--chaos-seed")):
        kind, folder = ("study", "search")[seed % 2], tmp_path / f"seed-{seed}"
        folder.mkdir()
        undisturbed, process = calm(kind)
        storm = Storm(words(kind, folder), folder, seed)
        storm.rage(FAULTS[kind], seconds)
        print(f"seed {seed}, a {kind}: {storm}\n")
        assert not storm.wrong
        assert process.wait() == 0, undisturbed.with_name("log").read_text()
        assert sorted(rows(storm.scene.storage)) == sorted(rows(undisturbed))
        assert_equal(storm.scene.storage, undisturbed)
        if time.monotonic() > deadline:
            break
