"""Two trials that fit into memory one by one but not together, under Ray's own memory monitor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.slow]

GB = 2**30
TAKES, RAY_TAKES = 3 * GB, 2.5 * GB

DRIVER = """
import json, sys, time

from ray.tune.experiment import Trial

from fdsweep.orchestrator.execution import stages, trial as trials
from fdsweep.orchestrator.execution.cluster import ResourceRequest, connect
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.turns import InTurn
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces.trials import TrialConfig

storage, takes = sys.argv[1], int(sys.argv[2])


def take(handed):
    import ray.train

    block = b"x" * takes
    time.sleep(4)
    ray.train.report({"epoch": len(block)})


def fit_trial(config, *, resources):
    trial = config["trial"]
    trials._fit(take, {}, trials.train_name(trial), trial.storage, resources)


class Notes(stages.Callback):
    told, done, gone = [], [], []

    def interrupted(self, trial, words):
        self.told.append(words)

    def silent(self, trial, seconds, *, over):
        pass

    def failed(self, trial, end):
        self.gone.append(end["error"])

    def on_trial_complete(self, iteration, trials, trial, **info):
        self.done.append(trial.config["trial"].key)


resources = connect(ResourceRequest())
planned = [
    TrialConfig(kind="student", key=key, config=None, seeds=(0,), group="0", storage=storage)
    for key in "abc"
]
with Writer() as writer:
    notes = Notes(InTurn(iter(planned), Room(resources)), writer)
    stages.fit(fit_trial, resources, storage, notes)
print(json.dumps([resources.concurrent, notes.told, sorted(notes.done), notes.gone]))
"""
"""Trials of one worker each that takes memory, and what is told of them."""


def memory() -> dict[str, int]:
    """What the kernel counts, in bytes."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}


@pytest.mark.fault(
    "two trials at a time take more memory than there is",
    "the one that was killed is tried again when the other is done",
)
def test_what_lacks_memory_two_at_a_time_ends_one_by_one(tmp_path, fault):
    counts = memory()
    if counts["MemAvailable"] < 2 * TAKES + RAY_TAKES:
        pytest.skip("too little memory")
    used = counts["MemTotal"] - counts["MemAvailable"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    limit = (used + TAKES + RAY_TAKES) / counts["MemTotal"]
    environment |= {
        "RAY_memory_usage_threshold": f"{limit:.3f}",
        "RAY_memory_monitor_refresh_ms": "100",
    }
    command = [sys.executable, "-c", DRIVER, str(tmp_path), str(TAKES)]
    fault.hits()
    told = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert told.returncode == 0, told.stderr
    concurrent, words, done, gone = json.loads(told.stdout.splitlines()[-1])
    assert concurrent >= 2
    fault.counts("abc", done)
    assert not gone
    once = "killed for lack of memory; tried once more, with at most"
    assert words
    assert all(one.startswith(once) for one in words)
