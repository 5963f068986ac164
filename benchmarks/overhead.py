"""What fdsweep adds to a replicate: `python benchmarks/overhead.py [WAY ...]`.

Twelve one-epoch replicates of two rows (method `none` and FD-CMKD with an untrained teacher, six
seeds each) are trained three ways, each in a process of its own, start of Ray included:

  plain    a loop in one process
  fdsweep  `fdsweep run`: one trial per row, its seeds inside
  usual    one TorchTrainer per replicate inside a Tune trial, with Ray's defaults: a core for the
           trial and one for its worker (so on two cores one at a time: more would take the
           cores that their workers wait for), the controller polled every 2 s

Prints a table for people, then one JSON line.
"""

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = """
title: Overhead
seeds: [0, 1, 2, 3, 4, 5]
epochs: 1
directions: [accelerometer->gyroscope]
rows:
  - {name: none, method: none}
  - {name: FD-CMKD, teacher: random}
"""

PLAN = """
import sys
from pathlib import Path
from fdsweep.orchestrator.execution.devices.sharing import split
from fdsweep.orchestrator.studies.plan import make_cells, make_plan
from fdsweep.search_spaces.sweep import load_sweep
from fdsweep.trainers import datasets
dataset = datasets.find("watch")
sweep = load_sweep(Path(sys.argv[1]))
plan = make_plan(sweep, make_cells(sweep, dataset.info), finished=set(),
                 missing_teachers=lambda key, seeds: (), storage=sys.argv[2])
plan = split(plan, lambda cells: 1)
"""

PLAIN = (
    PLAN
    + """
import torch
from fdsweep.trainers.replicate import run_replicate
torch.set_num_threads(1)
folds = dataset.folds()
for trial in plan.students:
    run_replicate(trial, dataset.info, folds(trial.seeds[0]), trial.seeds[0])
"""
)

USUAL = (
    PLAN
    + """
import os
import ray
import ray.train
from ray import tune
ray.init(include_dashboard=False)
storage = sys.argv[2]

def one(config):
    import ray.train
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback
    from fdsweep.trainers.worker import work
    TorchTrainer(
        work,
        train_loop_config={"trial": plan.students[config["index"]]},
        scaling_config=ray.train.ScalingConfig(num_workers=1),
        run_config=ray.train.RunConfig(
            name=f"one-{config['index']}", storage_path=storage, callbacks=[TuneReportCallback()]),
    ).fit()

results = tune.Tuner(
    one,
    param_space={"index": tune.grid_search(list(range(len(plan.students))))},
    tune_config=tune.TuneConfig(max_concurrent_trials=max(1, os.cpu_count() // 2)),
    run_config=tune.RunConfig(storage_path=storage, name="tune", verbose=0),
).fit()
sys.exit(results.num_errors)
"""
)

FDSWEEP = """
import sys
from fdsweep.orchestrator.cli import app
app(["run", sys.argv[1], "--storage", sys.argv[2]])
"""


def seconds(code: str, sweep: Path) -> float:
    """Wall time of `code` as a process of its own on a fresh storage."""
    with tempfile.TemporaryDirectory() as storage:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", code, str(sweep), storage],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


def main() -> None:
    replicates = 12
    ways = {"plain": PLAIN, "fdsweep": FDSWEEP, "usual": USUAL}
    asked = {name: ways[name] for name in sys.argv[1:] or ways}
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "overhead.yaml"
        sweep.write_text(SWEEP)
        wall = {name: seconds(code, sweep) for name, code in asked.items()}
    alone = wall.get("plain", math.nan)
    added = {name: (value - alone) / replicates for name, value in wall.items()}
    print(f"{replicates} one-epoch replicates, {os.cpu_count()} CPUs, {platform.machine()}\n")
    print("| way | wall s | added s per replicate |\n| --- | ---: | ---: |")
    for name, value in wall.items():
        print(f"| {name} | {value:.1f} | {added[name]:.2f} |")
    found = {"wall": wall}
    if len(wall) == len(ways):
        found |= {"added": added, "ratio": added["fdsweep"] / added["usual"]}
        print(f"\nfdsweep adds {found['ratio']:.2f} of what the usual pattern adds")
    print(json.dumps({"benchmark": "overhead", **found}))


if __name__ == "__main__":
    main()
