"""What a search leaves behind: which points it tried, what became of them, which one it chose.

Kept beside the sweep that evaluates the chosen points, at `reports/<sweep>/searches.json`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import model_validator

from fdsweep.results.records.record_file import RecordFile
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.records import Record

COST = "cost"
"""The objective that is minimised: seconds per training epoch. All others are scores."""

State = Literal["complete", "pruned", "failed", "running"]
Source = Literal["trained", "results", "repeated"]


class Dimension(Record):
    """What one parameter could be: from `low` to `high`, or one of `choices`.

    A range has no choices, and choices have no bounds (None). `log` says that the range was
    searched on a logarithmic scale.
    """

    name: str
    low: float | None
    high: float | None
    log: bool
    choices: tuple[Option, ...]


class SearchTrial(Record):
    """One point of a search and what it gave.

    `values` has one number per objective, and none unless the trial is complete. `reached` is the
    first objective at the last epoch that was trained, None if there was none. `epochs` are
    counted once for all tuning seeds and directions, `seconds` are of training. `source` says
    whether the values were trained for, read from stored replicates ("results"), or taken from
    another trial of the same search ("repeated").

    Raises:
        ValueError: an unknown state or source, values where there are none to be had or none
            where there must be, or a number that is not finite.
    """

    number: int
    state: State
    values: tuple[float, ...]
    reached: float | None
    params: dict[str, Option]
    epochs: int
    seconds: float
    source: Source
    error: str = ""

    @model_validator(mode="after")
    def _is_possible(self) -> "SearchTrial":
        if bool(self.values) != (self.state == "complete"):
            raise ValueError(f"trial {self.number} is {self.state} with values {self.values}")
        reached = () if self.reached is None else (self.reached,)
        if not all(map(math.isfinite, (*self.values, *reached, self.seconds))):
            raise ValueError(f"trial {self.number} has a number that is not finite")
        return self


class Search(Record):
    """A search over a method's options in one direction, or in several at once.

    `directions` are written "a->b". The first of the `objectives` is a score, called by its metric:
    "accuracy", or "accuracy a->b" where there are several directions; a fraction of 0..1,
    maximised, the mean over the tuning `seeds` on validation. "cost" is in seconds per training
    epoch, minimised. `epochs` is the length of a full trial, `asked` the number of trials asked
    for; points outside the constraints (`infeasible`) are neither trained nor counted as trials.
    `chosen` is the number of the trial that was evaluated, `default` that of the method's own
    defaults, where these lie in the space and come first; `front` holds the numbers on the Pareto
    front and is empty for one objective. `importances` may be empty; they compare trials after
    `importance_epoch`, or at the end for 0.

    Raises:
        ValueError: the first objective is no score, a trial has another number of values than
            there are objectives, or two trials have the same number.
    """

    name: str
    space: str
    method: str
    dataset: str
    directions: tuple[str, ...]
    objectives: tuple[str, ...]
    sampler: str
    prunes: bool
    seeds: tuple[int, ...]
    epochs: int
    asked: int
    dimensions: tuple[Dimension, ...]
    importances: dict[str, float]
    trials: tuple[SearchTrial, ...]
    chosen: int | None
    front: tuple[int, ...]
    infeasible: int
    notes: tuple[str, ...] = ()
    default: int | None = 0
    importance_epoch: int = 0

    @model_validator(mode="after")
    def _is_possible(self) -> "Search":
        if not self.objectives or self.objectives[0] == COST:
            raise ValueError(f"objectives {self.objectives} do not begin with a score")
        if any(len(trial.values) not in (0, len(self.objectives)) for trial in self.trials):
            raise ValueError(f"a trial has not {len(self.objectives)} values")
        if len({trial.number for trial in self.trials}) < len(self.trials):
            raise ValueError("two trials have the same number")
        return self


class Searches(Record):
    """All searches whose choices a sweep evaluates."""

    searches: tuple[Search, ...]


SCHEMA, FIX = "fdsweep.searches/1", "Run the search again"
FILE = RecordFile("searches.json", Searches, SCHEMA, "record of searches", FIX)


def name_together(space: str, dataset: str, names: Sequence[str]) -> str:
    """Of searches that are run together: the data set, and six digits of what is searched."""
    return f"tuning-{space}-{dataset}-{content_key(searches=list(names))[:6]}"


def save(store: Store, sweep: str, searches: Sequence[Search]) -> None:
    """Write the `searches` of `sweep`, in place of what was there.

    Raises:
        StorageError: they cannot be written.
    """
    FILE.save(store, sweep, Searches(searches=tuple(searches)))


def load(store: Store, sweep: str) -> tuple[Search, ...]:
    """The searches of `sweep` as they were saved; none if it is not from a search.

    A damaged file is set aside, and there are none.

    Raises:
        StorageError: their file is of another version.
    """
    found = FILE.find(store, sweep)
    return found.searches if found else ()


def plain(search: Search) -> dict[str, Any]:
    """`search` in JSON types."""
    return search.model_dump(mode="json")


def metric(search: Search) -> str:
    """What the scores of `search` are."""
    return search.objectives[0].partition(" ")[0]


def by_number(search: Search) -> tuple[SearchTrial, ...]:
    """The trials in the order of their numbers."""
    return tuple(sorted(search.trials, key=lambda trial: trial.number))


def find(search: Search, number: int | None) -> SearchTrial | None:
    """The complete trial called `number`, None if there is none."""
    found = (trial for trial in search.trials if trial.number == number and trial.values)
    return next(found, None)


def default_trial(search: Search) -> SearchTrial | None:
    """The complete trial of the method's own defaults, None if there is none."""
    trial = find(search, search.default)
    return trial if trial and trial.params else None


def counts(search: Search) -> dict[State, int]:
    """How many trials are in each state that occurs, complete ones first."""
    found = Counter(trial.state for trial in search.trials)
    return {state: found[state] for state in get_args(State) if found[state]}


def answered(search: Search) -> int:
    """How many trials got their values without training."""
    return sum(trial.source != "trained" for trial in search.trials)


def compared_at(search: Search) -> str:
    """When trials are compared for their importances, in words."""
    return f"after epoch {search.importance_epoch}" if search.importance_epoch else "at the end"


def epochs_trained(search: Search) -> int:
    """Epochs that all trials together were trained for."""
    return sum(trial.epochs for trial in search.trials)


def full_epochs(search: Search) -> int:
    """Epochs that as many trials would take if each were trained to its end."""
    return len(search.trials) * search.epochs


def seconds_trained(search: Search) -> float:
    """Seconds of training of all trials together."""
    return sum(trial.seconds for trial in search.trials)


def best_so_far(search: Search) -> dict[int, float]:
    """Number of each complete trial, in order -> highest first objective up to and with it."""
    best: dict[int, float] = {}
    highest = -math.inf
    for trial in by_number(search):
        if trial.values:
            highest = max(highest, trial.values[0])
            best[trial.number] = highest
    return best
