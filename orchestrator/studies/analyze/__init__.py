"""`fdsweep analyze`: how alike the features of two modalities' networks are.

Those of teachers, over all seeds, band by band and beside controls; those of a teacher and its
student, of one seed, in a plane, before distillation and after.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.models.size import keeping
from fdsweep.orchestrator.studies import study as studies
from fdsweep.orchestrator.studies.analyze.alignment import all_networks
from fdsweep.orchestrator.studies.analyze.networks import (
    ALONE,
    DISTILLED,
    looked_at,
    pairs,
    pairs_in,
)
from fdsweep.orchestrator.studies.analyze.similarities import comparisons, fresh
from fdsweep.orchestrator.studies.analyze.tsne import embeddings, missing_students
from fdsweep.orchestrator.studies.estimate import Estimate
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.studies.study import Study
from fdsweep.orchestrator.studies.suited import for_task
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Failure, Recorder
from fdsweep.orchestrator.tracking.tracker import Tracker, open_tracker
from fdsweep.results import plots
from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.formats import analysis as analysis_text
from fdsweep.results.plots.alignment import alignment
from fdsweep.results.plots.similarity import spectrum
from fdsweep.results.plots.tsne import planes
from fdsweep.results.records import analyses
from fdsweep.results.records.store import Store
from fdsweep.results.records.teachers import test_score
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import ConfigError, ReplicateError, StorageError
from fdsweep.search_spaces.sweep import Sweep, validated
from fdsweep.trainers import tasks, teachers
from fdsweep.trainers.features.analysis import similarity
from fdsweep.trainers.features.analysis.positions import COLUMNS, ROWS
from fdsweep.trainers.features.analysis.similarity import DRAWS, ORDERS

CUTOFF = "cutoff"
"""fd-cmkd's option; the sweep's first row holds it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found, the networks that failed in this invocation, and new picture files.

    `unfinished` says why something was not trained, if nothing went wrong.
    """

    analysis: analyses.Analysis
    failures: tuple[Failure, ...]
    pictures: Mapping[str, bytes]
    unfinished: str = ""

    def to_json(self) -> dict[str, Any]:
        """The record's document with `failures` beside it."""
        failures = [asdict(item) for item in self.failures]
        return {**analyses.to_json(self.analysis), "failures": failures}

    def to_markdown(self) -> str:
        """The record's tables and notes."""
        return analysis_text.to_markdown(self.analysis)

    def to_text(self, width: float) -> str:
        """The same in lines of `width` characters; as markdown where there is no end of a line."""
        if math.isinf(width):
            return self.to_markdown()
        return analysis_text.to_terminal(self.analysis, width)


def base_sweep(cutoff: float = 0.5) -> Sweep:
    """What an analysis is of, before the user says more: networks as a study's, 8 seeds.

    `cutoff` cuts the bins into the low and the high band, also for the student that distils.
    """
    rows = [
        {"name": DISTILLED, "method": DISTILLED, "options": {CUTOFF: cutoff}},
        {"name": ALONE, "method": ALONE},
    ]
    return validated({"study": "analysis", "title": "Analysis", "rows": rows}, "analyze")


def prepare(sweep: Sweep, options: StudyOptions) -> Study:
    """Check everything that can be checked before Ray starts, and plan the missing networks.

    Every two modalities of a direction are looked at, whichever way it points. Where every pixel is
    predicted, the student distils as the paper's does there.

    Args:
        sweep: of `base_sweep`, with what the user says of data, networks, epochs and seeds.
        options: where and how networks are trained.

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    if sweep.teachers:
        what = "an analysis compares teachers of the same seeds"
        raise ConfigError(what, "--teacher", "Leave it out")
    if sweep.teacher_weights:
        what = "an analysis also compares students that one teacher taught"
        raise ConfigError(what, "--teacher-weight", "Leave it out")
    dataset = studies.find_dataset(sweep, options)
    info = dataset.info
    if tasks.find(info.task).aligns:
        what = "an analysis is of samples with classes, and these have none"
        raise ConfigError(what, f"--dataset {sweep.dataset}", "Name another data set")
    sweep = for_task(sweep, info)
    directions = info.directions(sweep.directions)
    asked = {two for direction in directions for two in pairs_in(direction)}
    singles = [one for one in info.directions() if pairs_in(one) <= asked]
    several = [one for one in directions if len(one.teachers) > 1]
    both = tuple(str(one) for one in (*singles, *several))
    if set(both) != set(sweep.directions or both):
        sweep = sweep.model_copy(update={"directions": both})
    study = studies.prepare(sweep, options, dataset)
    plan = studies.plan_missing(study.sweep, study.plan.cells, study.store, options)
    configs = looked_at(plan.cells)
    for two in pairs(plan.cells):
        similarity.check_widths(*(fresh(study, configs[name]).dim for name in two))
    plan = replace(plan, students=missing_students(plan, study.store))
    total = len(configs) * len(plan.seeds) + len({cell.key for cell in plan.cells})
    return replace(study, plan=replace(plan, total=total, done=total - plan.left))


def describe(study: Study, cost: Estimate) -> str:
    """The plan in a line or two for a person."""
    plan = study.plan
    names = " and ".join(looked_at(plan.cells))
    lines = [
        f"{plan.sweep}: features of {names} on the test splits of {len(plan.seeds)} seeds, and "
        f"beside students of seed {plan.seeds[0]} before and after distillation; {plan.done} of "
        f"{plan.total} networks are there, {plan.left} left in "
        f"{len(plan.teachers) + len(plan.students)} trials"
    ]
    if plan.left and cost.seconds is not None:
        lines.append(cost.words())
    if study.fit:
        lines.append(study.fit)
    if plan.students:
        lines.append(str(keeping(plan.students, study.info, study.options.keep)))
    return "\n".join(lines)


def run(study: Study) -> Outcome:
    """Train the networks that are missing, compare the features of all, and keep what was found.

    Ray is started only if a network is missing. Seeds that lost a teacher are left out, and so are
    the planes of a direction that lost a network.

    Raises:
        ClusterError: the devices asked for are not there.
        ConfigError: networks of different widths.
        ReplicateError: no seed has all its teachers.
    """
    plan, store = study.plan, study.store
    tags = {"fdsweep.study": study.sweep.study, "fdsweep.dataset": study.info.name}
    with open_tracker(store.root, plan.sweep, tags) as tracker:
        progress = Progress(plan.left, board=Board(store, plan.sweep, study.sweep.title))
        request = study.options.request
        recorder = Recorder(study.sweep, plan, store, tracker, progress, request.devices)
        if plan.left:
            studies.train(study, recorder)
        found = analysis(study, seeds_with_teachers(study, recorder.failures))
        pictures = _keep(store, found, tracker)
    unfinished = request.budget.words(recorder.progress.counts.left, "networks")
    return Outcome(found, tuple(recorder.failures), pictures, unfinished)


def _keep(store: Store, found: analyses.Analysis, tracker: Tracker) -> dict[str, bytes]:
    """Write the record and its pictures, unless they would be those that are there."""
    if is_kept(store, found):
        return {}
    pictures = plots.render({**spectrum(found), **alignment(found), **planes(found)})
    texts = {
        "analysis.md": analysis_text.to_markdown(found),
        "analysis.html": analysis_text.to_html(found, pictures),
    }
    plots.save(store, found.name, pictures)
    for name, text in texts.items():
        store.write_text(layout.report_file(found.name, name), text)
    analyses.save(store, found)
    tracker.finish(texts, analyses.numbers(found), pictures)
    return pictures


def is_kept(store: Store, found: analyses.Analysis) -> bool:
    """Whether the record that is there is `found`; one that cannot be read gives way."""
    try:
        return analyses.exists(store, found.name) and analyses.load(store, found.name) == found
    except StorageError:
        return False


def analysis(study: Study, seeds: Sequence[int]) -> analyses.Analysis:
    """The record of `study` from the stored teachers of `seeds`, computed in this process.

    Raises:
        ConfigError: networks of different widths.
        DataError: the data cannot be read, or a teacher is gone.
    """
    plan, info = study.plan, study.info
    configs = looked_at(plan.cells)
    network = plan.cells[0].config.network
    cutoff = _cutoff(study.sweep)
    fold_of = study.dataset.folds(tuple(configs))
    planes = dict(embeddings(study, fold_of))
    lost = [str(direction) for direction, found in planes.items() if found is None]
    return analyses.Analysis(
        name=plan.sweep,
        dataset=info.name,
        data_fingerprint=info.fingerprint,
        seeds=tuple(seeds),
        epochs=network.optim.epochs,
        features=network.features,
        protocol=network.protocol,
        metric=tasks.metric(info.task),
        cutoff=cutoff,
        orders=ORDERS,
        draws=DRAWS,
        classes=info.classes if tasks.find(info.task).dense else info.sample_classes,
        positions=ROWS * COLUMNS if tasks.find(info.task).dense else 0,
        teachers=tuple(
            _teacher(study.store, config, seed) for config in configs.values() for seed in seeds
        ),
        comparisons=comparisons(study, fold_of, seeds, cutoff),
        embeddings=tuple(found for found in planes.values() if found is not None),
        notes=tuple(_notes(study, seeds, lost)),
        matrix=all_networks(study, fold_of),
    )


def _cutoff(sweep: Sweep) -> float:
    cutoff = sweep.rows[0].options[CUTOFF]
    assert isinstance(cutoff, float)
    return cutoff


def seeds_with_teachers(study: Study, failures: Sequence[Failure]) -> tuple[int, ...]:
    """Those of the plan's seeds for which every modality's teacher is in the storage."""
    seeds = study.plan.seeds
    missing = {
        seed
        for config in looked_at(study.plan.cells).values()
        for key in config.teacher_keys
        for seed in teachers.missing(study.store.root, key, seeds)
    }
    if missing.issuperset(seeds) and not failures:
        what, fix = "no seed has all its teachers yet", "Type the same command again"
        raise ReplicateError(what, "--budget-hours", fix)
    if missing.issuperset(seeds):
        worst = failures[0]
        raise ReplicateError(
            f"no seed has all its teachers ({worst.error})",
            worst.name if worst.seed is None else f"{worst.name}, seed {worst.seed}",
            worst.log,
        )
    return tuple(sorted(set(seeds) - missing))


def _teacher(store: Store, config: StudentConfig, seed: int) -> analyses.Teacher:
    (teacher,) = config.teachers
    return analyses.Teacher(
        modality=teacher.modality,
        seed=seed,
        key=teacher.teacher_key,
        test_score=test_score(store, teacher.teacher_key, seed),
    )


def _notes(study: Study, seeds: Sequence[int], pictureless: Sequence[str]) -> Iterator[str]:
    lost = sorted(set(study.plan.seeds) - set(seeds))
    if lost:
        yield f"Seeds {spell_seeds(lost)} are left out: a teacher failed."
    if pictureless:
        first, names = study.plan.seeds[0], ", ".join(pictureless)
        yield f"No t-SNE of {names}: a network of seed {first} failed."
    yield from study.info.notes
