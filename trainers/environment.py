"""What numbers depend on beside their key, as the worker that made them finds it."""

import functools
import json
import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch

PACKAGES = ("numpy", "transformers")
CPUINFO = Path("/proc/cpuinfo")


def environment() -> str:
    """JSON text, sorted, of what changes the last bits of a result.

    Versions of Python, PACKAGES and torch (with its build, and the `blas` that it multiplies
    matrices with); the operating system; the processor, the instructions that torch uses of it
    (`capability`), and the number of threads that torch uses here.
    """
    facts: dict[str, str | int] = {name: version(name) for name in PACKAGES}
    facts |= {
        "python": platform.python_version(),
        "system": " ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        "torch": torch.__version__,
        "blas": blas(torch.__config__.show()),
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
    }
    return json.dumps(facts, sort_keys=True)


def blas(build: str) -> str:
    """The linear algebra library that torch's `build`, as it tells it, is made with."""
    found = re.search(r"BLAS_INFO=(\w+)", build)
    return found[1] if found else "unknown"


@functools.cache
def processor() -> str:
    """Name of this machine's processor; its architecture where the system does not tell one."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
