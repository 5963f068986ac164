"""What is measured beside a study, without a trace in this process."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")


def alone(device: torch.device, measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `measure` gives for its arguments where it computes on `device`.

    That is one thread of a CPU. A GPU is used by a process of its own, whose end gives back all
    that it took.
    """
    if device.type != "cpu":
        return apart(measure, *args, **kwargs)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure(*args, **kwargs)
    finally:
        torch.set_num_threads(threads)


def apart(measure: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `measure` gives for its arguments in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, *args, **kwargs).result()
