"""`fdsweep search`: tune on validation with some seeds, then compare on fresh ones.

A search is one Optuna study per method and direction (or per method, over its directions at once).
What it chose is evaluated beside the method's default as an ordinary study.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import filelock
import optuna

from orchestrator import study as studies
from orchestrator.cluster import connect
from orchestrator.estimate import Estimate, estimate
from orchestrator.plan import Cell, Plan, make_cells, make_plan
from orchestrator.progress import Progress, clock
from orchestrator.proposer import Goal, Point, Problem, Proposal, Proposer, check_trials, rungs
from orchestrator.record import Failure, Recorder
from orchestrator.search_record import PointRecorder, to_record
from orchestrator.study import Outcome, Study
from orchestrator.tracking import Tracker
from results import searches
from results.notes import spell_seeds
from results.searches import COST
from search_spaces.configs import Option, PointConfig, StudentConfig
from search_spaces.errors import ConfigError, ReplicateError, StorageError
from search_spaces.keys import content_key
from search_spaces.space import LR, Dimension, Space, check_names, default_point, dimensions
from search_spaces.sweep import Row, Sweep, override, validated
from trainers import data, distillers, teachers

OBJECTIVES = ("accuracy", "accuracy,cost", "directions", "directions,cost")
FIRST_FRESH = 100
"""Where a count of fresh seeds begins, far from the seeds of other studies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What is searched, and how.

    `options` are set for every method that has them, and not searched. `objective` is one of
    OBJECTIVES: accuracy in each direction by itself, or the accuracies of all directions at once;
    with cost, the Pareto front of accuracy and seconds per training epoch. `minutes` is the time
    after which no new trial begins. `trials` is the budget of each method in each direction.
    """

    space: Space
    methods: tuple[str, ...] = ("fd-cmkd",)
    options: Mapping[str, Option]
    trials: int = 20
    minutes: float | None = None
    sampler: str = "tpe"
    prune: bool = True
    objective: str = "accuracy"
    tuning_seeds: tuple[int, ...] = (0, 1)

    def __post_init__(self) -> None:
        check_trials(self.sampler, self.trials)
        if self.objective not in OBJECTIVES:
            fix = f"Choose from: {'; '.join(OBJECTIVES)}"
            raise ConfigError(f"unknown objective {self.objective!r}", "--objective", fix)
        if self.minutes is not None and self.minutes <= 0:
            raise ConfigError(f"{self.minutes} minutes", "--timeout", "Give more than 0")
        for name in set(self.options):
            if not any(_own(method, {name: None}) for method in self.methods):
                raise ConfigError("none of the methods has it", f"--{name}", "Leave it out")


@dataclass(frozen=True, kw_only=True)
class Search:
    """One study that is to be made: a method's, in the directions of its `cells`.

    The cells are those of the method's own defaults, without what was set for all.
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
        return tuple(f"{cell.teacher_modality}->{cell.student_modality}" for cell in self.cells)

    @property
    def words(self) -> str:
        """The search's words for people."""
        return f"{self.method}, {' and '.join(self.directions)}"

    def row(self, point: Point, name: str) -> Row:
        """A row of a study that trains `point`."""
        options = {option: value for option, value in point.items() if option != LR}
        lr = point.get(LR)
        return Row(
            name=name,
            method=self.method,
            options={**self.options, **options},
            lr=lr if isinstance(lr, float) else None,
            directions=self.directions,
        )


@dataclass(frozen=True, kw_only=True)
class SearchStudy:
    """Searches that are planned, with the study of the defaults on fresh seeds."""

    wish: Wish
    searches: tuple[Search, ...]
    defaults: Study
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the searches together: the data set, and six digits of what is searched."""
        digits = content_key(searches=[search.name for search in self.searches])[:6]
        return f"tuning-{self.wish.space.space}-{self.defaults.info.name}-{digits}"

    @property
    def prunes(self) -> bool:
        """Whether hopeless trials are stopped, which takes a single objective."""
        return self.wish.prune and self.wish.objective == "accuracy"

    def configs(self, search: Search, point: Point) -> tuple[StudentConfig, ...]:
        """What `point` trains in each direction of `search`."""
        sweep = self.defaults.sweep.model_copy(update={"rows": (search.row(point, "point"),)})
        checkpoints = {
            network.modality: network.pretrained
            for cell in search.cells
            for network in (cell.config.network, cell.config.teacher)
            if network and network.pretrained
        }
        sweep = sweep.model_copy(update={"directions": search.directions})
        return tuple(cell.config for cell in make_cells(sweep, self.defaults.info, checkpoints))


def base_sweep(wish: Wish) -> Sweep:
    """The study that a search ends with, before anything is chosen: each method's default."""
    rows = [{"name": f"{method}, default", "method": method} for method in wish.methods]
    content = {"study": "search", "title": f"{wish.space.title}: tuned and default", "rows": rows}
    return validated({**content, "seeds": fresh_seeds(8)}, "search")


def fresh_seeds(count: int) -> tuple[int, ...]:
    """`count` seeds that other studies do not use by default."""
    return tuple(range(FIRST_FRESH, FIRST_FRESH + count))


def prepare(wish: Wish, sweep: Sweep, **arguments: Any) -> SearchStudy:
    """Check everything that can be checked before Ray starts.

    Args:
        wish: what is searched.
        sweep: of `base_sweep`, with what the user says of data, epochs and fresh seeds.
        arguments: of `study.prepare`.

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    both = sorted(set(sweep.seeds) & set(wish.tuning_seeds))
    if both:
        what = f"seed {both[0]} is used for tuning, so it is not fresh"
        raise ConfigError(what, "--seeds, --tuning-seeds", "Give different ones")
    known = {
        option
        for method in {*distillers.names(), *wish.methods}
        for option in distillers.resolve_options(method, {})
    }
    check_names(wish.space, {LR, *known})
    study = studies.prepare(sweep, **arguments)
    if not study.store.is_local:
        what = "Optuna's SQLite file cannot lie in object storage"
        raise StorageError(what, study.store.root, "Give a folder as --storage")
    found = []
    for method in dict.fromkeys(wish.methods):
        cells = tuple(cell for cell in study.plan.cells if cell.row.method == method)
        groups = [cells] if "directions" in wish.objective else [(cell,) for cell in cells]
        found += [_search(wish, method, group) for group in groups]
    return SearchStudy(wish=wish, searches=tuple(found), defaults=study, arguments=arguments)


def describe(study: SearchStudy, cost: Estimate) -> str:
    """The plan in a few lines for a person."""
    wish, fresh = study.wish, study.defaults
    pruning = "pruning on" if study.prunes else "no pruning"
    lines = [
        f"{study.name}: {len(study.searches)} searches of {wish.trials} trials, sampler "
        f"{wish.sampler}, {pruning}, tuning seeds {spell_seeds(wish.tuning_seeds)}",
        *(
            f"  {search.words}: {', '.join(d.name for d in search.dimensions)}"
            for search in study.searches
        ),
        f"then default and chosen on the fresh seeds {spell_seeds(fresh.plan.seeds)}",
    ]
    if cost.seconds is not None:
        lines.append(
            f"training time at most {clock(cost.seconds)} with {cost.concurrent} trials at a time "
            f"({cost.basis}), less what is pruned or known; starting each trial comes on top"
        )
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
                "trials": study.wish.trials,
                "tuning_seeds": list(study.wish.tuning_seeds),
            }
            for search in study.searches
        ],
    }


def estimate_search(study: SearchStudy) -> Estimate:
    """What everything takes if nothing is pruned and nothing is known."""
    fresh, tuning = study.defaults, _tuning_plan(study)
    everything = replace(
        fresh.plan,
        teachers=(*tuning.teachers, *fresh.plan.teachers),
        students=(*tuning.students * study.wish.trials, *fresh.plan.students * 2),
    )
    rows = fresh.store.replicates()
    return estimate(everything, fresh.request, fresh.dataset, rows[rows["status"] == "done"])


def run(study: SearchStudy) -> Outcome:
    """Search, evaluate what was chosen on fresh seeds, and report.

    Raises:
        ClusterError: the devices asked for are not there.
        ReplicateError: no trial of a search was completed, or its teacher failed.
        StorageError: another driver has the same search.
    """
    root = study.defaults.store.root
    with _alone(root, study.searches):
        lanes = _lanes(study)
        tags = {"fdsweep.study": "tuning", "fdsweep.dataset": study.defaults.info.name}
        with Tracker(root, study.name, tags) as tracker:
            failures = _tune(study, lanes, tracker)
            found = [_recorded(study, *pair) for pair in zip(study.searches, lanes, strict=True)]
            evaluation = _evaluation(study, found)
            searches.save(evaluation.store, evaluation.plan.sweep, found)
            outcome = studies.run(evaluation)
            numbers = {search.name: best for search in found if (best := _best(search)) is not None}
            tracker.finish({}, numbers, outcome.pictures)
    return replace(outcome, failures=(*failures, *outcome.failures))


def _tune(study: SearchStudy, lanes: Sequence[Any], tracker: Tracker) -> tuple[Failure, ...]:
    """Run the searches as far as their budget goes; the trials that failed."""
    wish, fresh = study.wish, study.defaults
    if all(lane.proposer.is_done for lane in lanes):
        return ()
    allotment = connect(fresh.request)
    from orchestrator.run import run_plan
    from orchestrator.searcher import run_lanes

    plan = replace(_tuning_plan(study), students=())
    recorder = Recorder(fresh.sweep, plan, fresh.store, tracker, Progress(plan.left))
    if plan.left:
        with recorder.progress:
            run_plan(plan, allotment, fresh.store.root, recorder)
    if recorder.failures:
        worst = recorder.failures[0]
        raise ReplicateError(
            f"a teacher failed ({worst.error})", f"{worst.name}, seed {worst.seed}", worst.log
        )
    words = {lane.proposer.name: s.words for lane, s in zip(lanes, study.searches, strict=True)}
    observer = PointRecorder(
        words, [lane.proposer for lane in lanes], fresh.store, tracker, study.name
    )
    deadline = None if wish.minutes is None else time.monotonic() + 60 * wish.minutes
    with observer.progress:
        run_lanes(lanes, allotment, fresh.store.root, observer, deadline)
    return tuple(observer.failures)


def _search(wish: Wish, method: str, cells: tuple[Cell, ...]) -> Search:
    options = _own(method, wish.options)
    resolved = distillers.resolve_options(method, options)
    distillers.specimen(method, resolved)  # refuses values out of range before Ray starts
    lr = cells[0].config.network.optim.lr
    defaults = {**resolved, LR: lr}
    dims = dimensions(wish.space, method, defaults)
    digits = content_key(
        dimensions=dims,
        constraints=[constraint.text for constraint in wish.space.constraints],
        keys=[cell.key for cell in cells],
        options=options,
        seeds=wish.tuning_seeds,
        objective=wish.objective,
    )[:8]
    modalities = "-".join(cells[0].config.modalities[::-1] if len(cells) == 1 else ("both",))
    name = f"{wish.space.space}-{method}-{cells[0].config.network.dataset}-{modalities}-{digits}"
    return Search(
        name=name,
        method=method,
        cells=cells,
        options=options,
        defaults=defaults,
        dimensions=dims,
    )


def _own(method: str, options: Mapping[str, Option]) -> dict[str, Option]:
    """Those of `options` that `method` has, as it spells them."""
    return {
        option: options[short]
        for option in distillers.resolve_options(method, {})
        if (short := option.rpartition(".")[2]) in options
    }


def _lanes(study: SearchStudy) -> list[Any]:
    from orchestrator.searcher import Lane

    wish, root = study.wish, study.defaults.store.root
    storage = optuna.storages.RDBStorage(f"sqlite:///{root}/optuna.db")
    with_cost = "cost" in wish.objective

    def lane(search: Search) -> Lane:
        def key_of(point: Point) -> str:
            return content_key(
                keys=[c.key for c in study.configs(search, point)], seeds=wish.tuning_seeds
            )

        def look_up(point: Point) -> tuple[float, ...] | None:
            return None if with_cost else _known(study, study.configs(search, point))

        def make_point(proposal: Proposal) -> PointConfig:
            return PointConfig(
                key=proposal.key,
                configs=study.configs(search, proposal.point),
                seeds=wish.tuning_seeds,
                rungs=steps,
                storage=root,
                loading=study.arguments["loading"],
            )

        def objectives(metrics: dict[str, Any]) -> tuple[float, ...]:
            values: list[float] = metrics["values"]
            replicates = len(values) * len(wish.tuning_seeds)
            cost = metrics["seconds"] / metrics["epoch"] / replicates
            return (*values, cost) if with_cost else tuple(values)

        accuracies = len(search.cells)
        goals: tuple[Goal, ...] = tuple("maximize" for _ in range(accuracies))
        if with_cost:
            goals = (*goals, "minimize")
        epochs = search.cells[0].config.network.optim.epochs
        steps = rungs(epochs) if study.prunes else ()
        problem = Problem(
            dimensions=search.dimensions,
            constraints=wish.space.constraints,
            defaults=search.defaults,
            objectives=goals,
            rungs=steps,
            key_of=key_of,
            look_up=look_up,
        )
        proposer = Proposer(storage, search.name, problem, wish.trials, wish.sampler)
        return Lane(proposer, make_point, objectives)

    return [lane(search) for search in study.searches]


def _known(study: SearchStudy, configs: Sequence[StudentConfig]) -> tuple[float, ...] | None:
    """Mean validation accuracy of each configuration, if replicates of all seeds are stored."""
    rows = study.defaults.store.replicates({config.key for config in configs})
    rows = rows[(rows["status"] == "done") & rows["seed"].isin(study.wish.tuning_seeds)]
    known = dict(list(rows.groupby("key")["val_accuracy"]))
    if any(len(known.get(config.key, ())) < len(study.wish.tuning_seeds) for config in configs):
        return None
    return tuple(float(known[config.key].mean()) for config in configs)


def _tuning_plan(study: SearchStudy) -> Plan:
    """The teachers that the tuning seeds need, and a full trial of each default."""
    fresh = study.defaults
    sweep = fresh.sweep.model_copy(update={"seeds": study.wish.tuning_seeds})
    return make_plan(
        sweep,
        fresh.plan.cells,
        finished=set(),
        missing_teachers=lambda key, seeds: teachers.missing(fresh.store.root, key, seeds),
        storage=fresh.store.root,
        loading=study.arguments["loading"],
    )


def _recorded(study: SearchStudy, search: Search, lane: Any) -> searches.Search:
    wish = study.wish
    single = len(search.cells) == 1
    accuracies = ("accuracy",) if single else tuple(f"accuracy {d}" for d in search.directions)
    record = to_record(
        lane.proposer,
        space=wish.space.space,
        method=search.method,
        dataset=study.defaults.info.name,
        directions=search.directions,
        objectives=(*accuracies, COST) if "cost" in wish.objective else accuracies,
        seeds=wish.tuning_seeds,
        epochs=search.cells[0].config.network.optim.epochs,
        default=0 if default_point(search.dimensions) and not search.options else None,
    )
    if record.chosen is None:
        states = ", ".join(f"{n} {state}" for state, n in searches.counts(record).items())
        fix = "Give more --trials or another --space"
        raise ReplicateError(
            f"no trial was completed ({states or 'none begun'})", search.words, fix
        )
    return replace(record, notes=tuple(_notes(study, record)))


def _notes(study: SearchStudy, record: searches.Search) -> Iterator[str]:
    if record.chosen == record.default:
        yield "No trial was better than the default."
    share = seen(
        study.defaults.dataset,
        study.defaults.plan.cells[0].config.modalities,
        study.wish.tuning_seeds,
        study.defaults.sweep.seeds,
    )
    if share:
        yield (
            f"Splits differ between seeds: {100 * share:.0f} % of the fresh seeds' test samples "
            "were trained or validated on with a tuning seed, so the choice is not quite blind."
        )


def seen(
    dataset: data.Dataset,
    modalities: Sequence[str],
    tuning: Sequence[int],
    fresh: Sequence[int],
) -> float:
    """Share of the `fresh` seeds' test samples that training or validation of `tuning` holds."""
    fold_of = dataset.folds(tuple(modalities))
    used: set[int] = set()
    for seed in tuning:
        fold = fold_of(seed)
        used.update(fold.train.tolist(), fold.val.tolist())
    return fmean(i in used for seed in fresh for i in fold_of(seed).test.tolist())


def _evaluation(study: SearchStudy, found: Sequence[searches.Search]) -> Study:
    """The study that compares each method's default with what was chosen."""
    base = study.defaults.sweep
    rows: list[Row] = []
    for default in base.rows:
        rows.append(default)
        for search, record in zip(study.searches, found, strict=True):
            chosen = searches.find(record, record.chosen)
            if search.method == default.method and chosen:
                rows.append(search.row(chosen.params, f"{search.method}, tuned"))
    sweep = override(base, rows=[row.model_dump() for row in rows])
    return studies.prepare(sweep, **study.arguments)


def _best(search: searches.Search) -> float | None:
    chosen = searches.find(search, search.chosen)
    return chosen.values[0] if chosen else None


@contextlib.contextmanager
def _alone(root: str, found: Sequence[Search]) -> Iterator[None]:
    """Hold every search's lock; the system lets go of it when a driver dies.

    Raises:
        StorageError: another driver holds one.
    """
    folder = Path(root, "locks")
    folder.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        for search in found:
            lock = filelock.FileLock(folder / f"{search.name}.lock", timeout=0)
            try:
                stack.enter_context(lock)
            except filelock.Timeout:
                what = f"another process is running the search {search.name}"
                raise StorageError(what, root, "Wait for it, or stop it") from None
        yield
