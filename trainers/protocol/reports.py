"""What workers report through Tune, as `trainers.worker` spells it; Tune puts more beside it."""

from typing import Any, NotRequired, TypedDict, final


@final
class Outcome(TypedDict):
    """What `run_replicate` returns, with the `seconds` of training beside it.

    Scores are fractions, of the task's `metric`. `curves` are (epoch, split, metric, value), `kept`
    columns of the test split.
    """

    epochs: int
    best_epoch: int
    best_head: str
    best_score: float
    metric: str
    val_score: float | None
    test_score: float
    test_score_last: float
    test_score_best: float
    kept: dict[str, list[Any]]
    curves: list[tuple[int, str, str, float]]
    device: str
    environment: str
    seconds: float


class PointOutcome(TypedDict):
    """What a search's point showed: a description of each replicate."""

    replicates: list[dict[str, Any]]


@final
class Broken(TypedDict):
    """In place of an outcome: the replicate or the point failed."""

    error: str
    traceback: str


@final
class EpochReport(TypedDict):
    """An epoch of a replicate; `score` is that of the split that chooses, named by `split`.

    `curves` are those of the `Outcome` for this epoch alone, `usage` (name, value) what
    `trials.usage` measured now and then, `log` where the worker's log is, "" if nobody knows.
    """

    seed: int
    epoch: int
    epochs: int
    loss: float
    split: str
    score: float
    curves: list[tuple[int, str, str, float]]
    usage: list[tuple[str, float]]
    log: str


@final
class EndReport(TypedDict):
    """The end of a replicate: its `Outcome`, or why it is `Broken`, as JSON text."""

    seed: int
    outcome: str


@final
class PointReport(TypedDict):
    """An epoch of a search's point, with a value for each of its configurations.

    `seconds` are of training, so far; `usage` and `log` are as of an `EpochReport`. The last epoch
    has the `PointOutcome` as JSON text.
    """

    epoch: int
    epochs: int
    values: list[float]
    seconds: float
    usage: list[tuple[str, float]]
    log: str
    outcome: NotRequired[str]


@final
class PointFailure(TypedDict):
    """The point is `Broken`, as JSON text says."""

    outcome: str
