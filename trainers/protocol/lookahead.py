"""Where the gradient of a bilevel method is taken: at a copy of the student that moved ahead."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fdsweep.trainers.distillers import InnerStep
from fdsweep.trainers.features.outputs import Outputs


@contextmanager
def ahead(
    steps: tuple[InnerStep, ...],
    student: nn.Module,
    outputs: Callable[[], Outputs],
    teachers: tuple[Outputs, ...],
    labels: Tensor,
    lr: float,
) -> Iterator[dict[str, Tensor]]:
    """Inside, the student's parameters stand where the inner `steps` lead; after, where they were.

    A backward pass inside leaves its gradient with the student, so that the optimiser applies the
    copy's gradient to the student itself. Parameters of the method collect the gradients of the
    inner losses as well. The running statistics of batch normalisation see the batch once, as
    the student itself does, before it moves.

    Args:
        steps: in their order; without any, nothing happens.
        student: the network itself.
        outputs: runs the student on the whole batch.
        teachers: their outputs for the batch; a step sees one of them.
        labels: [N].
        lr: learning rate that the steps' rates multiply.

    Yields:
        The value of each inner loss when it is first taken.
    """
    head = list(student.get_submodule("classifier").parameters())
    parameters = [x for x in student.parameters() if x.requires_grad]
    start = [x.detach().clone() for x in parameters] if steps else []
    statistics: list[Tensor] = []
    losses: dict[str, Tensor] = {}
    for step in steps:
        seen = outputs()
        statistics = statistics or [x.clone() for x in student.buffers()]
        loss = step.loss(seen, teachers[step.teacher], labels)
        losses.setdefault(step.name, loss.detach())
        # every parameter takes part, as workers that average gradients expect
        (step.weight * loss + 0 * (seen.features.sum() + seen.logits.sum())).backward()
        moving = head if step.head_only else parameters
        with torch.no_grad():
            for x in moving:
                assert x.grad is not None
                x.sub_(x.grad, alpha=lr * step.rate)
        student.zero_grad()
    yield losses
    with torch.no_grad():
        for moved, value in zip(parameters, start, strict=False):
            moved.copy_(value)
        for buffer, value in zip(student.buffers(), statistics, strict=False):
            buffer.copy_(value)
