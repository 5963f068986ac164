"""What a command takes that trains nothing: `python benchmarks/commands.py [--replicates N]`.

A storage in a temporary folder gets what `fdsweep ablation --seeds 5` leaves there, with made-up
numbers: 80 replicates of 900 test samples, their teachers, the report, MLflow. Then each command
runs five times, each time in a process of its own, the commands taking turns.

Another storage gets N (10,000) replicates of one sweep, 8 seeds each, with 200 test samples of 20
people. `fdsweep report` runs once without a cache, which opens every file; once with the copies of
rows and predictions that a driver makes as it goes, from which the table is computed; five times
with the table, which a driver leaves at its end; then once after a tenth more seeds were stored,
which no copy has.

Prints medians of wall and CPU seconds, imports included, the peak of memory, and which of the
packages that are slow to import it imported; for people, then one JSON line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
from driver import outcome

from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.results.records import manifest
from fdsweep.results.records.manifest import Manifest, ManifestRow
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import teachers

ROUNDS = 5
ABLATION = ["ablation", "--seeds", "5"]
COMMANDS = {
    "methods": ["methods"],
    "datasets": ["datasets"],
    "status": ["status"],
    "report": ["report"],
    "ablation, finished": ABLATION,
}
SLOW = ("torch", "mlflow", "ray", "matplotlib", "scipy", "scipy.stats", "pandas")
SEEDS, PEOPLE, SAMPLES, CLASSES = 8, 20, 200, 7
DIRECTIONS = (("accelerometer", "gyroscope"), ("gyroscope", "accelerometer"))

RUN = f"""
import os, sys
from pathlib import Path
from fdsweep.orchestrator.cli import app
try:
    app(sys.argv[1:])
except SystemExit as error:
    if error.code:
        raise
times, lines = os.times(), Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**10
print("|", times.user + times.system, peak,
      *(name for name in {SLOW} if name in sys.modules), file=sys.stderr)
"""


def run(words: list[str], storage: str) -> dict:
    """What a command took, and what it imported."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env={**os.environ, "FDSWEEP_STORAGE": storage}, check=True, text=True, capture_output=True,
    )  # fmt: skip
    cpu, mib, *imported = done.stderr.rpartition("|")[2].split()
    wall = time.perf_counter() - start
    return {"wall": wall, "cpu": float(cpu), "mib": float(mib), "imported": imported}


def typical(told: list[dict]) -> dict:
    medians = {
        name: statistics.median(one[name] for one in told) for name in ("wall", "cpu", "mib")
    }
    return {**medians, "imported": told[-1]["imported"]}


def fill_ablation(storage: str) -> None:
    """Put the finished study into `storage`; its first report fills MLflow."""
    sweep = override(load_preset("components"), seeds=tuple(range(5)))
    study = studies.prepare(sweep, StudyOptions(storage=storage))
    tracker = SimpleNamespace(log=lambda _: None)
    recorder = Recorder(study.sweep, study.plan, study.store, tracker, Progress(1))
    for trial in study.plan.students:
        for seed in trial.seeds:
            recorder.keep(trial, seed, outcome(seed, trial.config.network.optim.epochs))
    for trial in study.plan.teachers:
        for seed in trial.seeds:
            teachers.save(storage, trial.key, seed, {}, {"test_score": 0.5})
    run(ABLATION, storage)


def finished() -> dict[str, dict]:
    """Commands on a study that is finished."""
    with tempfile.TemporaryDirectory() as folder:
        storage = str(Path(folder, "runs"))
        fill_ablation(storage)
        told = [
            {name: run(words, storage) for name, words in COMMANDS.items()} for _ in range(ROUNDS)
        ]
    return {name: typical([one[name] for one in told]) for name in COMMANDS}


def made_up(replicates: int, seeds: range) -> Manifest:
    rows = [
        ManifestRow(
            row=f"row {index}",
            method="fd-cmkd",
            teacher_modality=teacher,
            student_modality=student,
            key=f"{len(DIRECTIONS) * index + way:020x}",
            teacher_keys=(),
        )
        for index in range(max(1, replicates // (SEEDS * len(DIRECTIONS))))
        for way, (teacher, student) in enumerate(DIRECTIONS)
    ]
    return Manifest(
        sweep="benchmark-watch-000000",
        study="benchmark",
        title="Benchmark",
        dataset="watch",
        paper_table=None,
        epochs=30,
        seeds=tuple(seeds),
        seed_history=(tuple(seeds),),
        rows=tuple(rows),
        teachers={},
        data_fingerprint="0" * 20,
    )


def fill(store: Store, made: Manifest, seeds: range) -> None:
    """Store the replicates of `made` with `seeds`; a row's accuracy is 60 % and a little."""
    config = json.dumps({"method": "fd-cmkd", "options": {f"option {i}": i for i in range(40)}})
    generator = np.random.default_rng(seeds.start)
    labels = np.arange(SAMPLES) % CLASSES
    sample_ids = [f"sample {index}" for index in range(SAMPLES)]
    groups = [f"person {index % PEOPLE}" for index in range(SAMPLES)]
    for row in made.rows:
        for seed in seeds:
            right = generator.random(SAMPLES) < generator.normal(0.6, 0.02)
            accuracy = float(right.mean())
            replicate = Replicate(
                sweep=made.sweep,
                study=made.study,
                row=row.row,
                method=row.method,
                dataset=made.dataset,
                task=made.task,
                teacher_modality=row.teacher_modality,
                student_modality=row.student_modality,
                seed=seed,
                key=row.key,
                teacher_keys=row.teacher_keys,
                status="done",
                epochs=made.epochs,
                best_epoch=20,
                best_head="logits",
                metric=made.metric,
                val_score=accuracy,
                test_score=accuracy,
                test_score_last=accuracy,
                test_score_best=accuracy,
                wall_seconds=60.0,
                device="cpu",
                fdsweep_version="0.1.0",
                data_fingerprint=made.data_fingerprint,
                environment="",
                config=config,
            )
            predicted = np.where(right, labels, (labels + 1) % CLASSES)
            predictions = {
                "sample_id": sample_ids,
                "group": groups,
                "label": labels,
                "prediction": predicted,
            }
            store.put(replicate, [], pa.table(predictions))
    manifest.save(store, made)


def reports(replicates: int) -> dict[str, dict]:
    """`fdsweep report` on many replicates."""
    words = ["report", "--format", "json"]
    with tempfile.TemporaryDirectory() as folder:
        store, made = Store.create(folder), made_up(replicates, range(SEEDS))
        fill(store, made, range(SEEDS))
        label = f"report of {len(made.rows) * SEEDS:,}"
        found = {f"{label}, no cache": run(words, folder)}
        store.delete_folder(layout.TABLES)
        found[f"{label}, no table"] = run(words, folder)
        found[f"{label}, again"] = typical([run(words, folder) for _ in range(ROUNDS)])
        fill(store, made_up(replicates // 10, range(SEEDS)), range(SEEDS, 2 * SEEDS))
        manifest.save(store, made_up(replicates, range(2 * SEEDS)))
        found[f"{label}, grown by a tenth"] = run(words, folder)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="What commands take that train nothing.")
    parser.add_argument("--replicates", type=int, default=10_000)
    found = {**finished(), **reports(parser.parse_args().replicates)}
    print("| command | wall s | CPU s | peak MiB | slow packages that it imports |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, one in found.items():
        imported = ", ".join(one["imported"]) or "none"
        print(f"| {name} | {one['wall']:.2f} | {one['cpu']:.2f} | {one['mib']:.0f} | {imported} |")
    print(json.dumps({"benchmark": "commands", "commands": found}))


if __name__ == "__main__":
    main()
