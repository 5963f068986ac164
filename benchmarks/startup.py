"""What a command takes when there is nothing to train: `python benchmarks/startup.py [ROUNDS]`.

A storage in a temporary folder gets what `fdsweep ablation --seeds 5` leaves there, with made-up
numbers: 80 replicates of 900 test samples, their teachers, the report, MLflow. Then each command
runs ROUNDS times (5 unless another number is given), each time in a process of its own, the
commands taking turns.

Prints the median wall and CPU seconds of each, imports included, and which of the packages that are
slow to import it imported; for people, then one JSON line.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Recorder
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import teachers

ABLATION = ["ablation", "--seeds", "5"]
COMMANDS = {
    "methods": ["methods"],
    "datasets": ["datasets"],
    "status": ["status"],
    "report": ["report"],
    "ablation, finished": ABLATION,
}
SLOW = ("torch", "mlflow", "ray", "matplotlib", "scipy", "scipy.stats", "pandas")
SAMPLES, CLASSES = 900, 7
RUN = f"""
import os, sys
from fdsweep.orchestrator.cli import app
try:
    app(sys.argv[1:])
except SystemExit as error:
    if error.code:
        raise
times = os.times()
print("|", times.user + times.system, *(name for name in {SLOW} if name in sys.modules),
      file=sys.stderr)
"""


class Untold:
    """A tracker that keeps nothing."""

    def log(self, run):
        pass


def outcome(epochs: int, seed: int) -> dict:
    generator = np.random.default_rng(seed)
    labels = np.arange(SAMPLES) % CLASSES
    guesses = np.where(generator.random(SAMPLES) < 0.6, labels, 0)
    score = float((guesses == labels).mean())
    splits = ("train", "val", "test")
    curves = [(e, split, name, score) for e in range(epochs) for split in splits
              for name in ("loss", "accuracy")]  # fmt: skip
    scores = dict.fromkeys(("best_score", "val_score", "test_score"), score)
    return {
        **scores, "test_score_last": score, "test_score_best": score, "metric": "accuracy",
        "epochs": epochs, "best_epoch": 0, "best_head": "logits", "device": "cpu",
        "environment": "{}", "seconds": 1.0, "curves": curves,
        "kept": {
            "sample_id": [f"{i:05d}" for i in range(SAMPLES)],
            "group": [str(i % 10) for i in range(SAMPLES)],
            "label": labels.tolist(),
            "prediction": guesses.tolist(),
        },
    }  # fmt: skip


def fill(storage: str) -> None:
    """Put the finished study into `storage`; its first report fills MLflow."""
    sweep = override(load_preset("components"), seeds=tuple(range(5)))
    study = studies.prepare(sweep, StudyOptions(storage=storage))
    recorder = Recorder(study.sweep, study.plan, study.store, Untold(), Progress(1))
    for trial in study.plan.students:
        for seed in trial.seeds:
            recorder.keep(trial, seed, outcome(trial.config.network.optim.epochs, seed))
    for trial in study.plan.teachers:
        for seed in trial.seeds:
            teachers.save(storage, trial.key, seed, {}, {"test_score": 0.5})
    run(ABLATION, storage)


def run(words: list[str], storage: str) -> tuple[float, float, list[str]]:
    """Wall and CPU seconds of a command, and what it imported."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env={**os.environ, "FDSWEEP_STORAGE": storage}, check=True, text=True, capture_output=True,
    )  # fmt: skip
    wall = time.perf_counter() - start
    cpu, *imported = done.stderr.rpartition("|")[2].split()
    return wall, float(cpu), imported


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        storage = str(Path(folder, "runs"))
        fill(storage)
        told = [{name: run(words, storage) for name, words in COMMANDS.items()}
                for _ in range(rounds)]  # fmt: skip
    found = {}
    print(f"{'command':<20} {'wall':>6} {'CPU':>6}   imported")
    for name in COMMANDS:
        wall, cpu = (statistics.median(one[name][i] for one in told) for i in (0, 1))
        imported = told[-1][name][2]
        found[name] = {"wall": round(wall, 3), "cpu": round(cpu, 3), "imported": imported}
        print(f"{name:<20} {wall:>6.2f} {cpu:>6.2f}   {', '.join(imported) or '–'}")
    print(json.dumps({
        "benchmark": "startup", "rounds": rounds, "commands": found,
        "python": platform.python_version(), "cpus": os.cpu_count(),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
