"""What a study saves by keeping its teachers' outputs: `python benchmarks/passes.py`.

A prepared data set of made-up samples in CREMA-D's shapes: a picture of 480 x 360, of which
training sees random crops of 224 x 224, and a spectrogram of 257 x 299, both for ResNet-18. A
teacher of pictures is trained, then the rows of a comparison, one replicate after the other in one
process without Ray, three times: without a cache, with an empty one (the first row computes, the
others read), and with what that study left, as the points of a search or a second study find it.

The three take turns row by row. CPU seconds, since others may use the machine; the start of every
replicate and its evaluations are counted.

Prints a table for people, then one JSON line. Ends with an error where a number differs.
"""

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fdsweep.orchestrator.studies.compare import comparison
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.search_spaces.configs import OptimConfig, StudentConfig
from fdsweep.search_spaces.trials import TrialConfig, TrialKind
from fdsweep.trainers.datasets import DataLocation, Fold, Modality
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation.catalog import Item
from fdsweep.trainers.replicate import run_replicate

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "trainers"))

import tiny

METHODS = ("feat", "kd", "dist", "dkd", "pkd", "fd-cmkd")
DIRECTION, EPOCHS = "visual->audio", 2
WAYS = {"no cache": "0", "an empty cache": "50", "a filled cache": "50"}
"""How each study is called, and the GB that it may keep."""


class MadeUp(tiny.Tiny):
    """39 samples, half of which train."""

    modalities = (Modality("audio", 1, "resnet18"), Modality("visual", 3, "resnet18"))
    payloads = {  # noqa: RUF012
        "audio": Payload("spectrogram", (257, 299)),
        "visual": Payload("frames", (360,)),
    }
    optim = OptimConfig(epochs=EPOCHS, batch_size=16)

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        """Smooth pictures, whose JPEG files have a usual size, and noise."""
        del raw, assets
        rng = np.random.default_rng(int(item.sample_id[1:]))
        coarse = Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8))
        return {
            "audio": rng.normal(item.label, 1, (257, 299)).astype(np.float16),
            "visual": [coarse.resize((480, 360), Image.Resampling.BICUBIC)],
        }


def configs(dataset: MadeUp) -> list[StudentConfig]:
    """The rows of METHODS, as `fdsweep compare` would train them."""
    sweep = comparison(",".join(METHODS)).model_copy(update={"directions": (DIRECTION,)})
    found = {cell.row.name: cell.config for cell in make_cells(sweep, dataset.info)}
    return [found[method] for method in METHODS]


def trained(config: StudentConfig, kind: TrialKind, dataset: MadeUp, fold: Fold) -> dict[str, Any]:
    """One replicate: what came of it."""
    key = config.network.teacher_key if kind == "teacher" else config.key
    storage = dataset.location.storage
    trial = TrialConfig(kind=kind, key=key, config=config, seeds=(0,), group="g", storage=storage)
    return run_replicate(trial, dataset.info, fold, 0)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as storage:
        os.environ["FDSWEEP_CACHE_DIR"], seconds = f"{storage}/cache", dict.fromkeys(WAYS, 0.0)
        dataset = MadeUp(DataLocation(storage))
        tiny.store(dataset, storage)
        fold = dataset.folds()(0)
        rows = configs(dataset)
        (teacher,) = rows[0].teachers
        alone = StudentConfig(network=teacher, method="none", method_version=1)
        trained(alone, "teacher", dataset, fold)
        for config in rows:
            outcomes = []
            for way, gigabytes in WAYS.items():
                os.environ["FDSWEEP_CACHE_GB"], start = gigabytes, time.process_time()
                outcomes.append(trained(config, "student", dataset, fold))
                seconds[way] += time.process_time() - start
            if any(outcome != outcomes[0] for outcome in outcomes):
                raise SystemExit(f"{config.method}: the numbers differ")
        files = [path.stat().st_size for path in Path(storage).glob("cache/??/*-*")]
    plain = seconds["no cache"]
    print(f"{platform.machine()}, torch {torch.__version__}, {len(rows)} rows, {EPOCHS} epochs\n")
    print("| the rows of a study | CPU s | of no cache |\n| --- | ---: | ---: |")
    for way, spent in seconds.items():
        print(f"| with {way} | {spent:.1f} | {spent / plain:.2f} |")
    print(f"\n{len(files)} files, {sum(files) / 1e3:.0f} kB")
    print(json.dumps({"cpu_s": seconds, "bytes": files, "methods": METHODS}))


if __name__ == "__main__":
    main()
