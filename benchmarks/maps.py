"""What a method takes where networks predict every pixel: `python benchmarks/maps.py`.

Each method runs in a process of its own: on made-up outputs of student and teacher, logits,
features and maps of three stages at stride 4, one forward and backward pass of all losses, the
task's cross-entropy of upsampled logits included, on one thread of the CPU or on the GPU. Memory is
the largest sum of all tensors that are alive at one time, networks' outputs and the method's own
state included, as torch's profiler sees them allocated and freed (on a GPU, torch's allocator):
the resident set of a process says less where a system puts away pages that rest. What a method
adds is its peak less that of `none`, which has the same outputs, their gradients and the task's
loss.

    python benchmarks/maps.py --height 120 --width 160 --batch 2 cirkd-v2 freekd

Prints a table for people, then one JSON line.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from fdsweep.orchestrator.studies.compare import BASELINE, comparison
from fdsweep.trainers import distillers, tasks
from fdsweep.trainers.distillers import Outputs
from fdsweep.trainers.features.pixels import IGNORE

TASK, STRIDE, VOID = "segmentation", 4, 0.1
GIB = 2**30
SIZES = {"height": 480, "width": 640, "batch": 8, "classes": 40, "dim": 256}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Memory and time of methods on maps.")
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("methods", nargs="*", help="all that can be used on maps by default")
    return parser.parse_args()


def compared(methods: list[str]) -> dict[str, dict[str, Any]]:
    """Options of each of `methods`, or of all that can be used on maps, as they are compared."""
    usable = (name for name in distillers.names() if distillers.specimen(name, {}).on_maps)
    rows = comparison(",".join(methods or usable), task=TASK).rows
    return {row.method: dict(row.options) for row in rows}


def outputs(sizes: argparse.Namespace, device: torch.device, asks: bool) -> Outputs:
    """Of a network with three stages; all of them ask for gradients or none."""
    height, width = -(-sizes.height // STRIDE), -(-sizes.width // STRIDE)

    def draw(channels: int) -> torch.Tensor:
        x = torch.randn(sizes.batch, channels, height, width, device=device)
        return x.requires_grad_(asks)

    maps = tuple(draw(dim) for dim in map_dims(sizes.dim))
    return Outputs(maps[-1].relu(), draw(sizes.classes), maps)


def map_dims(dim: int) -> tuple[int, ...]:
    return (dim // 4, dim // 2, dim)


def measure(name: str, sizes: argparse.Namespace) -> dict[str, float]:
    """Seconds of one pass of the method `name`, and the peak of memory in bytes."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if torch.cuda.is_available():
        seconds = one_pass(name, sizes, torch.device("cuda"))
        return {"seconds": seconds, "peak": torch.cuda.max_memory_allocated()}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        seconds = one_pass(name, sizes, torch.device("cpu"))
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text())["traceEvents"]
    sums = (one["args"]["Total Allocated"] for one in events if one["name"] == "[memory]")
    return {"seconds": seconds, "peak": max(sums)}


def one_pass(name: str, sizes: argparse.Namespace, device: torch.device) -> float:
    """Seconds of the losses of made-up outputs, forward and backward."""
    distiller = distillers.build(
        name,
        num_classes=sizes.classes,
        student_dim=sizes.dim,
        teacher_dim=sizes.dim,
        student_map_dims=map_dims(sizes.dim),
        teacher_map_dims=map_dims(sizes.dim),
        **compared([name])[name],
    ).to(device)
    student = outputs(sizes, device, asks=True)
    teacher = outputs(sizes, device, asks=distiller.moves_teacher)
    coarse = torch.randint(sizes.classes, (sizes.batch, 1, 6, 8), device=device).float()
    labels = torch.nn.functional.interpolate(coarse, (sizes.height, sizes.width))[:, 0].long()
    labels[torch.rand(labels.shape, device=device) < VOID] = IGNORE
    teachers = (teacher,) if distiller.needs_teacher else ()
    torch.optim.SGD([student.logits])  # loads what checkpoints of cirkd-v2 load: no part of a pass
    start = time.perf_counter()
    losses = distiller.losses(student, teachers, labels, tasks.find(TASK).loss)
    losses["total"].backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def run_alone(name: str) -> dict[str, float]:
    """`measure` in a new process with the arguments of this one."""
    command = [sys.executable, *sys.argv, "--alone", name]
    found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return result


def main() -> None:
    args = arguments()
    if args.alone:
        print(json.dumps(measure(args.alone, args)))
        return
    results = {name: run_alone(name) for name in compared(args.methods)}
    kind = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    print(
        f"{kind}, torch {torch.__version__}, {args.batch} pictures of {args.height} x {args.width},"
        f" {args.classes} classes, {args.dim} features at stride {STRIDE}\n"
    )
    print("| method | s per pass | peak GiB | GiB above none |\n| --- | ---: | ---: | ---: |")
    for name, one in results.items():
        above = (one["peak"] - results[BASELINE]["peak"]) / GIB
        print(f"| {name} | {one['seconds']:.1f} | {one['peak'] / GIB:.3f} | {above:.3f} |")
    print(json.dumps({"device": kind, "methods": results, "command": sys.argv}))


if __name__ == "__main__":
    main()
