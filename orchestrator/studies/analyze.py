"""`fdsweep analyze`: how alike the features of two modalities' teachers are, beside controls."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fdsweep.orchestrator.execution.cluster import connect, local_device
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.estimate import Estimate
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.studies.study import Study
from fdsweep.orchestrator.tracking.progress import Progress, clock
from fdsweep.orchestrator.tracking.recorder import Failure, Recorder
from fdsweep.orchestrator.tracking.tracker import Tracker, open_tracker
from fdsweep.results import plots
from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.formats import analysis as analysis_text
from fdsweep.results.plots import similarity as analysis_plots
from fdsweep.results.records import analyses
from fdsweep.results.records.store import Store
from fdsweep.results.records.teachers import test_score
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.sweep import Sweep, validated
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import teachers
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.features import similarity
from fdsweep.trainers.features.similarity import DRAWS, ORDERS, QUANTITIES, Estimates, Sums
from fdsweep.trainers.frequency import last_low_bin
from fdsweep.trainers.loaders import evaluated_views

STAGES = (analyses.BEFORE, analyses.AFTER)
CUTOFF = "cutoff"
"""fd-cmkd's option; the sweep's only row holds it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, the teachers that failed in this invocation, and new picture files."""

    analysis: analyses.Analysis
    failures: tuple[Failure, ...]
    pictures: Mapping[str, bytes]

    def to_json(self) -> dict[str, Any]:
        """The record's document with `failures` beside it."""
        failures = [asdict(item) for item in self.failures]
        return {**analyses.to_json(self.analysis), "failures": failures}

    def to_markdown(self) -> str:
        """The record's tables and notes."""
        return analysis_text.to_markdown(self.analysis)


def base_sweep(cutoff: float = 0.5) -> Sweep:
    """What an analysis is of, before the user says more: teachers as a study's, 8 seeds.

    `cutoff` cuts the bins into the low and the high band.
    """
    row = {"name": "teachers", "method": "fd-cmkd", "options": {CUTOFF: cutoff}}
    return validated({"study": "analysis", "title": "Analysis", "rows": [row]}, "analyze")


def prepare(sweep: Sweep, options: StudyOptions) -> Study:
    """Check everything that can be checked before Ray starts, and plan the missing teachers.

    Both modalities of a direction are looked at, whichever way it points.

    Args:
        sweep: of `base_sweep`, with what the user says of data, networks, epochs and seeds.
        options: where and how teachers are trained.

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    study = studies.prepare(sweep, options)
    pairs = {_pair(direction) for direction in study.info.directions(sweep.directions)}
    both = tuple(str(one) for one in study.info.directions() if _pair(one) in pairs)
    if set(both) != set(sweep.directions or both):
        study = studies.prepare(sweep.model_copy(update={"directions": both}), options)
    plan = studies.plan_missing(study.sweep, study.plan.cells, study.store, options)
    configs = _looked_at(plan.cells)
    for pair in _pairs(plan.cells):
        similarity.check_widths(*(_fresh(study, configs[name]).dim for name in pair))
    total = len(configs) * len(plan.seeds)
    done = total - sum(len(trial.seeds) for trial in plan.teachers)
    return replace(study, plan=replace(plan, students=(), total=total, done=done))


def describe(study: Study, cost: Estimate) -> str:
    """The plan in a line or two for a person."""
    plan = study.plan
    names = " and ".join(_looked_at(plan.cells))
    lines = [
        f"{plan.sweep}: features of {names} on the test splits of {len(plan.seeds)} seeds; "
        f"{plan.done} of {plan.total} teachers are there, {plan.left} left in "
        f"{len(plan.teachers)} trials"
    ]
    if plan.left and cost.seconds is not None:
        lines.append(
            f"training time about {clock(cost.seconds)} with {cost.concurrent} trials at a time "
            f"({cost.basis}); starting each trial comes on top"
        )
    return "\n".join(lines)


def run(study: Study) -> Outcome:
    """Train the teachers that are missing, compare the features of all, and keep what was found.

    Ray is started only if a teacher is missing. Seeds that lost a teacher are left out.

    Raises:
        ClusterError: the devices asked for are not there.
        ConfigError: networks of different widths.
        ReplicateError: no seed has all its teachers.
    """
    plan, store = study.plan, study.store
    tags = {"fdsweep.study": study.sweep.study, "fdsweep.dataset": study.info.name}
    with open_tracker(store.root, plan.sweep, tags) as tracker:
        recorder = Recorder(study.sweep, plan, store, tracker, Progress(plan.left))
        if plan.left:
            resources = connect(study.options.request)
            from fdsweep.orchestrator.execution.stages import run_plan

            with recorder.progress:
                run_plan(plan, resources, store.root, recorder)
        found = analysis(study, seeds_with_teachers(study, recorder.failures))
        pictures = _keep(store, found, tracker)
    return Outcome(found, tuple(recorder.failures), pictures)


def _keep(store: Store, found: analyses.Analysis, tracker: Tracker) -> dict[str, bytes]:
    """Write the record and its pictures, unless they would be those that are there."""
    if analyses.exists(store, found.name) and analyses.load(store, found.name) == found:
        return {}
    pictures = plots.render(analysis_plots.spectrum(found))
    plots.save(store, found.name, pictures)
    analyses.save(store, found)
    tracker.finish(
        {"analysis.md": analysis_text.to_markdown(found)}, analyses.numbers(found), pictures
    )
    return pictures


def analysis(study: Study, seeds: Sequence[int]) -> analyses.Analysis:
    """The record of `study` from the stored teachers of `seeds`, computed in this process.

    Raises:
        ConfigError: networks of different widths.
        DataError: the data cannot be read, or a teacher is gone.
    """
    plan, info = study.plan, study.info
    configs = _looked_at(plan.cells)
    kinds = [(*pair, stage) for pair in _pairs(plan.cells) for stage in STAGES]
    cutoff = _cutoff(study.sweep)
    fold_of = study.dataset.folds(tuple(configs))
    sums: dict[tuple[str, str, str], list[Sums]] = {kind: [] for kind in kinds}
    for seed, other in zip(seeds, [*seeds[1:], seeds[0]], strict=True):
        fold = fold_of(seed)
        groups = [fold.groups[i] for i in fold.test.tolist()]
        own = {name: _features(study, config, fold, seed) for name, config in configs.items()}
        others = {
            name: _features(study, configs[name], fold, other)
            for name in {second for _, second, _ in kinds}
            if other != seed
        }
        for first, second, stage in kinds:
            stranger = others[second][stage] if others else None
            pair = own[first][stage], own[second][stage]
            part = similarity.measure(*pair, stranger, groups, seed, cutoff)
            sums[first, second, stage].append(part)
    return analyses.Analysis(
        name=plan.sweep,
        dataset=info.name,
        data_fingerprint=info.fingerprint,
        seeds=tuple(seeds),
        epochs=plan.cells[0].config.network.optim.epochs,
        cutoff=cutoff,
        orders=ORDERS,
        draws=DRAWS,
        teachers=tuple(
            _teacher(study.store, config, seed) for config in configs.values() for seed in seeds
        ),
        comparisons=tuple(
            _comparison(study, kind, similarity.pool(parts), cutoff) for kind, parts in sums.items()
        ),
        notes=tuple(_notes(study, seeds)),
    )


def _looked_at(cells: Sequence[Cell]) -> dict[str, StudentConfig]:
    """Each teaching modality -> the configuration of one of its students."""
    return {cell.direction.teacher: cell.config for cell in cells}


def _pairs(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Modalities that stand in a cell together, each pair once."""
    asked = {frozenset(cell.config.modalities) for cell in cells}
    pairs = itertools.combinations(_looked_at(cells), 2)
    return [pair for pair in pairs if frozenset(pair) in asked]


def _pair(direction: Direction) -> frozenset[str]:
    return frozenset((*direction.teachers, direction.student))


def _cutoff(sweep: Sweep) -> float:
    cutoff = sweep.rows[0].options[CUTOFF]
    assert isinstance(cutoff, float)
    return cutoff


def seeds_with_teachers(study: Study, failures: Sequence[Failure]) -> tuple[int, ...]:
    """Those of the plan's seeds for which every modality's teacher is in the storage."""
    seeds = study.plan.seeds
    missing = {
        seed
        for config in _looked_at(study.plan.cells).values()
        for key in config.teacher_keys
        for seed in teachers.missing(study.store.root, key, seeds)
    }
    if missing.issuperset(seeds):
        worst = failures[0]
        raise ReplicateError(
            f"no seed has all its teachers ({worst.error})",
            f"{worst.name}, seed {worst.seed}",
            worst.log,
        )
    return tuple(sorted(set(seeds) - missing))


@torch.inference_mode()
def _features(study: Study, config: StudentConfig, fold: Fold, seed: int) -> dict[str, Tensor]:
    """Stage -> features [N, D] of the teacher of `config` on the test split."""
    (teacher,) = config.teachers
    loaded = teachers.load(teacher, config, study.info, seed, study.store.root)
    device = local_device(study.options.request)
    network = Runtime.here(device).place(loaded)
    inputs = fold.inputs[teacher.modality].to(device)
    found: dict[str, list[Tensor]] = {stage: [] for stage in STAGES}
    for own in evaluated_views(inputs, fold.test):
        outputs = network(own)
        found[analyses.BEFORE].append(outputs.features)
        found[analyses.AFTER].append(outputs.embedding())
    return {stage: torch.cat(parts) for stage, parts in found.items()}


def _teacher(store: Store, config: StudentConfig, seed: int) -> analyses.Teacher:
    (teacher,) = config.teachers
    return analyses.Teacher(
        modality=teacher.modality,
        seed=seed,
        key=teacher.teacher_key,
        test_accuracy=test_score(store, teacher.teacher_key, seed),
    )


def _comparison(
    study: Study, kind: tuple[str, str, str], sums: Sums, cutoff: float
) -> analyses.Comparison:
    first, second, stage = kind
    summary = similarity.summarise(sums)
    paired, shuffled, permuted, excess = (
        _estimates(one)
        for one in (summary.paired, summary.shuffled, summary.permuted, summary.excess)
    )
    other_start = None if summary.other_start is None else _estimates(summary.other_start)
    energy = tuple(summary.energy.tolist())
    count = len(QUANTITIES)
    return analyses.Comparison(
        first=first,
        second=second,
        stage=stage,
        dim=sums.dim,
        last_low_bin=last_low_bin(sums.dim, cutoff),
        samples=summary.samples,
        groups=summary.groups,
        same_start=_same_start(study, first, second),
        quantities=tuple(
            analyses.Quantity(
                name=name,
                energy=energy[i],
                paired=paired[i],
                shuffled=shuffled[i],
                permuted=permuted[i],
                other_start=None if other_start is None else other_start[i],
                excess=excess[i],
            )
            for i, name in enumerate(QUANTITIES)
        ),
        spectrum=analyses.Spectrum(
            energy=energy[count:],
            paired=paired[count:],
            shuffled=shuffled[count:],
            permuted=permuted[count:],
            other_start=None if other_start is None else other_start[count:],
        ),
    )


def _estimates(found: Estimates) -> tuple[analyses.Estimate, ...]:
    """One for each column of `found`."""
    columns = zip(*(ends.tolist() for ends in found), strict=True)
    return tuple(
        analyses.Estimate(mean=mean, low=_known(low), high=_known(high))
        for mean, low, high in columns
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _same_start(study: Study, first: str, second: str) -> float:
    """Share of the weights of `second` that are those of `first` before training, for one seed."""
    configs = _looked_at(study.plan.cells)
    ours = dict(_fresh(study, configs[first]).named_parameters())
    theirs = _fresh(study, configs[second]).named_parameters()
    drawn = {name: weight for name, weight in theirs if weight.ndim > 1}
    same = sum(
        weight.numel()
        for name, weight in drawn.items()
        if name in ours and torch.equal(ours[name], weight)
    )
    return same / sum(weight.numel() for weight in drawn.values())


def _fresh(study: Study, config: StudentConfig) -> Backbone:
    """The teacher of `config` before training, for the first seed."""
    untrained = replace(config, teacher_state="random")
    seed, root = study.plan.seeds[0], study.store.root
    return teachers.load(config.teachers[0], untrained, study.info, seed, root)


def _notes(study: Study, seeds: Sequence[int]) -> Iterator[str]:
    lost = sorted(set(study.plan.seeds) - set(seeds))
    if lost:
        yield f"Seeds {spell_seeds(lost)} are left out: a teacher failed."
    yield from study.info.notes
