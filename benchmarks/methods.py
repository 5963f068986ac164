"""What a training step of each method costs beside one of `none`: `python benchmarks/methods.py`.

Networks, batches and data are those of `watch`, accelerometer to gyroscope, on one thread of the
CPU or on the GPU. In every round each method takes the same number of steps, one method after the
other, and is compared with `none` in that round; the first round warms up and is left out. Teacher
outputs that can be kept are computed before, as in a replicate. Other names than all methods may
be given: `python benchmarks/methods.py kd c2kd kd+fd-cmkd`.

Prints a table for people, then one JSON line.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from fdsweep.orchestrator.studies.compare import BASELINE, comparison
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.trainers import datasets
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loop import train_epoch
from fdsweep.trainers.replicate import make_roles

STEPS, ROUNDS = 10, 12
VARIANTS = {"unpaired, single-level": ("unpaired", {"bilevel": False})}


def stepper(row, dataset, device: torch.device) -> Callable[[], float]:
    """A function that takes STEPS steps of `row` and tells the milliseconds of one."""
    sweep = comparison().model_copy(
        update={"rows": (row,), "directions": ("accelerometer->gyroscope",)}
    )
    (cell,) = make_cells(sweep, dataset.info)
    config = cell.config
    if config.teachers:
        config = replace(config, teacher_state="random")
    fold = dataset.folds()(0).to(device)
    size = config.network.optim.batch_size
    fold = replace(fold, train=fold.train[: STEPS * size])
    runtime = Runtime.here(device)
    roles = make_roles(config, dataset.info, fold, 0, storage=".", runtime=runtime)
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=1e-4)

    def steps() -> float:
        start = time.perf_counter()
        train_epoch(config, 0, 0, fold, roles, optimizer)  # ends with a read of the losses
        return (time.perf_counter() - start) / STEPS * 1000

    return steps


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    dataset = datasets.find("watch")
    rows = list(comparison(",".join(sys.argv[1:]) or None).rows)
    if not sys.argv[1:]:
        method = {row.name: row for row in rows}
        rows += [
            method[name].model_copy(update={"name": label, "options": options})
            for label, (name, options) in VARIANTS.items()
        ]
    steppers = {row.name: stepper(row, dataset, device) for row in rows}
    rounds = [{name: steps() for name, steps in steppers.items()} for _ in range(ROUNDS + 1)][1:]
    results = {}
    print(f"{device.type}, {platform.machine()}, torch {torch.__version__}, watch, batch 64\n")
    print("| method | ms per step | times none | range |\n| --- | ---: | ---: | ---: |")
    for name in steppers:
        ms = statistics.median(one[name] for one in rounds)
        ratios = sorted(one[name] / one[BASELINE] for one in rounds)
        ratio = statistics.median(ratios)
        results[name] = {"ms": ms, "ratio": ratio, "low": ratios[0], "high": ratios[-1]}
        print(f"| {name} | {ms:.1f} | {ratio:.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} |")
    print(json.dumps({"device": device.type, "methods": results, "command": sys.argv}))


if __name__ == "__main__":
    main()
