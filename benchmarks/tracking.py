"""What logging to MLflow costs, and whether many runs slow it down.

Writes runs of replicates (30 epochs, 8 curves) through the tracker of tracking/mlflow.py into an
SQLite store in a temporary folder, told as a study tells them, epoch by epoch, and prints the
milliseconds of a run for each hundred. Training does not wait for it: the tracker has a thread of
its own. Of 64 replicates in training at a time it then prints the driver's CPU time for an epoch of
each, which is written in one go every few seconds.
"""

import json
import sys
import tempfile
import time
from dataclasses import replace

from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.runs import replicate_run

EPOCHS, AT_A_TIME = 30, 64
CURVES = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "loss_low",
    "loss_high",
    "loss_task",
    "lr",
    "x",
)


def replicate(number: int):
    row = {
        "row": f"row {number // 8}", "method": "fd-cmkd", "dataset": "watch",
        "teacher_modality": "a", "student_modality": "b", "seed": number % 8,
        "key": f"{number // 8:020x}", "teacher_keys": (), "status": "done", "study": "benchmark",
        "epochs": EPOCHS, "device": "cpu", "wall_seconds": 1.0, "val_score": 0.5,
        "test_score": 0.5, "test_score_last": 0.5, "test_score_best": 0.5,
        "config": json.dumps({"options": {f"option_{i}": i for i in range(20)}}),
    }  # fmt: skip
    points = [(epoch, "val", name, 0.5) for epoch in range(EPOCHS) for name in CURVES]
    return replicate_run(row, points, row["row"])


def tell(tracker: MlflowTracker, number: int, epochs: int) -> None:
    """Begin a replicate, and tell of its first `epochs`, one after the other."""
    whole = replicate(number)
    points = [point for point in whole.metrics if not point[0].startswith("final")]
    tracker.begin(replace(whole, metrics=[], done=False))
    for epoch in range(epochs):
        tracker.add(whole.identity, [point for point in points if point[2] == epoch], {})


def cpu_of_a_look(tracker: MlflowTracker) -> float:
    """CPU seconds of writing what is new of all that is in training."""
    start = time.process_time()
    tracker.submit(tracker._show).result()
    return time.process_time() - start


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as folder, MlflowTracker(folder, "benchmark", {}) as tracker:
        start = time.perf_counter()
        ends: list[float] = []
        for number in range(runs):
            tell(tracker, number, EPOCHS)
            tracker.log(replicate(number))
            if (number + 1) % 100 == 0:
                tracker.submit(lambda: ends.append(time.perf_counter()))
        handed = time.perf_counter() - start
        tracker.submit(lambda: None).result()
        print(f"handing {runs} runs to the tracker: {handed:.2f} s")
        for hundred, (before, after) in enumerate(zip([start, *ends], ends, strict=False)):
            print(
                f"runs {100 * hundred:5d} to {100 * hundred + 99}: {10 * (after - before):6.1f} ms"
            )
        for number in range(runs, runs + AT_A_TIME):
            tell(tracker, number, 0)
        print(f"start of {AT_A_TIME} replicates: {cpu_of_a_look(tracker):.2f} s of CPU time")
        for number in range(runs, runs + AT_A_TIME):
            tell(tracker, number, 1)
        print(f"an epoch of {AT_A_TIME} replicates: {cpu_of_a_look(tracker):.2f} s of CPU time")


if __name__ == "__main__":
    main()
