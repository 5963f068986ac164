"""Steps on a GPU, recorded at the first batch of an epoch and played for the others.

Python asks for a step operation by operation, and a GPU is done with a small network's before the
next one comes. A recording (a CUDA graph) is asked for at once: the same kernels in the same order,
and so the same bits.

It reads and writes memory of its own, to which what it is given is copied. Whatever Python decides
stands still in it: it is good for steps alone that are the same operations on other numbers.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar
from weakref import WeakSet

import torch
from torch import Tensor, nn

Compute = Callable[[Sequence[Tensor]], dict[str, Tensor]]
"""From what a step is given to its losses; gradients are left with the parameters."""

MIN_STEPS = 8
"""Of an epoch: to record one takes longer than to ask for it."""


class Recorder:
    """Has a step recorded once an epoch, and plays it.

    Args:
        parameters: those whose gradients a step leaves.
    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.parameters = [x for x in parameters if x.requires_grad]
        self.recording: Recording | None = None
        self.is_warm = self.is_current = False

    def begin(self) -> None:
        """A new epoch: what was recorded is no longer true."""
        self.is_current = False

    def __call__(self, compute: Compute, given: Sequence[Tensor]) -> dict[str, Tensor]:
        """What `compute(given)` gives and leaves; all calls of an epoch have the same shapes.

        The first call of all only computes: libraries prepare themselves in it.
        """
        if not self.is_warm:
            self.is_warm = True
            return compute(given)
        if self.recording is None or not self.is_current:
            self.recording = Recording(compute, given, self.parameters)
            self.is_current = True
        return self.recording.play(given)


class Recording:
    """A step recorded.

    All that live share their memory: what one found and left is lost when another is played.
    """

    living: ClassVar[WeakSet["Recording"]] = WeakSet()

    def __init__(
        self, compute: Compute, given: Sequence[Tensor], parameters: Sequence[nn.Parameter]
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

    def play(self, given: Sequence[Tensor]) -> dict[str, Tensor]:
        """Losses of the step that is `given` this; the gradients are with the parameters."""
        torch._foreach_copy_(self.given, list(given))
        self.graph.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient
        return self.found
