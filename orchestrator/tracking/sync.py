"""`fdsweep sync`: MLflow filled from what is stored, as if it had been there all the time.

Whatever is there already, known by key and seed, is left as it is. Replicates come from `results/`
and `curves/`; teachers and trials of searches from what the driver kept of them in `runs/`.
"""

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd

from fdsweep.orchestrator.tracking import database
from fdsweep.orchestrator.tracking.experiment import Experiment, is_own, tracking_uri
from fdsweep.orchestrator.tracking.runs import Run, Summary, replicate_run, summaries
from fdsweep.orchestrator.tracking.tracker import IsTrained
from fdsweep.results.records import analyses, manifest, searches
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.results.report import load, report_of
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import FdsweepError, StorageError, first_line, public

PICTURES = (".png", ".svg")


@dataclass(frozen=True, slots=True)
class Ending:
    """What a tracker is told at the end of a sweep: the arguments of `Tracker.finish`."""

    texts: Mapping[str, str]
    numbers: Mapping[str, float]
    pictures: Mapping[str, bytes]
    summaries: Sequence[Summary] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What is stored of a sweep that a tracker is told; without an `ending` it has no report."""

    tags: Mapping[str, str]
    runs: Sequence[Run]
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Synced:
    """How many runs of replicates and trials a sweep's experiment lacked, or why not known."""

    sweep: str
    added: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `sync` did; `moved` says where a broken database was moved, if one was."""

    tracking_uri: str
    sweeps: tuple[Synced, ...] = field(default=())
    moved: str = ""

    @property
    def ok(self) -> bool:
        """Whether every sweep's experiment is whole."""
        return not any(one.trouble for one in self.sweeps)

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return {"schema": "fdsweep.sync/1", **asdict(self)}

    def to_text(self) -> str:
        """Lines for a person."""
        lines = [f"{database.WAS_BROKEN}."] if self.moved else []
        lines += [f"{one.sweep}: {one.trouble or f'{one.added} runs added'}" for one in self.sweeps]
        return "\n".join([*lines, f"MLflow at {self.tracking_uri} holds what is stored."])


def sync(storage: str, uri: str | None, is_trained: IsTrained) -> Outcome:
    """Fill the MLflow at `uri` (None: as studies find it) from all sweeps of `storage`.

    What is shown as in training there and is not, as `is_trained` says, gets the status KILLED.

    Raises:
        StorageError: there is no such storage, or MLflow cannot be written.
    """
    store = Store.open(storage)
    uri = tracking_uri(storage, uri)
    try:
        place = database.home(store)
        broken = is_own(store, uri) and database.make_ready(place, thorough=True)
        found = tuple(fill_all(store, uri, is_trained))
    except Exception as error:
        raise StorageError(
            f"MLflow cannot be written ({first_line(error)})",
            uri,
            "Free it, or start its server, and type fdsweep sync again",
        ) from None
    return Outcome(public(uri), found, database.DAMAGED if broken else "")


def fill_all(store: Store, uri: str, is_trained: IsTrained = lambda _: True) -> list[Synced]:
    """Fill the experiment of every sweep; one whose records are damaged is told of and left out."""
    told = []
    for name, content_of in sources(store).items():
        try:
            content = content_of()
        except FdsweepError as error:
            told.append(Synced(name, trouble=str(error)))
            continue
        if content.runs or content.ending:
            experiment = Experiment(store, uri, name, content.tags)
            experiment.adopt()
            fill(experiment, content)
            experiment.end_lost(is_trained)
            experiment.close("FINISHED")
            told.append(Synced(name, experiment.added))
    return told


def fill(experiment: Experiment, content: Content) -> None:
    """Write to `experiment` what it lacks of `content`."""
    for run in content.runs:
        experiment.log(run, again=False)
    if content.ending:
        end = content.ending
        experiment.finish(end.texts, end.numbers, end.pictures, end.summaries)


def sources(store: Store) -> dict[str, Callable[[], Content]]:
    """By the name of each experiment, oldest sweep first, what reads its content.

    That may raise a StorageError.
    """
    kept = {place.split("/")[1] for place in store.listing(layout.RUNS)}
    found: dict[str, Callable[[], Content]] = {
        name: functools.partial(_unfinished, store, name) for name in sorted(kept)
    }
    for place in sorted(store.listing(layout.REPORTS)):
        _, name, file = place.split("/", 2)
        if file == analyses.FILE.name:
            found[name] = functools.partial(_analysis, store, name)
    for name in reversed(manifest.list_sweeps(store)):
        found[name] = functools.partial(_study, store, name)
        try:
            chosen = searches.load(store, name)
        except StorageError:
            continue  # the study itself says so
        if chosen:
            found[_together(chosen)] = functools.partial(_tuning, store, name, chosen)
    return found


def stored_runs(store: Store, sweep: Manifest) -> Iterator[Run]:
    """The runs of the stored replicates of `sweep`; one without readable curves is left out.

    A row that another sweep trained is called what this one calls it.
    """
    names = {row.key: row.row for row in sweep.rows}
    rows = store.replicates(names)
    rows = rows[rows["seed"].isin(sweep.seeds)]
    return _runs(store, rows.assign(study=sweep.study, row=rows["key"].map(names)))


def _runs(store: Store, rows: pd.DataFrame) -> Iterator[Run]:
    curves = dict(list(store.curves(set(rows["key"])).groupby(["key", "seed"])))
    for record in rows.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        points = curves.get((row["key"], row["seed"]))
        if points is None and row["status"] == "done":
            continue
        columns = ["epoch", "split", "metric", "value"]
        told = () if points is None else points[columns].itertuples(index=False, name=None)
        yield replicate_run(
            row, told, f"{row['row']}, {row['teacher_modality']}->{row['student_modality']}"
        )


def keep(store: Store, sweep: str, run: Run) -> None:
    """Store a run that no row of `results/` can tell of: a teacher's, or that of a trial.

    Raises:
        StorageError: it cannot be written.
    """
    texts = {name: str(value) for name, value in run.params.items()}
    text = json.dumps(asdict(replace(run, params=texts)), sort_keys=True)
    store.write_text(layout.tracked_run(sweep, *run.identity), text)


def _kept(store: Store, sweep: str) -> list[Run]:
    """What `keep` stored; a damaged file is a missing one."""
    found = []
    for place in sorted(store.listing(f"{layout.RUNS}/{sweep}")):
        try:
            told = json.loads(store.read(place))
            told["identity"] = tuple(told["identity"])
            told["metrics"] = [(name, value, epoch) for name, value, epoch in told["metrics"]]
            found.append(Run(**told))
        except (StorageError, ValueError, KeyError, TypeError):
            continue
    return found


def _unfinished(store: Store, name: str) -> Content:
    return Content({}, _kept(store, name))


def _study(store: Store, name: str) -> Content:
    sweep = manifest.load(store, name)
    runs = [*_kept(store, name), *stored_runs(store, sweep)]
    ending = None
    if store.exists(layout.report_file(name, "report.md")):
        report = report_of(load(store, name))
        texts = _texts(store, name, "report")
        ending = Ending(texts, {}, _pictures(store, name), summaries(report))
    return Content(_tags(sweep.study, sweep.dataset), runs, ending)


def _analysis(store: Store, name: str) -> Content:
    found = analyses.load(store, name)
    texts, pictures = _texts(store, name, "analysis"), _pictures(store, name)
    ending = Ending(texts, analyses.numbers(found), pictures)
    rows = store.replicates()
    runs = [*_kept(store, name), *_runs(store, rows[rows["sweep"] == name])]
    return Content(_tags("analysis", found.dataset), runs, ending)


def _together(found: Sequence[searches.Search]) -> str:
    first = found[0]
    return searches.name_together(first.space, first.dataset, [one.name for one in found])


def _tuning(store: Store, evaluation: str, found: Sequence[searches.Search]) -> Content:
    """Searches are told of in an experiment beside that of the study that evaluates them."""
    best = {
        one.name: chosen.values[0]
        for one in found
        if (chosen := searches.find(one, one.chosen)) is not None
    }
    ending = Ending({}, best, _pictures(store, evaluation))
    return Content(_tags("tuning", found[0].dataset), _kept(store, _together(found)), ending)


def _tags(study: str, dataset: str) -> dict[str, str]:
    return {"fdsweep.study": study, "fdsweep.dataset": dataset}


def _texts(store: Store, sweep: str, stem: str) -> dict[str, str]:
    names = (f"{stem}.md", f"{stem}.html")
    places = {name: layout.report_file(sweep, name) for name in names}
    return {name: store.read_text(place) for name, place in places.items() if store.exists(place)}


def _pictures(store: Store, sweep: str) -> dict[str, bytes]:
    files = [info.base_name for info in store.files(layout.report_file(sweep, ""))]
    return {
        name: store.read(layout.report_file(sweep, name))
        for name in sorted(files)
        if name.endswith(PICTURES) and not name.startswith(".")
    }
