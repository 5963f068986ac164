"""What many trials cost their driver: `python benchmarks/scale.py [TRIALS [REPLAYED]]`.

  tune      TRIALS (200) trials go through Ray Tune itself, at most 16 at a time on a local cluster:
            no training, but the reports of 100 epochs and the end of a real one, which the recorder
            stores and tells MLflow of
  replayed  REPLAYED (5000) replicates of 50 rows go from their plan through the recorder into the
            store and MLflow, an epoch each and their end, without Ray

Prints for each quarter the driver's CPU milliseconds per trial and how much its memory grew, for
people, then one JSON line. What costs the last quarter more than 1.5 times the second (the first
one starts everything) does not scale.
"""

import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from fdsweep.orchestrator.execution.cluster import ResourceRequest, share
from fdsweep.orchestrator.execution.devices.packing import Node
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.orchestrator.tracking.tracker import open_tracker
from fdsweep.search_spaces.sweep import validated

AT_A_TIME, EPOCHS, SAMPLES, CLASSES, ROWS = 16, 100, 900, 7, 50
CURVES = [(split, name) for split in ("train", "val", "test") for name in ("loss", "accuracy")]


def epoch_report(seed: int, epoch: int) -> dict:
    curves = [(epoch - 1, split, name, 0.5) for split, name in CURVES]
    return {"seed": seed, "epoch": epoch, "epochs": EPOCHS, "loss": 0.5, "split": "val",
            "score": 0.5, "curves": curves, "usage": [], "log": ""}  # fmt: skip


def outcome(seed: int) -> dict:
    generator = np.random.default_rng(seed)
    labels = np.arange(SAMPLES) % CLASSES
    guesses = np.where(generator.random(SAMPLES) < 0.6, labels, 0)
    scores = ("best_score", "val_score", "test_score", "test_score_last", "test_score_best")
    return {
        **dict.fromkeys(scores, float((guesses == labels).mean())), "metric": "accuracy",
        "epochs": EPOCHS, "best_epoch": 0, "best_head": "logits", "device": "cpu",
        "environment": "{}", "seconds": 1.0,
        "curves": [(e, split, name, 0.5) for e in range(EPOCHS) for split, name in CURVES],
        "kept": {
            "sample_id": [f"{i:05d}" for i in range(SAMPLES)],
            "group": [str(i % 10) for i in range(SAMPLES)],
            "label": labels.tolist(),
            "prediction": guesses.tolist(),
        },
    }  # fmt: skip


def simulated(config: dict, **_: object) -> None:
    """A trial that reports what a real one does, and trains nothing."""
    from ray import tune

    for seed in config["trial"].seeds:
        for epoch in range(1, EPOCHS):
            tune.report(epoch_report(seed, epoch))
        tune.report({"seed": seed, "outcome": json.dumps(outcome(seed))})


class Counting(Recorder):
    """A recorder that notes the driver's CPU time, the clock and memory at each end."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.notes = [now()]

    def finished(self, trial, seed, end) -> None:
        super().finished(trial, seed, end)
        self.notes.append(now())


def now() -> tuple[float, float, float]:
    """CPU s, wall s, and the most memory so far, MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return time.process_time(), time.monotonic(), peak


@contextmanager
def recorded(folder: str, rows: int, seeds: int) -> Iterator[Counting]:
    """The recorder of a study of `rows` and `seeds`, each replicate a trial of its own."""
    fields = {
        "study": "scale", "title": "Scale", "epochs": EPOCHS, "seeds": list(range(seeds)),
        "rows": [{"name": f"row {i}", "method": "kd", "teacher": "random",
                  "options": {"weight": 1 + i / 10}} for i in range(rows)],
        "directions": ["accelerometer->gyroscope"],
    }  # fmt: skip
    study = studies.prepare(
        validated(fields, "scale"), StudyOptions(storage=folder, seeds_per_trial=1)
    )
    plan = studies.locally(study)
    with open_tracker(study.store.root, plan.sweep, {}) as tracker:
        yield Counting(study.sweep, plan, study.store, tracker, Progress(plan.left))


def through_tune(folder: str, trials: int) -> list[tuple[float, float, float]]:
    import ray

    from fdsweep.orchestrator.execution.devices.room import Room
    from fdsweep.orchestrator.execution.leases import Leases
    from fdsweep.orchestrator.execution.stages import _Relay, fit
    from fdsweep.orchestrator.execution.turns import InTurn, Turns
    from fdsweep.orchestrator.writer import Writer

    ray.init(address="local", num_cpus=AT_A_TIME, include_dashboard=False, log_to_driver=False)
    resources = share(ResourceRequest(gpus=0), (Node(AT_A_TIME, 0),))
    with (
        recorded(folder, 1, trials) as recorder,
        Leases(recorder.store) as leases,
        Writer() as writer,
    ):
        turns = Turns(recorder.plan.students, leases)
        queue = InTurn(iter(turns), Room(resources))
        fit(simulated, resources, folder, _Relay(queue, turns, recorder, writer))
        writer.flush()
    ray.shutdown()
    return recorder.notes


def replayed(folder: str, replicates: int) -> list[tuple[float, float, float]]:
    with recorded(folder, ROWS, replicates // ROWS) as recorder:
        for trial in recorder.plan.students:
            (seed,) = trial.seeds
            recorder.started(trial)
            recorder.epoch(trial, epoch_report(seed, 1))
            end = outcome(seed)
            recorder.keep(trial, seed, end)
            recorder.tracker.submit(lambda: None).result()  # so that MLflow's part is counted
            recorder.finished(trial, seed, end)
    return recorder.notes


def quarters(notes: list[tuple[float, float, float]]) -> list[dict[str, float]]:
    ends = [notes[i * (len(notes) - 1) // 4] for i in range(5)]
    each = (len(notes) - 1) / 4
    return [
        {"cpu_ms": 1000 * (b[0] - a[0]) / each, "wall_ms": 1000 * (b[1] - a[1]) / each,
         "mib": b[2] - a[2]}
        for a, b in pairwise(ends)
    ]  # fmt: skip


def main() -> None:
    trials, replicates = [*map(int, sys.argv[1:]), *(200, 5000)[len(sys.argv) - 1 :]]
    found = {}
    for name, run, count in (("tune", through_tune, trials), ("replayed", replayed, replicates)):
        with tempfile.TemporaryDirectory() as folder:
            notes = run(str(Path(folder, "runs")), count)
        assert len(notes) == count + 1
        found[name] = quarters(notes)
        print(f"{name}, {count}: a quarter's driver CPU ms and wall ms per trial, MiB it grew by")
        for part in found[name]:
            print(f"  {part['cpu_ms']:8.1f} {part['wall_ms']:8.1f} {part['mib']:8.1f}")
    print(json.dumps({
        "benchmark": "scale", **{name: [{k: round(v, 1) for k, v in part.items()} for part in parts]
                                 for name, parts in found.items()},
        "trials": trials, "replicates": replicates,
        "python": platform.python_version(), "cpus": os.cpu_count(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
