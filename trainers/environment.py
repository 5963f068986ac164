"""What numbers depend on beside their key: how a device computes, and what a worker finds.

torch chooses the fastest kernels, and on a GPU some of them add up in an order that changes from
run to run. With what `repeat` sets, a replicate that goes on from a checkpoint ends as if it had
never stopped there too.
"""

import functools
import json
import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from torch.utils import deterministic

Facts = dict[str, str | int]

PACKAGES = ("numpy", "transformers")
CUBLAS_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
CPUINFO = Path("/proc/cpuinfo")


def repeat(device: torch.device) -> None:
    """See to it that what this process computes on `device` can be repeated to the bit.

    A CPU computes on one thread. On a GPU only kernels are used that repeat, TF32 is off (networks
    compute in bfloat16, losses in float32), and an operation without such a kernel raises
    RuntimeError. To be called before the GPU is first used: cuBLAS reads its setting once.
    """
    if device.type == "cpu":
        torch.set_num_threads(1)
        return
    os.environ.setdefault(CUBLAS_WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # finds bugs
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def environment(device: torch.device) -> str:
    """JSON text, sorted, of what changes the last bits of a result computed on `device`.

    Versions of Python, PACKAGES and torch (with its build, and the `blas` that it multiplies
    matrices with); the operating system; the processor, the instructions that torch uses of it
    (`capability`), and the number of threads that torch uses here; of a GPU its model (`gpu`), and
    the versions of its driver's CUDA libraries.
    """
    facts: Facts = {
        **versions(),
        "python": platform.python_version(),
        "system": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        "torch": torch.__version__,
        "blas": blas(torch.__config__.show()),
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    if device.type == "cuda":
        facts |= {
            "gpu": torch.cuda.get_device_name(device),
            "cuda": str(torch.version.cuda),
            "cudnn": str(torch.backends.cudnn.version()),
        }
    return json.dumps(facts, sort_keys=True)


def continued(here: str, before: Sequence[str]) -> str:
    """The environment `here` of a replicate that was trained in those `before` it, in this order.

    What they had that this one has not stands as `continued_from`.
    """
    facts = json.loads(here)
    others = {other: None for text in before if (other := _difference(json.loads(text), facts))}
    if others:
        facts["continued_from"] = "; then ".join(others)
    return json.dumps(facts, sort_keys=True)


def _difference(other: Facts, facts: Facts) -> str:
    """What `other` has that `facts` has not, in words; empty if nothing."""
    names = sorted(name for name in {*other, *facts} if other.get(name) != facts.get(name))
    return ", ".join(f"{name} {other.get(name, 'none')}" for name in names)


def blas(build: str) -> str:
    """The linear algebra library that torch's `build`, as it tells it, is made with."""
    found = re.search(r"BLAS_INFO=(\w+)", build)
    return found[1] if found else "unknown"


@functools.cache
def versions() -> dict[str, str]:
    """Of PACKAGES; their metadata are long."""
    return {name: version(name) for name in PACKAGES}


@functools.cache
def processor() -> str:
    """Name of this machine's processor; its architecture where the system does not tell one."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
