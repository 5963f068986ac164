"""A study from its sweep to its report: plan, run what is missing, record, report."""

import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from fdsweep.orchestrator.ahead import Ahead
from fdsweep.orchestrator.bulletins.board import Board
from fdsweep.orchestrator.execution.cluster import (
    check,
    check_nodes,
    connect,
    local_resources,
)
from fdsweep.orchestrator.execution.devices import starts
from fdsweep.orchestrator.execution.devices.sharing import shared_out
from fdsweep.orchestrator.execution.leases import may_be_trained
from fdsweep.orchestrator.execution.parts import choose
from fdsweep.orchestrator.models.costs import keep_costs
from fdsweep.orchestrator.models.size import keeping
from fdsweep.orchestrator.models.teaching import given_teachers, place
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.studies.outline import outline_of
from fdsweep.orchestrator.studies.plan import make_plan
from fdsweep.orchestrator.tracking.progress import Progress
from fdsweep.orchestrator.tracking.recorder import Failure, Recorder
from fdsweep.orchestrator.tracking.runs import summaries
from fdsweep.orchestrator.tracking.sync import stored_runs
from fdsweep.orchestrator.tracking.tracker import Tracker, open_tracker
from fdsweep.orchestrator.upkeep import definition
from fdsweep.results.records import manifest as manifests
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.results.records.teachers import unrecorded
from fdsweep.results.report import (
    Report,
    SweepData,
    load,
    report_of,
    to_html,
    to_json,
    to_markdown,
)
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import LostClusterError
from fdsweep.search_spaces.storage import Storage, tell_once
from fdsweep.search_spaces.sweep import Sweep
from fdsweep.search_spaces.trials import STREAMING, Cell, Plan
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import DatasetInfo, check_batch

if TYPE_CHECKING:
    from fdsweep.orchestrator.studies.estimate import Estimate

AFTERWARDS = ("torch._dynamo", "fdsweep.results.plots")
"""Slow imports of what comes after training: counting of operations brings torch's compiler."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A study's report, the replicates that failed in this invocation, and new picture files.

    `unfinished` says why something was not trained, if nothing went wrong.
    """

    report: Report
    failures: tuple[Failure, ...]
    pictures: Mapping[str, bytes]
    unfinished: str = ""

    def to_json(self) -> dict[str, Any]:
        """The report's document with `failures` beside it."""
        return {**to_json(self.report), "failures": [asdict(item) for item in self.failures]}


@dataclass(frozen=True, slots=True)
class Study:
    """A planned study, ready to run; `manifest` is what `sweep` consists of, this time alone.

    `fit` says which part of a GPU a trial takes, and why, if that was left to a probe.
    """

    sweep: Sweep
    dataset: datasets.Dataset
    manifest: Manifest
    plan: Plan
    store: Store
    options: StudyOptions
    fit: str = ""

    @property
    def info(self) -> DatasetInfo:
        """What is studied on."""
        return self.dataset.info


def find_dataset(sweep: Sweep, options: StudyOptions) -> datasets.Dataset:
    """What `sweep` is studied on, which is looked up without making a storage.

    Raises:
        ConfigError: an unknown name.
        DataError: its manifest cannot be read.
    """
    root = Storage(options.storage).root  # absolute: workers have other folders
    return datasets.find(sweep.dataset, datasets.DataLocation(root, STREAMING))


def prepare(sweep: Sweep, options: StudyOptions, dataset: datasets.Dataset | None = None) -> Study:
    """Check everything that can be checked before Ray starts, and plan what is left.

    Args:
        sweep: what is studied.
        options: where and how it is trained.
        dataset: of the sweep, where it was looked up already (`find_dataset`).

    Raises:
        FdsweepError: anything that a person must put right first.
    """
    check(options.request)
    dataset = dataset or find_dataset(sweep, options)
    store = Store.create(options.storage)
    given = given_teachers(sweep.teachers, dataset.info)
    outline = outline_of(sweep, dataset.info, _checkpoints(sweep, store), store, given)
    cells = outline.cells
    optim = cells[0].config.network.optim
    check_batch(dataset.info, optim.batch_size // optim.accumulate, options.request.workers)
    place(store.root, sweep.teachers, cells, sweep.seeds)
    plan = plan_missing(
        sweep, cells, store, options, finished=store.finished({cell.key for cell in cells})
    )
    return Study(sweep, dataset, outline.manifest, plan, store, options)


def fitted(
    study: Study, plan: Plan | None = None, *, trials: int | None = None, held: int = 1
) -> Study:
    """`study` with the GPUs of a trial chosen by a probe, where that is asked for.

    Args:
        study: about to be run.
        plan: what is trained; by default what `study` has left. Where that is nothing, nothing is
            chosen.
        trials: how many there are at most at the same time; by default as many as it can be
            split into.
        held: replicates that a trial holds at the same time.

    Raises:
        DataError: pretrained weights are not in the storage, or the data cannot be read.
    """
    options, plan = study.options, plan or study.plan
    if options.request.gpus_per_trial != "auto" or not plan.left:
        return study
    stages = (plan.teachers, plan.students)
    replicates = max(sum(len(trial.seeds) for trial in stage) for stage in stages)
    most = trials or -(-replicates // (options.seeds_per_trial or 1))
    gpus, why = choose(
        options.request, plan, study.dataset, study.store.root, trials=most, held=held
    )
    request = replace(options.request, gpus_per_trial=gpus)
    return replace(study, options=replace(options, request=request), fit=why)


def _checkpoints(sweep: Sweep, store: Store) -> dict[str, str]:
    """The digest of what each modality's network starts from, kept in `store`."""
    if not sweep.pretrained:
        return {}
    from fdsweep.trainers.backbones import pretrained  # brings torch

    return {name: pretrained.keep(store.root, given) for name, given in sweep.pretrained.items()}


def plan_missing(
    sweep: Sweep,
    cells: tuple[Cell, ...],
    store: Store,
    options: StudyOptions,
    finished: Collection[tuple[str, int]] = (),
) -> Plan:
    """The trials of `cells` that are not `finished`, and the teachers that `store` lacks for them.

    `finished` are (key, seed).
    """

    def missing_teachers(key: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds:
            return ()
        from fdsweep.trainers import teachers  # brings torch

        return teachers.missing(store.root, key, seeds)

    return make_plan(
        sweep,
        cells,
        finished=finished,
        missing_teachers=missing_teachers,
        storage=store.root,
        loading=options.loading,
        keep=options.keep,
        unrecorded_teachers=lambda key, seeds: unrecorded(store, key, seeds),
    )


def locally(study: Study) -> Plan:
    """The plan of `study` as it is run on this machine; of a cluster that is joined: unsplit."""
    request, given = study.options.request, study.options.seeds_per_trial
    if request.joins and given is None:
        return study.plan
    places = 1 if request.joins else local_resources(request).concurrent
    return shared_out(study.plan, study.store, places, given)


def estimate_study(study: Study) -> "Estimate":
    """What the rest of `study` will cost."""
    from fdsweep.orchestrator.studies.estimate import estimate  # brings torch

    rows = study.store.replicates()
    done = rows[rows["status"] == "done"]
    return estimate(locally(study), study.options.request, study.dataset, done)


def describe(study: Study, cost: "Estimate") -> str:
    """The plan in a few lines for a person."""
    plan = locally(study)
    n = len(plan.seeds)
    teachers_left = sum(len(trial.seeds) for trial in plan.teachers)
    students_left = sum(len(trial.seeds) for trial in plan.students)
    lines = [
        f"{plan.sweep}: {len({cell.key for cell in plan.cells})} cells x {n} seeds = "
        f"{plan.total} replicates; {plan.done} done, {students_left} left in "
        f"{len(plan.students)} trials, and {teachers_left} teachers in {len(plan.teachers)}",
    ]
    if plan.left:
        lines.append(cost.words())
    if study.fit:
        lines.append(study.fit)
    if plan.students:
        lines.append(str(keeping(plan.students, study.info, study.options.keep)))
    return "\n".join([*lines, power(n, cost)])


def power(n: int, cost: "Estimate") -> str:
    """What `n` seeds can show, in a sentence."""
    effect = "no effect" if n < 2 else f"an effect of {cost.effect:.2f} SD of the differences"
    return (
        f"{n} seeds can detect {effect} (paired t-test, 80 % power); "
        f"the exact sign-flip p cannot fall below {cost.smallest_p:.3g}"
    )


def plan_json(study: Study, cost: "Estimate") -> dict[str, Any]:
    """The plan as a document."""
    plan = locally(study)
    kept = keeping(plan.students, study.info, study.options.keep)
    return {
        "schema": "fdsweep.plan/1",
        "sweep": plan.sweep,
        "seeds": list(plan.seeds),
        "replicates": {"total": plan.total, "done": plan.done},
        "trials": [
            {"kind": trial.kind, "key": trial.key, "seeds": list(trial.seeds)}
            for trial in (*plan.teachers, *plan.students)
        ],
        "devices": {"gpus_per_trial": study.options.request.given, "why": study.fit},
        "keep": {"which": kept.which, "students": kept.students, "bytes": kept.nbytes},
        "estimate": {
            "training_seconds": cost.seconds,
            "start_seconds": cost.starts,
            "device_hours": cost.device_hours,
            "basis": cost.basis,
            "concurrent_trials": cost.concurrent,
            "detectable_effect_sd": None if len(plan.seeds) < 2 else cost.effect,
            "smallest_p": cost.smallest_p,
        },
    }


def run(study: Study) -> Outcome:
    """Train what is missing, record it, and report.

    When the cluster is lost, the table of what is there is all that there is time for: the next run
    makes the pictures and tells the tracker.

    Raises:
        ClusterError: the devices asked for are not there.
    """
    plan, store = study.plan, study.store
    manifest = manifests.add(store, study.manifest)
    definition.keep(store, study.sweep, manifest)
    tags = {"fdsweep.study": study.sweep.study, "fdsweep.dataset": study.info.name}
    with open_tracker(store.root, plan.sweep, tags) as tracker:
        progress = Progress(plan.left, board=Board(store, plan.sweep, study.sweep.title))
        devices = study.options.request.devices
        recorder = Recorder(study.sweep, plan, store, tracker, progress, devices)
        for stored in stored_runs(store, manifest):  # by other sweeps, or a killed driver
            if stored.done:
                tracker.log(stored)
        lasted = train(study, recorder) if plan.left else True
        trained = time.monotonic()
        if lasted:
            keep_costs(store, plan.sweep, plan.cells, study.dataset, study.options.request)
        data = load(store, plan.sweep)
        result = report_of(data)
        pictures = _keep_report(study, data, result, tracker) if lasted else {}
    if plan.left and lasted:
        starts.keep(study.options.request.cluster, report=time.monotonic() - trained)
    if set(plan.seeds) != set(manifest.seeds):
        result = report_of(data.of(plan.seeds))
    unfinished = study.options.request.budget.words(recorder.progress.counts.left)
    return Outcome(result, tuple(recorder.failures), pictures, unfinished)


def train(study: Study, recorder: Recorder) -> bool:
    """Train what the plan of `recorder` has left. If the cluster is lost, that is one failure.

    Returns:
        Whether the cluster lasted. Where it did not, Ray ends this process before long.
    """

    def meanwhile() -> None:
        recorder.tracker.end_lost(may_be_trained(study.store.root))

    resources = connect(study.options.request, meanwhile)
    check_nodes(study.options.request, resources.nodes, study.store)
    from fdsweep.orchestrator.execution.driver.watch import attended
    from fdsweep.orchestrator.execution.ray_compat import head
    from fdsweep.orchestrator.execution.stages import run_plan

    given = study.options.seeds_per_trial
    plan = shared_out(recorder.plan, study.store, resources.concurrent, given)
    recorder.dashboard = head.dashboard()
    ahead = Ahead(*AFTERWARDS)
    recorder.prepare = ahead.start
    try:
        with recorder.progress, attended():
            run_plan(plan, resources, study.store.root, recorder)
    except LostClusterError as error:
        recorder.failures.append(loss(error))
        return False
    ahead.wait()  # predictions are timed next
    return True


def loss(error: LostClusterError) -> Failure:
    """Say that the cluster is gone, and give it as a failure."""
    tell_once(str(error))
    return Failure("Ray", None, error.what, error.where)


def _keep_report(
    study: Study, data: SweepData, whole: Report, tracker: Tracker
) -> dict[str, bytes]:
    """Write the sweep's report and pictures, unless they would be those that are there."""
    store, sweep = study.store, study.plan.sweep
    text, file = to_markdown(whole), layout.report_file(sweep, "report.md")
    if store.exists(file) and store.read_text(file) == text:
        return {}
    from fdsweep.results import plots  # brings matplotlib

    pictures = plots.render(plots.pictures(data))
    page = to_html(whole, pictures)
    plots.save(store, sweep, pictures)
    store.write_text(layout.report_file(sweep, "report.html"), page)
    store.write_text(file, text)
    texts = {"report.md": text, "report.html": page}
    tracker.finish(texts, {}, pictures, summaries(whole))
    return pictures
