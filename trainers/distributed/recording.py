"""Computations on a GPU that are recorded once and played for batch after batch.

Python asks for a step operation by operation, and a GPU is done with a small network's before the
next one comes. A recording (a CUDA graph) is asked for at once: the same kernels in the same order,
and so the same bits.

It reads and writes memory of its own, to which what it is given is copied. Whatever Python decides
stands still in it: it is good for what is the same operations on other numbers alone, and for those
who say so (`same_steps`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

Found = TypeVar("Found")

RECORDS = True
"""Whether anything is recorded; the bits are the same without."""


def recordable(device: torch.device, workers: int, *parts: object) -> bool:
    """Whether what `parts`, networks and methods, compute on `device` can be recorded.

    Several workers talk to each other in between, which is not.
    """
    is_same = all(getattr(part, "same_steps", False) for part in parts)
    return RECORDS and device.type == "cuda" and workers == 1 and is_same


class Recorder:
    """Has a computation recorded when it is asked for again, and plays it from then on.

    Args:
        parameters: those with which it leaves gradients.
    """

    def __init__(self, parameters: Iterable[nn.Parameter] = ()) -> None:
        self.parameters = [x for x in parameters if x.requires_grad]
        self.recording: Recording[Any] | None = None
        self.shapes: list[torch.Size] = []
        self.decided: object = None
        self.is_true = False

    def expect(self, decided: object) -> None:
        """What is recorded is true as long as this, which Python decides, stays equal."""
        self.is_true = self.is_true and decided == self.decided
        self.decided = decided

    def __call__(
        self, compute: Callable[[Sequence[Tensor]], Found], given: Sequence[Tensor]
    ) -> Found:
        """What `compute(given)` gives; it is lost with the next recording that is played.

        The first call of all only computes: libraries prepare themselves in it. So does what is
        given tensors of other shapes than that.
        """
        shapes = [x.shape for x in given]
        if shapes != self.shapes:
            self.shapes = self.shapes or shapes
            return compute(given)
        if self.recording is None or not self.is_true:
            self.recording = Recording(compute, given, self.parameters)
            self.is_true = True
        found: Found = self.recording.play(given)
        return found


class Recording(Generic[Found]):
    """What `compute(given)` does, recorded.

    All recordings that live share their memory, as no two are played at the same time.
    """

    living: ClassVar[WeakSet["Recording[Any]"]] = WeakSet()

    def __init__(
        self,
        compute: Callable[[Sequence[Tensor]], Found],
        given: Sequence[Tensor],
        parameters: Sequence[nn.Parameter],
    ) -> None:
        self.parameters = parameters
        self.given = [torch.empty_like(x) for x in given]
        self.graph = torch.cuda.CUDAGraph()
        pool = next((other.graph.pool() for other in Recording.living), None)
        here, apart = torch.cuda.current_stream(), torch.cuda.Stream()
        for parameter in parameters:
            parameter.grad = None
        apart.wait_stream(here)
        with torch.cuda.stream(apart):
            self.graph.capture_begin(pool, capture_error_mode="thread_local")
            try:
                self.found = compute(self.given)
            finally:
                self.graph.capture_end()
        here.wait_stream(apart)
        self.gradients = [parameter.grad for parameter in parameters]
        Recording.living.add(self)

    def play(self, given: Sequence[Tensor]) -> Found:
        """What it finds for tensors like those; the gradients are with the parameters."""
        torch._foreach_copy_(self.given, list(given))
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.found
