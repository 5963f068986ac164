"""What a replicate has shown: its curves, and the epoch and head that validation chose."""

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions [N, ...] of every head on one split, and each head's metrics by name."""

    predictions: dict[str, Tensor]
    metrics: dict[str, dict[str, float]]

    def scores(self, metric: str) -> dict[str, float]:
        """The value of `metric` for every head."""
        return {head: values[metric] for head, values in self.metrics.items()}


@dataclass(slots=True)
class History:
    """What one replicate has shown so far; scores are the values of the task's `metric`.

    `curves` holds (epoch, split, metric, value). The best epoch and head are those of the highest
    score, `best_score`, on the split that chooses: validation, or test where no validation split is
    held out; the earlier one where two are equal. `val_score` is None without validation. `kept`
    are the columns that the task keeps of the test split there. `test_score_last` is the last
    epoch's, with the head that is preferred there, and `test_score_best` the highest of any epoch
    and head: optimistic, for comparison only.
    """

    metric: str
    epochs: int = 0
    best_epoch: int = -1
    best_head: str = ""
    best_score: float = -1.0
    val_score: float | None = None
    test_score: float = 0.0
    test_score_last: float = 0.0
    test_score_best: float = 0.0
    kept: dict[str, list[Any]] = field(default_factory=dict)
    curves: list[tuple[int, str, str, float]] = field(default_factory=list)

    def add(
        self, measures: dict[str, float], val: Evaluation | None, test: Evaluation | None
    ) -> bool:
        """Append an epoch with its `measures` of training; True if it is the best so far.

        One of the splits may be missing (None). Without validation, test chooses; without test,
        what is said of test stays as it was.
        """
        chooses = val or test
        assert chooses is not None
        epoch = self.epochs
        self.epochs += 1
        scores = chooses.scores(self.metric)
        head = max(scores, key=scores.__getitem__)
        self.curves += [(epoch, "train", name, value) for name, value in measures.items()]
        best = scores[head] > self.best_score
        if best:
            self.best_epoch, self.best_head, self.best_score = epoch, head, scores[head]
        if val is not None:
            self._add_curves(epoch, "val", val, head)
            self.val_score = self.best_score
        if test is not None:
            self._add_curves(epoch, "test", test, head)
            self._add_test(test.scores(self.metric), head, best)
        return best

    def _add_curves(self, epoch: int, split: str, evaluation: Evaluation, head: str) -> None:
        """Each metric of the preferred `head`, and of all where there are several."""
        for metric, value in evaluation.metrics[head].items():
            self.curves.append((epoch, split, metric, value))
            if len(evaluation.metrics) > 1:
                self.curves += [
                    (epoch, split, f"{metric}_{name}", x)
                    for name, x in evaluation.scores(metric).items()
                ]

    def _add_test(self, scores: dict[str, float], head: str, best: bool) -> None:
        self.test_score_last = scores[head]
        self.test_score_best = max(self.test_score_best, *scores.values())
        if best:
            self.test_score = scores[head]
