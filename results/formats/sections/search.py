"""The searches' part of a report: what was tried, what was chosen, what that cost."""

from collections.abc import Iterable, Iterator

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.compute.tables import TO_PERCENT
from fdsweep.results.compute.words import of_metric
from fdsweep.results.formats.sections.grid import NOTHING, Grid, Section, spell_time
from fdsweep.results.records import searches
from fdsweep.results.records.searches import Search, SearchTrial
from fdsweep.search_spaces.configs import Option


def search_section(search: Search) -> Section:
    """`search` as text: the chosen configuration, the Pareto front, and sentences."""
    grids = (_chosen_grid(search), _front_grid(search))
    return Section(
        title=f"Search: {search.method}, {', '.join(search.directions)} ({search.space})",
        level=3,
        grids=tuple(grid for grid in grids if grid),
        notes=(*_notes(search), *search.notes),
    )


def _chosen_grid(search: Search) -> Grid | None:
    """The chosen configuration beside the default, a line per parameter; None without one."""
    chosen, default = searches.find(search, search.chosen), searches.default_trial(search)
    if chosen is None:
        return None
    columns = {"default": default, "chosen": chosen}
    if default is chosen:
        columns = {"default, chosen": chosen}
    there = {heading: trial for heading, trial in columns.items() if trial is not None}
    trials = list(there.values())
    options = [
        (name, *(spell_option(trial.params.get(name, NOTHING)) for trial in trials))
        for name in _parameters(search, trials)
    ]
    reached = [
        (_heading(objective), *(_objective(objective, trial.values[place]) for trial in trials))
        for place, objective in enumerate(search.objectives)
    ]
    return Grid(
        title="",
        headings=("Parameter", *there),
        words=(True, *(False for _ in there)),
        lines=(*options, *reached),
    )


def _front_grid(search: Search) -> Grid | None:
    """The trials on the Pareto front, the best by the first objective first; None without one."""
    trials = [trial for trial in (searches.find(search, n) for n in search.front) if trial]
    if not trials:
        return None
    trials.sort(key=lambda trial: (-trial.values[0], trial.number))
    names = _parameters(search, trials)
    headings = ("Pareto front: trial", *names, *map(_heading, search.objectives))
    lines = []
    for trial in trials:
        chosen = " (chosen)" if trial.number == search.chosen else ""
        options = (spell_option(trial.params.get(name, NOTHING)) for name in names)
        values = map(_objective, search.objectives, trial.values)
        lines.append((f"{trial.number}{chosen}", *options, *values))
    return Grid(title="", headings=headings, words=(False,) * len(headings), lines=tuple(lines))


def _notes(search: Search) -> Iterator[str]:
    n = len(search.trials)
    states = [f"{count} {state}" for state, count in searches.counts(search).items()]
    answered = searches.answered(search)
    said = ", ".join(states) or "none yet"
    untrained = f"; {answered} answered without training" if answered else ""
    yield f"{n} of {search.asked} trials: {said}{untrained}."
    yield (
        f"Trained: {searches.epochs_trained(search):,} of the {searches.full_epochs(search):,} "
        f"epochs of {n} full trials, in {spell_time(searches.seconds_trained(search))}. "
        f"Sampler: {search.sampler}. Pruning: {'on' if search.prunes else 'off'}."
    )
    cost = ", and training time per epoch" if searches.COST in search.objectives else ""
    scores = [objective for objective in search.objectives if objective != searches.COST]
    each = " of each direction" if len(scores) > 1 else ""
    score = of_metric(searches.metric(search)).name
    yield (
        f"Objective: mean validation {score}{each} over the tuning seeds "
        f"{spell_seeds(search.seeds)}{cost}. The search never reads test."
    )
    if search.chosen is not None:
        yield (
            "The choice is made on validation, whose numbers here are optimistic for that reason; "
            "what it is worth stands in the table above."
        )
    if search.infeasible:
        yield (
            f"Points outside the constraints: {search.infeasible}, neither trained nor counted as "
            "trials."
        )
    if search.importances:
        ranked = sorted(search.importances.items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{name} {share:.2f}" for name, share in ranked)
        yield f"Importance for the {score} {searches.compared_at(search)} (PED-ANOVA): {shares}."


def spell_option(value: Option) -> str:
    """An option's value for people: three digits, words as in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def _parameters(search: Search, trials: Iterable[SearchTrial]) -> list[str]:
    """Names that at least one of `trials` has, in the order of the space."""
    used = {name for trial in trials for name in trial.params}
    known = [dimension.name for dimension in search.dimensions if dimension.name in used]
    return [*known, *sorted(used.difference(known))]


def _heading(objective: str) -> str:
    if objective == searches.COST:
        return "Training time per epoch [s]"
    metric, space, direction = objective.partition(" ")
    return f"Validation {of_metric(metric).name}{space}{direction} [%]"


def _objective(objective: str, value: float) -> str:
    return f"{value:.3g}" if objective == searches.COST else f"{value * TO_PERCENT:.1f}"
