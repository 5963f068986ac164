"""How long a driver is held up by a storage that is slow: `python benchmarks/slow_storage.py [S]`.

Replicates end, one after the other, in a storage whose every file takes S seconds (1) to write: a
folder behind a file system that sleeps. Prints the longest time that Tune's callbacks took for one
of them, with rows stored inside the callback, as before, and by the writer behind it.
"""

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from fsspec.implementations.local import LocalFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from fdsweep.orchestrator.execution.cluster import ResourceRequest, local_resources
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.leases import Leases
from fdsweep.orchestrator.execution.stages import _Relay
from fdsweep.orchestrator.execution.turns import InTurn, Turns
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.studies.study import locally, prepare
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces.sweep import validated

REPLICATES = 8


class Slow(FSSpecHandler):
    """A file system of this machine that takes its time for each file that is written."""

    def __init__(self, seconds: float) -> None:
        super().__init__(LocalFileSystem())
        self.seconds = seconds

    def open_output_stream(self, path, metadata):
        time.sleep(self.seconds)
        return super().open_output_stream(path, metadata)


class AtOnce:
    """A writer without a thread."""

    def submit(self, write, then=lambda: None):
        write()
        then()

    def step(self):
        pass


def outcome() -> str:
    scores = ("best_score", "val_score", "test_score", "test_score_last", "test_score_best")
    kept = {"sample_id": ["a"], "group": ["g"], "label": [0], "prediction": [0]}
    facts = {"epochs": 1, "best_epoch": 0, "best_head": "main", "metric": "accuracy"}
    ran = {"device": "cpu", "environment": "{}", "seconds": 1.0, "kept": kept}
    return json.dumps({**dict.fromkeys(scores, 0.5), **facts, **ran, "curves": []})


def callbacks(folder: str, seconds: float, writer) -> list[float]:
    """Seconds of Tune's callbacks for each replicate of a study in `folder`."""
    rows = [{"name": "none", "method": "none"}]
    fields = {"study": "slow", "title": "Slow", "rows": rows, "seeds": list(range(REPLICATES))}
    sweep = validated({**fields, "directions": ["accelerometer->gyroscope"]}, "slow")
    study = prepare(sweep, StudyOptions(storage=folder, seeds_per_trial=1))
    plan = locally(study)
    study.store.system = PyFileSystem(Slow(seconds))
    tracker = SimpleNamespace(log=lambda _: None)
    recorder = Recorder(sweep, plan, study.store, tracker, Progress(REPLICATES))
    took = []
    room = Room(local_resources(ResourceRequest(gpus=0)))
    with Leases(study.store) as leases:
        relay = _Relay(InTurn(iter(()), room), Turns((), leases), recorder, writer)
        for config in plan.students:
            trial = SimpleNamespace(config={"trial": config})
            (seed,) = config.seeds
            start = time.perf_counter()
            relay.on_trial_result(0, [], trial, {"seed": seed, "outcome": outcome()})
            relay.on_trial_complete(0, [], trial)
            relay.on_step_end(0, [])
            took.append(time.perf_counter() - start)
        if isinstance(writer, Writer):
            writer.flush()
    assert len(list(Path(folder, "results").iterdir())) == REPLICATES
    assert recorder.progress.counts.done == REPLICATES
    return took


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        show = partial(print, f"{seconds:g} s for each file, longest callback:")
        show(f"{max(callbacks(one, seconds, AtOnce())):.3f} s inside Tune's callback")
        with Writer() as writer:
            start = time.perf_counter()
            show(f"{max(callbacks(other, seconds, writer)):.4f} s with the writer", end=", ")
            print(f"all rows stored after {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
