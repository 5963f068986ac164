"""What a worker tells of its machine while it trains, by the names that MLflow has for it."""

import contextlib
import math
import os
import socket
import time
from pathlib import Path

import torch

EVERY_S = 10.0
"""Between two samples."""

STAT, MEMINFO, STATM = Path("/proc/stat"), Path("/proc/meminfo"), Path("/proc/self/statm")
STDERR = Path("/proc/self/fd/2")
MEGA = 1e6


class Usage:
    """Samples how much of its machine is in use, and how much of that by this process.

    Args:
        device: what this process computes on.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.sampled = device, -math.inf
        self.clock, self.own, self.machine = time.perf_counter(), time.process_time(), cpu_times()

    def sample(self) -> list[tuple[str, float]]:
        """Names and values: of time, since the last sample. None if that was a moment ago.

        The machine's processors and memory, where the system tells of them (Linux); this process's
        share, 100 % for each core; of the GPU, which is `gpu_0` whichever it is, memory, and with
        NVIDIA's bindings (`nvidia-ml-py`) also how busy it is and its power.
        """
        now, own, machine = time.perf_counter(), time.process_time(), cpu_times()
        if now - self.sampled < EVERY_S:
            return []
        found = {"process_cpu_percentage": 100 * (own - self.own) / max(now - self.clock, 1e-9)}
        if machine[1] > self.machine[1]:
            busy, total = (
                after - before for after, before in zip(machine, self.machine, strict=True)
            )
            found["cpu_utilization_percentage"] = 100 * busy / total
        self.sampled = self.clock = now
        self.own, self.machine = own, machine
        found |= memory()
        if self.device.type == "cuda":
            found |= gpu(self.device)
        return [(name, round(value, 1)) for name, value in found.items()]


def cpu_times(path: Path = STAT) -> tuple[float, float]:
    """How long the machine's processors were busy, and how long they were there, in ticks."""
    try:
        ticks = [float(text) for text in path.read_text().splitlines()[0].split()[1:9]]
    except (OSError, ValueError, IndexError):
        return 0.0, 0.0
    idle = sum(ticks[3:5])  # and waiting for disks
    return sum(ticks) - idle, sum(ticks)


def memory(machine: Path = MEMINFO, own: Path = STATM) -> dict[str, float]:
    """Memory in use by all and by this process, where the system tells of it."""
    try:
        lines = (line.split() for line in machine.read_text().splitlines())
        kib = {words[0].rstrip(":"): float(words[1]) for words in lines}
        used, pages = kib["MemTotal"] - kib["MemAvailable"], float(own.read_text().split()[1])
    except (OSError, ValueError, IndexError, KeyError):
        return {}
    return {
        "system_memory_usage_megabytes": used * 1024 / MEGA,
        "system_memory_usage_percentage": 100 * used / kib["MemTotal"],
        "process_memory_megabytes": pages * os.sysconf("SC_PAGE_SIZE") / MEGA,
    }


def gpu(device: torch.device) -> dict[str, float]:
    """Use of a GPU by all processes, as far as its driver tells; no error of it stops training."""
    found: dict[str, float] = {}
    with contextlib.suppress(Exception):  # the bindings have classes of errors of their own
        free, total = torch.cuda.mem_get_info(device)
        found["gpu_0_memory_usage_megabytes"] = (total - free) / MEGA
        found["gpu_0_memory_usage_percentage"] = 100 * (total - free) / total
        found["gpu_0_utilization_percentage"] = float(torch.cuda.utilization(device))
        found["gpu_0_power_usage_watts"] = torch.cuda.power_draw(device) / 1000
    return found


def log_file() -> str:
    """The machine, and the file that this process's stderr goes to; "" if it goes to none."""
    try:
        path = os.readlink(STDERR)
    except OSError:
        return ""
    return f"{socket.gethostname()}:{path}" if path.startswith("/") else ""
