"""What a training step costs on a GPU, method by method: `python benchmarks/gpu.py`.

A pair of ResNet-18 on made-up samples of CREMA-D's shapes (a spectrogram 1 x 257 x 299, a picture
3 x 224 x 224), batches of 64, student on pictures, all data on the device, kernels that repeat to
the bit. Each method is timed twice: as `fdsweep` trains, with recorded steps where they can be, and
`asked`, where Python asks for every operation. `busy` is the share of its time in which the device
computes, and GiB what torch has taken of it at most. `waits` are the times per step that the host
waits for the device, as torch's sync debug mode counts them, of a pass of 16 steps (its end
included). `bf16` is the largest relative difference of a loss from float32's in the first two
epochs.

Some lines stand above them for comparison:

  published  a straightforward loop as papers publish it: each sample is unpickled, decoded and
             cropped when its turn comes, in this process; float32; both networks' teachers run in
             every step, and accuracy is counted sample by sample
  bare       the student alone: bfloat16, channels-last, data on the device, fused SGD, no
             evaluation, each operation asked for; then so with whatever kernels torch finds
             fastest, and compiled by torch (in the seconds of its first pass)
  roofline   what the bare loop would take if all it multiplies went as fast as large matrices
             multiply here

Below stands what several replicates of `fd-cmkd` do on one GPU at the same time, each in a process
of its own, which is what fractions of a GPU per trial are.

Needs torch, transformers, pandas, pyarrow, pydantic and PyYAML, and no Ray:

    PYTHONPATH=src python benchmarks/gpu.py
    PYTHONPATH=src python benchmarks/gpu.py --device cpu --small

`--small` has tiny pictures and batches of 8, but for the published loop, whose pictures are of full
size and which takes two steps: a trial of this script, no measurement.

Prints a table for people, then one JSON line.
"""

import argparse
import io
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from data import PerItem
from PIL import Image
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode

from fdsweep.orchestrator.studies.compare import comparison
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.search_spaces.configs import OptimConfig, StudentConfig
from fdsweep.trainers import backbones, distributed
from fdsweep.trainers.datasets import DatasetInfo, Fold, Modality
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.environment import environment, repeat
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import Roles, make_recorder, train_epoch
from fdsweep.trainers.optimisation import make_optimizer
from fdsweep.trainers.replicate import make_roles
from fdsweep.trainers.trials.probe import computing

BATCH, STEPS, ROUNDS, CLASSES = 64, 16, 3, 6
SIDES = {"cpu": 1024, "cuda": 8192}
"""Of the large matrices."""

SHARED, PREPARING, SECONDS = "fd-cmkd", 40, 5
"""Method of the replicates side by side, seconds until they begin, and seconds that they train."""

SHAPES = {"audio": (1, 257, 299), "visual": (3, 224, 224)}
SMALL = {"audio": (1, 40, 40), "visual": (3, 32, 32)}
DIRECTION = "audio->visual"


@dataclass(frozen=True, slots=True)
class Setup:
    """Made-up data of the shapes asked for, on the device."""

    info: DatasetInfo
    fold: Fold
    device: torch.device
    batch: int
    small: bool


def make_setup(device: torch.device, *, small: bool) -> Setup:
    """Random samples, each class with a mean of its own."""
    shapes, batch = (SMALL, 8) if small else (SHAPES, BATCH)
    n = batch * STEPS
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(n) % CLASSES
    inputs = {
        name: Plain(torch.randn(n, *shape, generator=draw) + 0.1 * labels[:, None, None, None])
        for name, shape in shapes.items()
    }
    samples = torch.arange(n)
    fold = Fold(
        num_classes=CLASSES,
        inputs=inputs,
        labels=labels,
        groups=("all",) * n,
        sample_ids=tuple(map(str, range(n))),
        train=samples,
        val=samples[:batch],
        test=samples[:batch],
    )
    info = DatasetInfo(
        name="made-up",
        modalities=tuple(Modality(name, shape[0], "resnet18") for name, shape in shapes.items()),
        classes=tuple("abcdef"),
        fingerprint="made-up",
        optim=OptimConfig(epochs=2, batch_size=batch),
        source="drawn at random",
    )
    return Setup(info, fold.to(device), device, batch, small)


def configs(setup: Setup, methods: list[str]) -> dict[str, StudentConfig]:
    """Each method as `fdsweep compare` would train it, with teachers that need no training."""
    sweep = comparison(",".join(methods) or None).model_copy(update={"directions": (DIRECTION,)})
    found = {cell.row.name: cell.config for cell in make_cells(sweep, setup.info)}
    return {
        name: replace(config, teacher_state="random") if config.teachers else config
        for name, config in found.items()
    }


class Stepper:
    """Passes of STEPS steps of one method; `recorded` ones where they can be."""

    def __init__(self, config: StudentConfig, setup: Setup, *, recorded: bool = True) -> None:
        self.config, self.setup = config, setup
        self.roles: Roles = make_roles(
            config, setup.info, setup.fold, 0, storage=".", runtime=Runtime.here(setup.device)
        )
        parameters = self.roles.trained().parameters()
        self.optimizer = make_optimizer(config.network.optim, parameters)
        self.recorder = make_recorder(config, self.roles) if recorded else None

    def epoch(self, number: int) -> list[float]:
        """The losses of an epoch, term by term."""
        fold, config = self.setup.fold, self.config
        losses = train_epoch(
            config, 0, number, fold, self.roles, self.optimizer, recorder=self.recorder
        )
        return list(losses.values())

    def run(self) -> float:
        """Milliseconds of a step; the pass ends with a read of the losses."""
        start = time.perf_counter()
        self.epoch(0)
        return (time.perf_counter() - start) / STEPS * 1000

    def losses(self) -> list[float]:
        """Of two epochs, term by term."""
        return [loss for epoch in range(2) for loss in self.epoch(epoch)]


def bare(setup: Setup, *, compiled: bool = False) -> Callable[[], float]:
    """The student alone in the plainest loop."""
    modality = setup.info.modalities[1]
    network = backbones.build("resnet18", channels=modality.channels, num_classes=CLASSES)
    student = distributed.place(network, setup.device).train()
    predict = torch.compile(student) if compiled else student
    values = distributed.place(setup.fold.inputs[modality.name].values, setup.device)
    fused = setup.device.type == "cuda"
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-3, momentum=0.9, fused=fused)

    def run() -> float:
        start = time.perf_counter()
        for i in range(STEPS):
            part = slice(i * setup.batch, (i + 1) * setup.batch)
            optimizer.zero_grad()
            with torch.autocast(setup.device.type, torch.bfloat16, enabled=fused):
                logits = predict(values[part]).logits
            loss = F.cross_entropy(logits.float(), setup.fold.labels[part])
            loss.backward()
            optimizer.step()
        float(loss.detach())
        return (time.perf_counter() - start) / STEPS * 1000

    return run


def published(setup: Setup) -> float:
    """Milliseconds of a step of the published loop; the first one, which warms up, is left out."""
    steps = 2 if setup.small else STEPS
    networks = {
        name: backbones.build("resnet18", channels=shape[0], num_classes=CLASSES).to(setup.device)
        for name, shape in SHAPES.items()
    }
    student = backbones.build("resnet18", channels=3, num_classes=CLASSES).to(setup.device).train()
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-3, momentum=0.9)
    with tempfile.TemporaryDirectory() as place:
        write_items(Path(place), (steps + 1) * setup.batch)
        loader = DataLoader(PerItem(Path(place)), setup.batch, shuffle=True)
        right, times = 0, [time.perf_counter()]
        for sound, picture in loader:
            labels = torch.arange(len(sound), device=setup.device) % CLASSES
            shown = {"audio": sound.to(setup.device), "visual": picture.to(setup.device)}
            optimizer.zero_grad()
            own = student(shown["visual"])
            loss = F.cross_entropy(own.logits, labels)
            for name, network in networks.items():
                with torch.no_grad():
                    taught = network(shown[name])
                loss = loss + F.mse_loss(own.features, taught.features)
            loss.backward()
            optimizer.step()
            for logits, label in zip(own.logits, labels, strict=True):
                right += int(logits.argmax() == label)
            times.append(time.perf_counter())
    return 1000 * (times[-1] - times[1]) / steps


def write_items(folder: Path, count: int) -> None:
    """So many clips as published code finds them: a pickled spectrogram and a JPEG of 480 x 360."""
    rng = np.random.default_rng(0)
    for number in range(count):
        sound = rng.normal(size=SHAPES["audio"][1:]).astype(np.float32)
        (folder / f"{number}.pkl").write_bytes(pickle.dumps(sound))
        coarse, content = Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8)), io.BytesIO()
        coarse.resize((480, 360), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
        (folder / f"{number}.jpg").write_bytes(content.getvalue())


def roofline(setup: Setup, loop: Callable[[], float]) -> dict[str, float]:
    """Milliseconds of a step of the bare `loop` at the speed of large matrices; TFLOP/s of both."""
    with FlopCounterMode(display=False) as counter:
        loop()
    work = counter.get_total_flops() / STEPS
    kind, side = setup.device.type, SIDES[setup.device.type]
    dtype = torch.bfloat16 if kind == "cuda" else torch.float32
    a, b = (torch.randn(side, side, device=setup.device, dtype=dtype) for _ in range(2))

    def multiply() -> float:
        start = time.perf_counter()
        for _ in range(10):
            c = a @ b
        float(c[0, 0])
        return (time.perf_counter() - start) / 10

    multiply()
    speed = 2 * side**3 / statistics.median(multiply() for _ in range(ROUNDS))
    ms = statistics.median(loop() for _ in range(ROUNDS))
    return {"ms": work / speed * 1000, "tflops": speed / 1e12, "bare_tflops": work / ms / 1e9}


@contextmanager
def fastest() -> Iterator[None]:
    """torch's own choice of kernels."""
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def waits(stepper: Stepper) -> float:
    """How often the host waits for the device, per step."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            stepper.run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(one.message) for one in caught) / STEPS


def deviation(config: StudentConfig, setup: Setup) -> float:
    """The largest relative difference between losses of the GPU's type and of float32."""
    kept = distributed.GPU_DTYPE
    found = Stepper(config, setup).losses()
    distributed.GPU_DTYPE = torch.float32
    try:
        exact = Stepper(config, setup).losses()
    finally:
        distributed.GPU_DTYPE = kept
    return max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(found, exact, strict=True))


def measured(config: StudentConfig, setup: Setup) -> dict[str, Any]:
    """One line of the table."""
    if setup.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    stepper = Stepper(config, setup)
    stepper.run()
    stepper.run()
    line: dict[str, Any] = {"ms": statistics.median(stepper.run() for _ in range(ROUNDS))}
    if setup.device.type == "cpu":
        return line
    line["gib"] = torch.cuda.max_memory_reserved() / 2**30
    line["waits"] = waits(stepper)
    line["busy"] = 1000 * computing(stepper.run) / STEPS / line["ms"]
    plain = Stepper(config, setup, recorded=False)
    plain.run()
    line["plain_ms"] = statistics.median(plain.run() for _ in range(ROUNDS))
    line["bf16"] = deviation(config, setup)
    return line


def alone(method: str, start: float, device: torch.device, *, small: bool) -> None:
    """Print how many samples a second this process trains from `start` (s since 1970) on."""
    repeat(device)
    setup = make_setup(device, small=small)
    stepper = Stepper(configs(setup, [method])[method], setup)
    stepper.run()
    late = time.time() - start
    if late > 0:
        raise SystemExit(f"{late:.1f} s too late")
    time.sleep(-late)
    passes = 0
    while time.time() < start + SECONDS:
        stepper.run()
        passes += 1
    print(passes * STEPS * setup.batch / (time.time() - start))


def together(count: int, device: torch.device, *, small: bool) -> float:
    """Samples a second of `count` processes in all."""
    start = time.time() + PREPARING + 2 * count
    given = ["--device", device.type, *["--small"] * small]
    command = [sys.executable, __file__, "--alone", SHARED, str(start), *given]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return sum(float(process.communicate()[0]) for process in processes)


def lines(setup: Setup, methods: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is measured, one after the other."""
    yield "published", {"ms": published(setup)}
    loop = bare(setup)
    loop()
    yield "bare", {"ms": statistics.median(loop() for _ in range(ROUNDS))}
    with fastest():
        loop()
        yield "bare, fastest kernels", {"ms": statistics.median(loop() for _ in range(ROUNDS))}
    yield "roofline", roofline(setup, loop)
    for name, config in configs(setup, methods).items():
        try:
            yield name, measured(config, setup)
        except RuntimeError as error:
            yield name, {"error": str(error).splitlines()[0]}
    if setup.device.type == "cuda":
        loop = bare(setup, compiled=True)
        first = loop() * STEPS / 1000
        ms = statistics.median(loop() for _ in range(ROUNDS))
        yield f"bare, compiled in {first:.0f} s", {"ms": ms}


def spelt(name: str, line: dict[str, Any], batch: int) -> str:
    """A line of the table."""
    if "error" in line:
        return f"| {name} | {line['error']} |"
    plain = f"{line['plain_ms']:.1f}" if "plain_ms" in line else ""
    figures = ("busy", "gib", "waits", "bf16")
    more = " | ".join(f"{line[k]:.2g}" if k in line else "" for k in figures)
    return f"| {name} | {line['ms']:.1f} | {1000 * batch / line['ms']:,.0f} | {plain} | {more} |"


def main() -> None:
    parser = argparse.ArgumentParser(description="Steps of each method on a GPU.")
    parser.add_argument("--small", action="store_true", help="tiny pictures, batches of 8")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--device", choices=SIDES, help="by default the GPU, if there is one")
    parser.add_argument("--together", help="replicates at the same time; 1,2,4,8,16; or none")
    parser.add_argument("methods", nargs="*", help="all by default")
    given = parser.parse_args()
    device = torch.device(given.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if given.alone:
        alone(given.alone[0], float(given.alone[1]), device, small=given.small)
        return
    repeat(device)
    setup = make_setup(device, small=given.small)
    print(f"{Runtime.here(device).device_name}, torch {torch.__version__}, batch {setup.batch}")
    print("| method | ms per step | samples/s | asked, ms | busy | GiB | waits | bf16 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    results: dict[str, Any] = {}
    for name, line in lines(setup, given.methods):
        results[name] = line
        print(spelt(name, line, setup.batch), flush=True)
    told = results["roofline"]
    print(f"\nBare: {told['bare_tflops']:.3g} TFLOP/s; large matrices: {told['tflops']:.3g}.")
    torch.cuda.empty_cache()
    counts = given.together or ("1,2,4,8,16" if device.type == "cuda" else "1,2")
    if counts != "none":
        rates = {n: together(n, device, small=given.small) for n in map(int, counts.split(","))}
        print(f"\n| {SHARED} at once | samples/s in all |\n| ---: | ---: |")
        for count, rate in rates.items():
            print(f"| {count} | {rate:,.0f} |")
        results["together"] = rates
    print(json.dumps({"environment": json.loads(environment(device)), "methods": results}))


if __name__ == "__main__":
    main()
