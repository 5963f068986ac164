"""What a study costs its driver: `python benchmarks/driver.py [--trials N] [--replicates N]`.

  Tune     N (200) trials go through Ray Tune, at most 16 at a time on a local cluster: no training,
           but the reports of 30 epochs and the end of a real one, which are stored, MLflow told
  replay   N (10,000) replicates go from their plan through the recorder into the store and MLflow,
           as above, without Ray
  MLflow   64 replicates in training at a time: what writing their starts takes, and an epoch each
  storage  the longest of Tune's callbacks where every file takes a second to write: with rows
           stored inside the callback, and by the writer behind it

CPU time is that of the driver alone. A part with N = 0 is left out. What costs the last of many
more than 1.5 times what it costs the first ones does not scale.

Prints tables for people, then one JSON line.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from fdsweep.orchestrator.execution.cluster import SETTINGS, ResourceRequest, local_resources, share
from fdsweep.orchestrator.execution.devices.packing import Node
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.orchestrator.tracking.runs import replicate_run
from fdsweep.orchestrator.tracking.tracker import Tracker, open_tracker
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces.sweep import validated

AT_A_TIME, EPOCHS, SAMPLES, CLASSES, ROWS, QUARTERS = 16, 30, 900, 7, 50, 4
CURVES = [(split, name) for split in ("train", "val", "test") for name in ("loss", "accuracy")]
SOME = 100
"""Replicates of which the median is taken."""

IN_TRAINING, ENDS, SLOW_S = 64, 8, 1.0
"""Replicates of which MLflow is told at a time; ends in the slow storage, and its pace."""


def epoch_report(seed: int, epoch: int) -> dict:
    curves = [(epoch - 1, split, name, 0.5) for split, name in CURVES]
    return {"seed": seed, "epoch": epoch, "epochs": EPOCHS, "loss": 0.5, "split": "val",
            "score": 0.5, "curves": curves, "usage": [], "log": ""}  # fmt: skip


def outcome(seed: int, epochs: int = EPOCHS) -> dict:
    """What a worker tells at the end of a replicate, with made-up numbers."""
    generator = np.random.default_rng(seed)
    labels = np.arange(SAMPLES) % CLASSES
    guesses = np.where(generator.random(SAMPLES) < 0.6, labels, 0)
    scores = ("best_score", "val_score", "test_score", "test_score_last", "test_score_best")
    return {
        **dict.fromkeys(scores, float((guesses == labels).mean())), "metric": "accuracy",
        "epochs": epochs, "best_epoch": 0, "best_head": "logits", "device": "cpu",
        "environment": "{}", "seconds": 1.0,
        "curves": [(e, split, name, 0.5) for e in range(epochs) for split, name in CURVES],
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


@dataclass(frozen=True, slots=True)
class Note:
    """Seconds of CPU time, of the main thread's and of the clock; the most memory so far, MiB."""

    cpu: float
    main: float
    wall: float
    mib: float

    @classmethod
    def now(cls) -> "Note":
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        return cls(time.process_time(), time.thread_time(), time.monotonic(), peak)


class Counting(Recorder):
    """A recorder that takes a note after every `part` ends.

    MLflow, which its thread tells of them later, catches up first: what a part costs is all in it.
    """

    part = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.notes, self.ends = [Note.now()], 0

    def finished(self, trial, seed, end) -> None:
        super().finished(trial, seed, end)
        self.ends += 1
        if self.ends % self.part == 0:
            self.tracker.submit(lambda: None).result()
            self.notes.append(Note.now())


def planned(folder: str, rows: int, seeds: int) -> studies.Study:
    """A study in which each replicate is a trial of its own."""
    fields = {
        "study": "driver", "title": "Driver", "epochs": EPOCHS, "seeds": list(range(seeds)),
        "rows": [{"name": f"row {i}", "method": "kd", "teacher": "random",
                  "options": {"weight": 1 + i / 10}} for i in range(rows)],
        "directions": ["accelerometer->gyroscope"],
    }  # fmt: skip
    return studies.prepare(
        validated(fields, "driver"), StudyOptions(storage=folder, seeds_per_trial=1)
    )


@contextmanager
def recorded(folder: str, rows: int, seeds: int) -> Iterator[Counting]:
    study = planned(folder, rows, seeds)
    plan = studies.locally(study)
    with open_tracker(study.store.root, plan.sweep, {}) as tracker:
        yield Counting(study.sweep, plan, study.store, tracker, Progress(plan.left))


def through_tune(folder: str, trials: int) -> dict[str, dict[str, float]]:
    """Milliseconds per trial and growth in MiB, by quarters of the trials."""
    os.environ.update(SETTINGS)  # before Ray is imported, as a study does
    import ray

    from fdsweep.orchestrator.execution.devices.room import Room
    from fdsweep.orchestrator.execution.leases import Leases
    from fdsweep.orchestrator.execution.stages import _Relay, fit
    from fdsweep.orchestrator.execution.turns import InTurn, Turns

    ray.init(address="local", num_cpus=AT_A_TIME, include_dashboard=False, log_to_driver=False)
    resources = share(ResourceRequest(gpus=0), (Node(AT_A_TIME, 0),))
    with (
        recorded(folder, 1, trials) as recorder,
        Leases(recorder.store) as leases,
        Writer() as writer,
    ):
        recorder.part = trials // QUARTERS
        turns = Turns(recorder.plan.students, leases)
        queue = InTurn(iter(turns), Room(resources))
        fit(simulated, resources, folder, _Relay(queue, turns, recorder, writer))
        writer.flush()
    ray.shutdown()
    each = 1000 / recorder.part
    return {
        f"quarter {number}": {
            "main thread ms": each * (b.main - a.main),
            "MLflow and others ms": each * (b.cpu - b.main - a.cpu + a.main),
            "wall ms": each * (b.wall - a.wall), "MiB in all": b.mib,
        }
        for number, (a, b) in enumerate(pairwise(recorder.notes[: QUARTERS + 1]), 1)
    }  # fmt: skip


def replayed(folder: str, replicates: int) -> dict[str, dict[str, float]]:
    """Milliseconds of CPU time of each of the last SOME replicates before a number of them."""
    spent: list[tuple[float, float, float, float]] = []
    with recorded(folder, ROWS, -(-replicates // ROWS)) as recorder:
        for trial in recorder.plan.students[:replicates]:
            (seed,) = trial.seeds
            end, before, own = outcome(seed), time.process_time(), time.thread_time()
            recorder.started(trial)
            for epoch in range(1, EPOCHS):
                recorder.epoch(trial, epoch_report(seed, epoch))
            storing = time.thread_time()
            recorder.keep(trial, seed, end)
            stored = time.thread_time()
            recorder.finished(trial, seed, end)
            told = time.thread_time()
            others = time.process_time() - before - (time.thread_time() - own)
            spent.append((told - own - (stored - storing), stored - storing, others,
                          recorder.notes[-1].mib))  # fmt: skip
    found = {}
    for count in (n for n in (SOME, 10 * SOME, 50 * SOME, 100 * SOME) if n <= len(spent)):
        last = np.median(spent[count - SOME : count], axis=0)
        names = ("terminal ms", "Parquet ms", "MLflow ms")
        found[f"{count:,}"] = {
            **{name: 1000 * float(seconds) for name, seconds in zip(names, last, strict=False)},
            "MiB in all": float(last[-1]),
        }
    return found


def tell(tracker: Tracker, number: int, epochs: int) -> None:
    """Begin a replicate, and tell of its first `epochs`."""
    row = {
        "row": f"row {number // 8}", "method": "fd-cmkd", "dataset": "watch",
        "teacher_modality": "a", "student_modality": "b", "seed": number % 8,
        "key": f"{number // 8:020x}", "teacher_keys": (), "status": "done", "study": "driver",
        "epochs": EPOCHS, "device": "cpu", "wall_seconds": 1.0, "val_score": 0.5,
        "test_score": 0.5, "test_score_last": 0.5, "test_score_best": 0.5,
        "config": json.dumps({"options": {f"option_{i}": i for i in range(20)}}),
    }  # fmt: skip
    whole = replicate_run(row, outcome(0)["curves"], row["row"])
    points = [point for point in whole.metrics if not point[0].startswith("final")]
    tracker.begin(replace(whole, metrics=[], done=False))
    for epoch in range(epochs):
        tracker.add(whole.identity, [point for point in points if point[2] == epoch], {})


def live(folder: str) -> dict[str, dict[str, float]]:
    """CPU milliseconds of writing what is new of all that is in training."""

    def look() -> float:
        start = time.process_time()
        tracker.submit(tracker._show).result()
        return 1000 * (time.process_time() - start)

    found = {}
    with MlflowTracker(folder, "driver", {}) as tracker:
        tell(tracker, IN_TRAINING, 1)
        look()  # MLflow and its database are loaded
        for name, epochs in ((f"start of {IN_TRAINING}", 0), (f"an epoch of {IN_TRAINING}", 1)):
            for number in range(IN_TRAINING):
                tell(tracker, number, epochs)
            found[name] = {"CPU ms": look()}
    return found


class Slow(FSSpecHandler):
    """A file system of this machine that takes its time for each file that is written."""

    def __init__(self) -> None:
        super().__init__(LocalFileSystem())

    def open_output_stream(self, path, metadata):
        time.sleep(SLOW_S)
        return super().open_output_stream(path, metadata)


class AtOnce:
    """A writer without a thread."""

    def submit(self, write, then=lambda: None):
        write()
        then()

    def step(self):
        pass

    def flush(self):
        pass


def longest_callback(folder: str, writer) -> float:
    """Milliseconds of Tune's callbacks for a replicate of a study in `folder`, the most of ENDS."""
    from fdsweep.orchestrator.execution.devices.room import Room
    from fdsweep.orchestrator.execution.leases import Leases
    from fdsweep.orchestrator.execution.stages import _Relay
    from fdsweep.orchestrator.execution.turns import InTurn, Turns

    study = planned(folder, 1, ENDS)
    plan = studies.locally(study)
    study.store.system = PyFileSystem(Slow())
    tracker = SimpleNamespace(log=lambda _: None)
    recorder = Recorder(study.sweep, plan, study.store, tracker, Progress(ENDS))
    took = []
    room = Room(local_resources(ResourceRequest(gpus=0)))
    with Leases(study.store) as leases:
        relay = _Relay(InTurn(iter(()), room), Turns((), leases), recorder, writer)
        for config in plan.students:
            trial = SimpleNamespace(config={"trial": config})
            (seed,) = config.seeds
            start = time.perf_counter()
            relay.on_trial_result(
                0, [], trial, {"seed": seed, "outcome": json.dumps(outcome(seed))}
            )
            relay.on_trial_complete(0, [], trial)
            relay.on_step_end(0, [])
            took.append(time.perf_counter() - start)
        writer.flush()
    assert recorder.progress.counts.done == ENDS
    return 1000 * max(took)


def slow(folder: str) -> dict[str, dict[str, float]]:
    column = "longest callback, ms"
    at_once = longest_callback(f"{folder}/at-once", AtOnce())
    with Writer() as writer:
        behind = longest_callback(f"{folder}/behind", writer)
    return {"stored inside it": {column: at_once}, "by the writer": {column: behind}}


def main() -> None:
    parser = argparse.ArgumentParser(description="What a study costs its driver.")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=10_000)
    given = parser.parse_args()
    parts = {
        f"{given.trials} trials through Tune": partial(through_tune, trials=given.trials),
        "replicates so far": partial(replayed, replicates=given.replicates),
        "MLflow is told of": live,
        f"a storage of {SLOW_S:g} s a file": slow,
    }
    left_out = {name for name, size in zip(parts, vars(given).values(), strict=False) if not size}
    found = {}
    for name, part in parts.items():
        if name in left_out:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found[name] = part(str(Path(folder, "runs")))
        columns = list(next(iter(found[name].values())))
        print(f"| {' | '.join([name, *columns])} |\n| --- |{' ---: |' * len(columns)}")
        for label, line in found[name].items():
            print(f"| {' | '.join([label, *(f'{line[c]:,.1f}' for c in columns)])} |")
        print(flush=True)
    print(json.dumps({"benchmark": "driver", **found}))


if __name__ == "__main__":
    main()
