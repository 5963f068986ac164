"""How many trials fit on the nodes of a cluster. Pure functions.

Ray gives a worker a part of one GPU, never parts of several, and a trial's workers stand on one
node unless they may be spread: whole numbers are counted GPU by GPU and node by node.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

ROUNDING = 1e-9

HEADROOM = 2.0
"""Of memory that a few steps took: data that a worker keeps on its GPU, and longer evaluations."""

MOST_ON_A_GPU = 16
"""Trials beyond which nothing was measured: on an H200 more of the smallest networks still paid."""

WORTH_A_WORD = 0.05
"""Of a GPU: less may stay idle in silence."""


class Node(NamedTuple):
    """The cores and GPUs of a node."""

    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Shape:
    """What a trial takes: `workers` of one core each and `gpus_per_worker`, 0 to 1 of a GPU.

    The workers stand on one node unless they are `spread`.
    """

    workers: int
    gpus_per_worker: float
    spread: bool = False

    @property
    def per_worker(self) -> dict[str, float]:
        """What a worker takes, as Ray has it."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker else {}
        return {"CPU": 1.0, **gpus}

    @property
    def strategy(self) -> str:
        """Ray's word for where the workers stand."""
        return "SPREAD" if self.spread else "STRICT_PACK"

    def bundles(self, trials: int) -> list[dict[str, float]]:
        """What so many trials take, as a cluster's autoscaler has it: what stays on one node."""
        if self.spread:
            return [self.per_worker] * (trials * self.workers)
        return [{kind: self.workers * n for kind, n in self.per_worker.items()}] * trials

    @property
    def devices(self) -> float:
        """GPUs that a trial takes, or cores if it takes none."""
        return self.workers * (self.gpus_per_worker or 1.0)

    @property
    def per_gpu(self) -> int:
        """How many workers share a GPU."""
        return int(1 / self.gpus_per_worker + ROUNDING)

    def fitting(self, nodes: Sequence[Node], most_gpus: float = math.inf) -> int:
        """How many trials fit on `nodes` at the same time, on at most so many of their GPUs."""
        places = [self._places(node) for node in nodes]
        fits = sum(places) // self.workers
        if not self.spread:
            fits = sum(one // self.workers for one in places)
        return min(fits, self.in_gpus(most_gpus)) if self.gpus_per_worker else fits

    def in_gpus(self, gpus: float) -> int:
        """How many trials so many GPUs are enough for, wherever they are."""
        return int(min(gpus, 2**31)) * self.per_gpu // self.workers

    def gpus_of(self, trials: int) -> int:
        """How many GPUs so many trials are on."""
        return math.ceil(trials * self.workers / self.per_gpu)

    def _places(self, node: Node) -> int:
        """How many workers fit on a node."""
        cores = int(node.cpus)
        return min(cores, int(node.gpus) * self.per_gpu) if self.gpus_per_worker else cores


def on_a_gpu(*, nbytes: int, room: int, busy: float, cores: int, trials: int) -> tuple[int, str]:
    """How many trials may share a GPU, 1 at least, and what is the limit.

    Args:
        nbytes: of a GPU's memory that the largest trial takes.
        room: bytes of it that there are for all.
        busy: share of its time, above 0 to 1, in which it computes for the busiest trial: kernels
            of several processes take turns.
        cores: for each GPU; a trial takes one.
        trials: for each GPU; with more places than that, another GPU would stay idle.
    """
    limits = {
        "its memory": int(room / (HEADROOM * nbytes)),
        "its time": int(1 / busy + ROUNDING),
        "cores": cores,
        "trials that are left": trials,
        f"{MOST_ON_A_GPU}, as more were never measured": MOST_ON_A_GPU,
    }
    least = min(limits, key=limits.__getitem__)
    return max(1, limits[least]), least


def part(trials: int) -> float:
    """The part of a GPU of each of so many trials, which Ray rounds to 1/10,000."""
    return math.floor(10_000 / trials) / 10_000


def idle(shape: Shape, nodes: Sequence[Node], most_gpus: float = math.inf) -> str:
    """Which GPUs no trial will be on, and why, in a sentence; "" if that is none."""
    if not shape.gpus_per_worker:
        return ""
    present = int(min(most_gpus, _gpus(nodes)))
    unused = present - shape.gpus_of(shape.fitting(nodes, most_gpus))
    if unused > 0:
        place = "" if shape.spread or len(nodes) == 1 else " of one node"
        takes = f"{count(shape.workers, 'core')} and {count(shape.devices, 'GPU')}{place}"
        return f"{unused} of {count(present, 'GPU')} stay idle: a trial takes {takes}"
    rest = 1 - shape.per_gpu * shape.gpus_per_worker
    if rest >= WORTH_A_WORD:
        return f"{rest:.2g} of each GPU stays idle: a trial takes {shape.devices:g} of one GPU"
    return ""


def lack(shape: Shape, nodes: Sequence[Node], trials: int) -> str:
    """What is missing for so many `trials` at a time: "8 GPUs, 5 are there"; "" if nothing is.

    Where not even one trial fits, what that needs is named.
    """
    fits = shape.fitting(nodes)
    if fits >= trials:
        return ""
    if not fits and not shape.spread and shape.workers > 1:
        return _node_lacks(shape, nodes)
    asked = trials if fits else 1
    gpus, cores = (shape.gpus_of(asked) if shape.gpus_per_worker else 0), asked * shape.workers
    for number, there, unit in ((gpus, _gpus(nodes), "GPU"), (cores, _cores(nodes), "core")):
        if number > there:
            return f"{count(number, unit)}, {_are(there)} there"
    return f"room for {trials} trials at a time, there is room for {fits}"


def _node_lacks(shape: Shape, nodes: Sequence[Node]) -> str:
    """What no node has that all workers of a trial need together."""
    gpus = shape.gpus_of(1) if shape.gpus_per_worker else 0
    most_gpus = max((int(node.gpus) for node in nodes), default=0)
    most_cores = max((int(node.cpus) for node in nodes), default=0)
    lacks, most = (gpus, most_gpus) if gpus > most_gpus else (shape.workers, most_cores)
    unit = "GPU" if gpus > most_gpus else "core"
    return f"a node with {count(lacks, unit)}, the largest has {most} (or give --spread)"


def _gpus(nodes: Sequence[Node]) -> int:
    return sum(int(node.gpus) for node in nodes)


def _cores(nodes: Sequence[Node]) -> int:
    return sum(int(node.cpus) for node in nodes)


def count(number: float, unit: str) -> str:
    """`number` of a thing: 1 GPU, 2 GPUs."""
    return f"{number:g} {unit}" if number == 1 else f"{number:g} {unit}s"


def _are(number: int) -> str:
    return f"{number} is" if number == 1 else f"{number} are"
