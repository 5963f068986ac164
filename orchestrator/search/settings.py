"""What a search is and what it will cost, before anything is trained."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fdsweep.orchestrator.search import pruners
from fdsweep.orchestrator.search.optuna_study import Point, check_trials
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.estimate import Estimate, estimate
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.orchestrator.studies.study import Study
from fdsweep.orchestrator.studies.suited import for_task, options_without_classes
from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.records.searches import name_together
from fdsweep.search_spaces.configs import Option, StudentConfig
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import (
    LR,
    TEACHER_WEIGHT,
    Dimension,
    Space,
    check_names,
    default_point,
    dimensions,
)
from fdsweep.search_spaces.sweep import Row, Sweep, validated
from fdsweep.search_spaces.trials import Cell, Plan
from fdsweep.trainers import distillers, tasks

SCORE, DIRECTIONS, COST = "score", "directions", "cost"
OBJECTIVES = (SCORE, f"{SCORE},{COST}", DIRECTIONS, f"{DIRECTIONS},{COST}")
FIRST_FRESH = 100
"""Where a count of fresh seeds begins, far from the seeds of other studies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """What is searched, and how.

    `options` are set for every method that has them, and not searched. `objective` is one of
    OBJECTIVES: the score in each direction by itself, or the scores of all directions at once;
    with cost, the Pareto front of scores and seconds per training epoch. The name of the data
    set's metric may stand for "score", as it does once a search is planned. `minutes` is the time
    after which no new trial begins. `trials` is the budget of each method in each direction.
    `pruner` stops hopeless trials where there is a single objective. `aa` adds an A/A row to the
    study on fresh seeds that a search ends with.

    Raises:
        ConfigError: a value that cannot be used.
    """

    space: Space
    methods: tuple[str, ...] = ("fd-cmkd",)
    options: Mapping[str, Option]
    trials: int = 20
    minutes: float | None = None
    sampler: str = "tpe"
    pruner: str = pruners.DEFAULT
    objective: str = SCORE
    tuning_seeds: tuple[int, ...] = (0, 1)
    aa: bool = False

    def __post_init__(self) -> None:
        check_trials(self.sampler, self.trials)
        if self.pruner not in pruners.PRUNERS:
            raise unknown("pruner", self.pruner, pruners.PRUNERS, "--pruner")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise ConfigError(f"{self.minutes} minutes", "--timeout", "Give more than 0")
        for name in set(self.options):
            if not any(_own(method, {name: None}) for method in self.methods):
                raise ConfigError("none of the methods has it", f"--{name}", "Leave it out")


@dataclass(frozen=True, kw_only=True)
class PlannedSearch:
    """One study that is to be made: a method's, in the directions of its `cells`.

    The cells are those of the method's defaults on these data, without what was set for all;
    `options` are what both set.
    """

    name: str
    method: str
    cells: tuple[Cell, ...]
    options: Mapping[str, Option]
    defaults: Mapping[str, Option]
    dimensions: tuple[Dimension, ...]

    @property
    def directions(self) -> tuple[str, ...]:
        """Such as "audio->visual"."""
        return tuple(str(cell.direction) for cell in self.cells)

    @property
    def starts_at_default(self) -> bool:
        """Whether the first trial is the method's default: it lies in the space as it is."""
        is_own = dict(self.options) == dict(self.cells[0].row.options)
        return is_own and default_point(self.dimensions) is not None

    @property
    def words(self) -> str:
        """The search's words for people."""
        return f"{self.method}, {' and '.join(self.directions)}"

    def row(self, point: Point, name: str) -> Row:
        """A row of a study that trains `point`."""
        weights = _weights(point)
        options = {
            option: value
            for option, value in point.items()
            if option != LR and not option.startswith(TEACHER_WEIGHT)
        }
        lr = point.get(LR)
        return Row(
            name=name,
            method=self.method,
            options={**self.options, **options},
            lr=lr if isinstance(lr, float) else None,
            teacher_weights={**_weights(self.defaults), **weights} if weights else {},
            directions=self.directions,
        )


@dataclass(frozen=True, kw_only=True)
class SearchStudy:
    """Searches that are planned, with the study of the defaults on fresh seeds."""

    settings: SearchSettings
    searches: tuple[PlannedSearch, ...]
    defaults: Study

    @property
    def name(self) -> str:
        """Of the searches together: the data set, and six digits of what is searched."""
        names = [search.name for search in self.searches]
        return name_together(self.settings.space.space, self.defaults.info.name, names)

    @property
    def metric(self) -> str:
        """What scores are."""
        return tasks.metric(self.defaults.info.task)

    @property
    def pruner(self) -> str:
        """What stops hopeless trials; nothing where there are several objectives."""
        return self.settings.pruner if self.settings.objective == self.metric else pruners.NONE

    @property
    def with_cost(self) -> bool:
        """Whether seconds per training epoch are an objective too."""
        return COST in self.settings.objective

    def configs(self, search: PlannedSearch, point: Point) -> tuple[StudentConfig, ...]:
        """What `point` trains in each direction of `search`."""
        sweep = self.defaults.sweep.model_copy(update={"rows": (search.row(point, "point"),)})
        checkpoints = {
            network.modality: network.pretrained
            for cell in search.cells
            for network in (cell.config.network, *cell.config.teachers)
            if network and network.pretrained
        }
        sweep = sweep.model_copy(update={"directions": search.directions})
        return tuple(cell.config for cell in make_cells(sweep, self.defaults.info, checkpoints))


def base_sweep(settings: SearchSettings) -> Sweep:
    """The study that a search ends with, before anything is chosen: each method's default."""
    rows = [{"name": f"{method}, default", "method": method} for method in settings.methods]
    content = {
        "study": "search",
        "title": f"{settings.space.title}: tuned and default",
        "rows": rows,
    }
    return validated({**content, "seeds": fresh_seeds(8)}, "search")


def fresh_seeds(count: int) -> tuple[int, ...]:
    """`count` seeds that other studies do not use by default."""
    return tuple(range(FIRST_FRESH, FIRST_FRESH + count))


def prepare(settings: SearchSettings, sweep: Sweep, options: StudyOptions) -> SearchStudy:
    """Check everything that can be checked before Ray starts.

    Args:
        settings: what is searched.
        sweep: of `base_sweep`, with what the user says of data, epochs and fresh seeds.
        options: where and how it is trained.

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    if sweep.protocol != "ours":
        what = "a search chooses on validation, and the published protocol holds none out"
        raise ConfigError(what, "--protocol", "Leave it out")
    if sweep.teachers:
        what = "a search trains the teachers of its own seeds"
        raise ConfigError(what, "--teacher", "Leave it out")
    both = sorted(set(sweep.seeds) & set(settings.tuning_seeds))
    if both:
        what = f"seed {both[0]} is used for tuning, so it is not fresh"
        raise ConfigError(what, "--seeds, --tuning-seeds", "Give different ones")
    known = {
        option
        for method in {*distillers.names(), *settings.methods}
        for option in distillers.resolve_options(method, {})
    }
    dataset = studies.find_dataset(sweep, options)
    study = studies.prepare(for_task(sweep, dataset.info), options, dataset)
    teachers = {f"{TEACHER_WEIGHT}{modality.name}" for modality in study.info.modalities}
    check_names(settings.space, {LR, *known, *teachers})
    settings = replace(settings, objective=_named(settings.objective, study))
    found = []
    for method in dict.fromkeys(settings.methods):
        cells = tuple(cell for cell in study.plan.cells if cell.row.method == method)
        groups = [cells] if DIRECTIONS in settings.objective else [(cell,) for cell in cells]
        found += [_search(settings, method, group, sweep.teacher_weights) for group in groups]
    return _fitted(SearchStudy(settings=settings, searches=tuple(found), defaults=study))


def _fitted(study: SearchStudy) -> SearchStudy:
    """`study` with the GPUs of a trial chosen by a probe, where that is asked for.

    A point's replicates, of all directions that it is scored in, take turns in one process.
    """
    settings, defaults = study.settings, study.defaults
    if defaults.options.request.gpus_per_trial != "auto":
        return study
    cells = len(defaults.plan.cells) if DIRECTIONS in settings.objective else 1
    points = settings.trials * len(study.searches)
    held = cells * len(settings.tuning_seeds)
    fit = studies.fitted(defaults, tuning_plan(study), trials=points, held=held)
    return replace(study, defaults=fit)


def describe(study: SearchStudy, cost: Estimate) -> str:
    """The plan in a few lines for a person."""
    settings, fresh = study.settings, study.defaults
    pruning = "no pruning" if study.pruner == pruners.NONE else "pruning on"
    lines = [
        f"{study.name}: {len(study.searches)} searches of {settings.trials} trials, sampler "
        f"{settings.sampler}, {pruning}, tuning seeds {spell_seeds(settings.tuning_seeds)}",
        *(
            f"  {search.words}: {', '.join(d.name for d in search.dimensions)}"
            for search in study.searches
        ),
        f"then default and chosen on the fresh seeds {spell_seeds(fresh.plan.seeds)}",
    ]
    if cost.seconds is not None:
        lines.append(f"{cost.words('at most')}, less what is pruned or known")
    if fresh.fit:
        lines.append(fresh.fit)
    return "\n".join([*lines, studies.power(len(fresh.plan.seeds), cost)])


def plan_json(study: SearchStudy, cost: Estimate) -> dict[str, Any]:
    """The plan as a document: the searches, and the study of the defaults on fresh seeds."""
    return {
        **studies.plan_json(study.defaults, cost),
        "searches": [
            {
                "name": search.name,
                "method": search.method,
                "directions": list(search.directions),
                "dimensions": [dimension.name for dimension in search.dimensions],
                "trials": study.settings.trials,
                "tuning_seeds": list(study.settings.tuning_seeds),
            }
            for search in study.searches
        ],
    }


def estimate_search(study: SearchStudy) -> Estimate:
    """What everything takes if nothing is pruned and nothing is known."""
    fresh, tuning = study.defaults, tuning_plan(study)
    everything = replace(
        fresh.plan,
        teachers=(*tuning.teachers, *fresh.plan.teachers),
        students=(*tuning.students * study.settings.trials, *fresh.plan.students * 2),
    )
    rows = fresh.store.replicates()
    return estimate(
        everything, fresh.options.request, fresh.dataset, rows[rows["status"] == "done"]
    )


def tuning_plan(study: SearchStudy) -> Plan:
    """The teachers that the tuning seeds need, and a full trial of each default."""
    fresh = study.defaults
    sweep = fresh.sweep.model_copy(update={"seeds": study.settings.tuning_seeds})
    return studies.plan_missing(sweep, fresh.plan.cells, fresh.store, fresh.options)


def _named(objective: str, study: Study) -> str:
    """`objective` with the name of the data set's metric for "score"; ConfigError for another."""
    metric = tasks.metric(study.info.task)
    named = {one.replace(SCORE, metric) for one in OBJECTIVES}
    found = objective if objective in named else objective.replace(SCORE, metric)
    if found not in named:
        what = f"no objective {objective!r} for {study.info.name}, whose score is {metric}"
        choices = dict.fromkeys((*OBJECTIVES, *sorted(named)))
        raise ConfigError(what, "--objective", f"Choose from: {'; '.join(choices)}")
    return found


def _search(
    settings: SearchSettings,
    method: str,
    cells: tuple[Cell, ...],
    teacher_weights: Mapping[str, float],
) -> PlannedSearch:
    options = {**cells[0].row.options, **_own(method, settings.options)}
    resolved = distillers.resolve_options(method, options)
    distillers.specimen(method, resolved)  # refuses values out of range before Ray starts
    lr = cells[0].config.network.optim.lr
    defaults = {**resolved, **_of_teachers(cells, teacher_weights), LR: lr}
    needed = options_without_classes(method) if _has_no_classes(cells) else {}
    dims = dimensions(settings.space, method, defaults, needed)
    digits = content_key(
        dimensions=dims,
        constraints=[constraint.text for constraint in settings.space.constraints],
        keys=[cell.key for cell in cells],
        options=options,
        seeds=settings.tuning_seeds,
        objective=settings.objective,
    )[:8]
    modalities = "-".join(cells[0].config.modalities[::-1] if len(cells) == 1 else ("both",))
    name = (
        f"{settings.space.space}-{method}-{cells[0].config.network.dataset}-{modalities}-{digits}"
    )
    return PlannedSearch(
        name=name,
        method=method,
        cells=cells,
        options=options,
        defaults=defaults,
        dimensions=dims,
    )


def _has_no_classes(cells: tuple[Cell, ...]) -> bool:
    return tasks.find(cells[0].config.network.task).aligns


def _own(method: str, options: Mapping[str, Option]) -> dict[str, Option]:
    """Those of `options` that `method` has, as it spells them."""
    return {
        option: options[short]
        for option in distillers.resolve_options(method, {})
        if (short := option.rpartition(".")[2]) in options
    }


def _of_teachers(cells: tuple[Cell, ...], given: Mapping[str, float]) -> dict[str, Option]:
    """The weight of each teacher where several teach in a direction of `cells`; 1 unless `given`.

    A method that takes them all at once weighs them by options of its own.
    """
    method = distillers.specimen(cells[0].config.method, cells[0].config.options)
    if all(len(cell.config.teachers) <= method.max_teachers for cell in cells):
        return {}
    names = dict.fromkeys(teacher.modality for cell in cells for teacher in cell.config.teachers)
    return {f"{TEACHER_WEIGHT}{name}": given.get(name, 1.0) for name in names}


def _weights(values: Mapping[str, Option]) -> dict[str, float]:
    """The weights of teachers among `values`, by modality."""
    return {
        name.removeprefix(TEACHER_WEIGHT): value
        for name, value in values.items()
        if name.startswith(TEACHER_WEIGHT) and isinstance(value, float)
    }
