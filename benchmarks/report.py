"""A report over many stored replicates: `python benchmarks/report.py [REPLICATES]`.

10,000 replicates (unless another number is given) of one sweep, 8 seeds each, are put into a
storage in a temporary folder through `Store.put`, with 200 test samples of 20 people each. Then
`fdsweep report` makes its report three times, each in a process of its own:

  first    no cache: every file is opened
  again    with the cache that the first left
  grown    after a tenth more seeds were stored

Prints wall time and peak memory, imports included, for people, then one JSON line.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa

from fdsweep.results.records import manifest
from fdsweep.results.records.manifest import Manifest, ManifestRow
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store

SEEDS, PEOPLE, SAMPLES, CLASSES = 8, 20, 200, 7
DIRECTIONS = (("accelerometer", "gyroscope"), ("gyroscope", "accelerometer"))

REPORT = """
import resource, sys, time
start = time.perf_counter()
from fdsweep.orchestrator.cli import app
try:
    app(["report", "--storage", sys.argv[1], "--format", "json"])
except SystemExit as error:
    if error.code:
        raise
spent = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(spent, peak, file=sys.stderr)
"""


def sweep(replicates: int, seeds: range) -> Manifest:
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


def measure(storage: str) -> tuple[float, float]:
    """Wall seconds and peak MiB of a process that prints the report as JSON."""
    ended = subprocess.run(
        [sys.executable, "-c", REPORT, storage],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    spent, peak = ended.stderr.split()[-2:]
    return float(spent), float(peak)


def main() -> None:
    replicates = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        store = Store.create(folder)
        made = sweep(replicates, range(SEEDS))
        start = time.perf_counter()
        fill(store, made, range(SEEDS))
        filled = time.perf_counter() - start
        runs = {"first": measure(folder), "again": measure(folder)}
        fill(store, sweep(replicates // 10, range(SEEDS)), range(SEEDS, 2 * SEEDS))
        manifest.save(store, sweep(replicates, range(2 * SEEDS)))
        runs["grown"] = measure(folder)
    count = len(made.rows) * SEEDS
    print(f"{count:,} replicates, {os.cpu_count()} CPUs, {platform.machine()}")
    print(f"put {1000 * filled / count:.1f} ms each")
    print("| report | wall s | peak MiB |\n| --- | ---: | ---: |")
    for name, (spent, peak) in runs.items():
        print(f"| {name} | {spent:.1f} | {peak:.0f} |")
    print(json.dumps({"replicates": count, "put": filled, "runs": runs, "command": sys.argv}))


if __name__ == "__main__":
    main()
