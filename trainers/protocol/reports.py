"""What workers report through Tune, as `trainers.worker` spells it; Tune puts more beside it."""

from typing import Any, NotRequired, TypedDict, final

Outcome = dict[str, Any]
"""What `run_replicate` returns, with `seconds` beside it."""


@final
class Broken(TypedDict):
    """In place of an outcome: the replicate or the point failed."""

    error: str
    traceback: str


@final
class EpochReport(TypedDict):
    """An epoch of a replicate."""

    seed: int
    epoch: int
    epochs: int
    loss: float
    val_score: float


@final
class EndReport(TypedDict):
    """The end of a replicate: its `Outcome`, or why it is `Broken`, as JSON text."""

    seed: int
    outcome: str


@final
class PointReport(TypedDict):
    """An epoch of a search's point, with a value for each of its configurations.

    `seconds` are of training, so far. The last epoch has the point's outcome as JSON text.
    """

    epoch: int
    epochs: int
    values: list[float]
    seconds: float
    outcome: NotRequired[str]


@final
class PointFailure(TypedDict):
    """The point is `Broken`, as JSON text says."""

    outcome: str
