"""Things read and decoded side by side, given in the order in which they were asked for."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")

MIN_AHEAD = 4
"""Results that are always read before they are needed, however large they are."""


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
