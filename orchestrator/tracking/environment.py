"""What numbers depend on beside their key: the versions and the processor that made them."""

import functools
import json
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("numpy", "torch", "transformers")
CPUINFO = Path("/proc/cpuinfo")


@functools.cache
def environment() -> str:
    """JSON text of the versions of Python and PACKAGES and of the name of the processor, sorted."""
    facts = {name: version(name) for name in PACKAGES}
    facts |= {"python": platform.python_version(), "processor": processor()}
    return json.dumps(facts, sort_keys=True)


def processor() -> str:
    """Name of this machine's processor; its architecture where the system does not tell one."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
