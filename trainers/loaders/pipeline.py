"""Things read and decoded side by side, given in the order in which they were asked for."""

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")

MIN_AHEAD = 4
"""Results that are always read before they are needed, however large they are."""


@dataclass(slots=True)
class _Share:
    """`cores` are this process's part of those that its trial shares with others."""

    cores: float


_SHARE = _Share(math.inf)


def share_cores(cores: int) -> None:
    """Read and decode on so many cores at most from now on."""
    _SHARE.cores = cores


def usable_cores() -> int:
    """Cores that this process may use, beside the trials that run at the same time."""
    knows = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    here = len(os.sched_getaffinity(0)) if knows else os.cpu_count() or 1
    return int(min(here, _SHARE.cores))


def depth(cores: int, result_bytes: int, budget: int) -> int:
    """How many results to read ahead: two per core, as far as `budget` bytes hold them."""
    return max(MIN_AHEAD, min(2 * cores, budget // result_bytes))


def read_ahead(
    load: Callable[[Request], Result], requests: Sequence[Request], ahead: int, threads: int
) -> Iterator[Result]:
    """What `load` gives for each request, in their order, `ahead` of them at a time.

    Reading Parquet and decoding JPEG both leave Python's lock, so threads do; and unlike tasks of a
    cluster they need no core that the running trials do not have already.
    """
    with ThreadPoolExecutor(min(threads, ahead)) as pool:
        rest = iter(requests)
        waiting: deque[Future[Result]] = deque(pool.submit(load, x) for x in islice(rest, ahead))
        while waiting:
            result = waiting.popleft().result()
            for request in islice(rest, 1):
                waiting.append(pool.submit(load, request))
            yield result
