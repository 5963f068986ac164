"""Batches read and decoded side by side, given in the order in which they were asked for."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

AHEAD = 4
"""Batches that are read before they are needed."""


@dataclass(frozen=True, slots=True)
class Task:
    """A batch to read: rows [B], and for training views the numbers that choose a frame [B]."""

    rows: NDArray[np.int64]
    chosen: NDArray[np.float32] | None = None


Batch = dict[str, NDArray[Any]]


def read_ahead(load: Callable[[Task], Batch], tasks: list[Task]) -> Iterator[Batch]:
    """What `load` gives for each task, in their order, AHEAD of them at a time.

    Reading Parquet and decoding JPEG both leave Python's lock, so threads do; and unlike tasks of a
    cluster they need no core that the running trials do not have already.
    """
    with ThreadPoolExecutor(min(AHEAD, os.cpu_count() or 1)) as pool:
        rest = iter(tasks)
        waiting: deque[Future[Batch]] = deque(pool.submit(load, t) for t in islice(rest, AHEAD))
        while waiting:
            batch = waiting.popleft().result()
            for task in islice(rest, 1):
                waiting.append(pool.submit(load, task))
            yield batch
