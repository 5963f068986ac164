"""How a plan's trials share the devices: into how many they are split, and which come first."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from fdsweep.orchestrator.execution.devices.schedule import longest_first, seeds_per_trial
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.trials import Plan, TrialConfig

if TYPE_CHECKING:
    import pandas as pd


def group_name(seeds: tuple[int, ...]) -> str:
    """The name of `seeds` that were planned together."""
    return f"{seeds[0]}-{content_key(seeds=seeds)[:6]}"


def shared_out(plan: Plan, store: Store, places: int, given: int | None = None) -> Plan:
    """`plan` for so many `places`, trials at the same time: split, and the longest trials first.

    `given` is how many seeds share a trial; by default as many as leave no place idle at the end.
    """
    count = len(plan.seeds)
    begun = set() if given else {name.split("/")[2] for name in store.listing(layout.RAY_TRAIN)}
    found = split(plan, lambda cells: given or seeds_per_trial(cells, count, places), begun)
    rows = store.replicates()
    dataset = plan.cells[0].config.network.dataset
    pace = paces(rows[(rows["status"] == "done") & (rows["dataset"] == dataset)])
    return replace(
        found,
        teachers=tuple(longest_first(found.teachers, pace)),
        students=tuple(longest_first(found.students, pace)),
    )


def paces(done: "pd.DataFrame") -> Callable[[TrialConfig], float]:
    """Seconds of an epoch of any trial from those that are `done`; 1 where none is.

    `done` are rows of `results/` of the trial's data set. A method of which none is done is taken
    to be as fast as the others are on average.
    """
    found = (done["wall_seconds"] / done["epochs"]).groupby(done["method"]).median()
    known = {str(method): float(seconds) for method, seconds in found.items()}
    usual = fmean(known.values()) if known else 1.0
    return lambda trial: known.get(trial.config.method, usual)


def split(plan: Plan, size: Callable[[int], int], begun: Collection[str] = ()) -> Plan:
    """`plan` with those trials that hold all seeds of a cell split into ones of fewer seeds.

    Args:
        plan: as `make_plan` gives it.
        size: how many seeds share a trial, given how many cells or teachers there are in all.
        begun: names of trials that were interrupted: as they were split they stay.
    """
    teachers = {key for cell in plan.cells for key in cell.config.trained_teachers}
    students = {cell.key for cell in plan.cells}

    def parts(trials: Sequence[TrialConfig], count: int) -> tuple[TrialConfig, ...]:
        for wanted in range(len(plan.seeds), 0, -1) if begun else ():
            found = _parts(trials, plan.seeds, wanted)
            if any(train_name(one) in begun for one in found):
                return found
        return _parts(trials, plan.seeds, size(count)) if trials else ()

    return replace(
        plan,
        teachers=parts(plan.teachers, len(teachers)),
        students=parts(plan.students, len(students)),
    )


def _parts(
    trials: Sequence[TrialConfig], seeds: tuple[int, ...], size: int
) -> tuple[TrialConfig, ...]:
    """`trials`, those of all `seeds` split where every `size` of them end."""
    groups = [seeds[i : i + size] for i in range(0, len(seeds), size)]
    found: list[TrialConfig] = []
    for trial in trials:
        if trial.group != group_name(seeds):
            found.append(trial)
            continue
        found += (
            replace(trial, seeds=left, group=group_name(group))
            for group in groups
            if (left := tuple(seed for seed in group if seed in trial.seeds))
        )
    return tuple(found)
