"""A storage for Python and notebooks: what it holds as DataFrames, and studies that are run there.

import fdsweep
storage = fdsweep.open("fdsweep-runs")
sweep = storage.run(fdsweep.sweep("components", seeds=3, epochs=5))
sweep.table, sweep.rows, sweep.curves, sweep.predictions
sweep.pictures()["forest"]

At the end of a cell, `sweep` shows its report and a picture shows itself.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fdsweep.orchestrator.studies.status.looking import Looking
from fdsweep.results.document import SweepData
from fdsweep.results.formats.csv import lines
from fdsweep.results.records.manifest import ManifestRow
from fdsweep.results.records.store import Store
from fdsweep.results.report import Report, load, report_of, to_markdown
from fdsweep.search_spaces.errors import unknown
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import Sweep, load_sweep, override
from fdsweep.search_spaces.trials import Keep

if TYPE_CHECKING:
    from fdsweep.orchestrator.tracking.recorder import Failure

ROW = ("row", "method", "teacher_modality", "student_modality", "key", "group", "pairing")
"""What a sweep says of each of its rows; other sweeps may call the same replicates otherwise."""

LEFT_OUT = {"sweep", "study", *ROW, "files"} - {"key"}
"""Columns of `results/` that the first sweep to train a replicate has filled in, and places."""

PROGRESS = ("sweep", "title", "dataset", "total", "done", "failed", "running", "left")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a sweep; `svg` and `png` are the contents of such files."""

    name: str
    svg: bytes
    png: bytes

    def _repr_svg_(self) -> str:
        return self.svg.decode()


@dataclass(frozen=True)
class StudiedSweep:
    """A sweep of a storage. Whatever is asked for raises a StorageError if it cannot be read.

    Attributes:
        data: what lies in the storage of it, read once, when it is asked for.
        failures: what failed when it was run here.
        unfinished: why something was left when it was run here, if nothing went wrong.
    """

    data: SweepData
    failures: tuple["Failure", ...] = ()
    unfinished: str = ""

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.data.manifest.sweep

    @cached_property
    def report(self) -> Report:
        """What `fdsweep report` prints."""
        return report_of(self.data)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A line per row and direction, as `fdsweep report --format csv` has them; in percent."""
        return pd.DataFrame(lines(self.report))

    @cached_property
    def networks(self) -> pd.DataFrame:
        """A line per network whose cost is known, with its scores as a teacher, in percent."""
        told = [asdict(network) for network in self.report.networks]
        return pd.json_normalize([{k: v for k, v in x.items() if k != "as_student"} for x in told])

    @cached_property
    def rows(self) -> pd.DataFrame:
        """A line per replicate, done or failed, in the order of the table; scores are fractions."""
        return self._named(self.data.stored.rows)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A line per replicate, epoch, split and metric."""
        return self._named(self.data.stored.curves)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A line per replicate and test sample (and class, where pixels are predicted)."""
        return self._named(self.data.stored.predictions)

    def pictures(self) -> dict[str, Picture]:
        """Everything that can be drawn of it, by name, in the order in which people look at it."""
        from fdsweep.results import plots  # brings matplotlib

        figures = plots.pictures(self.data)
        files = plots.render(figures)
        return {name: Picture(name, files[f"{name}.svg"], files[f"{name}.png"]) for name in figures}

    def _named(self, stored: pd.DataFrame) -> pd.DataFrame:
        """What is `stored` of the sweep's replicates, beside what the sweep calls them."""
        told = pd.DataFrame([_told(row) for row in self.data.manifest.rows])
        own = stored[stored["seed"].isin(self.data.seeds)]
        return told.merge(own[[name for name in own if name not in LEFT_OUT]], on="key")

    def _repr_markdown_(self) -> str:
        return to_markdown(self.report)


@dataclass(frozen=True, slots=True)
class OpenStorage:
    """The storage at `root`; it need not be there before something is run in it."""

    root: str

    @property
    def sweeps(self) -> pd.DataFrame:
        """A line per sweep with what is done, failed, in training and left of its replicates.

        The one that was run last comes first.

        Raises:
            StorageError: there is no storage, or it cannot be read.
        """
        found = Looking(Store.open(self.root)).look()
        return pd.DataFrame(
            [[getattr(one, name) for name in PROGRESS] for one in found], columns=list(PROGRESS)
        )

    def sweep(self, name: str | None = None, seeds: Sequence[int] | None = None) -> StudiedSweep:
        """The sweep called `name`, or by a beginning that is its alone; without one the newest.

        `seeds` leaves out the others.

        Raises:
            ConfigError: no such sweep, or a seed that it does not have.
            StorageError: there is none at all, or the storage cannot be read.
        """
        return StudiedSweep(load(Store.open(self.root), name, seeds))

    def run(
        self,
        sweep: Sweep,
        *,
        seeds_per_trial: int | None = None,
        keep: Keep = "best",
        **devices: Any,  # noqa: ANN401
    ) -> StudiedSweep:
        """Train what is missing of `sweep`, as `fdsweep run` does, and give what came out.

        Ray is started, or joined, and stays: the next call need not wait for it.

        Args:
            sweep: as `fdsweep.sweep` makes it.
            seeds_per_trial: by default as many as keep all devices at work.
            keep: which trained students stay in the storage: best, all or none.
            devices: fields of `ResourceRequest`, such as gpus, gpus_per_trial or address.

        Raises:
            FdsweepError: what a person must put right first. What fails on the way is no error:
                see `failures` of what is returned.
        """
        from fdsweep.orchestrator.execution.cluster import ResourceRequest
        from fdsweep.orchestrator.studies import study as studies
        from fdsweep.orchestrator.studies.options import StudyOptions

        known = [field.name for field in fields(ResourceRequest)]
        for name in devices.keys() - known:
            raise unknown("option", name, known, "run()")
        options = StudyOptions(
            storage=self.root,
            request=ResourceRequest(**devices),
            seeds_per_trial=seeds_per_trial,
            keep=keep,
        )
        study = studies.fitted(studies.prepare(sweep, options))
        outcome = studies.run(study)
        data = load(study.store, study.plan.sweep, sweep.seeds)
        return StudiedSweep(data, outcome.failures, outcome.unfinished)


def make_sweep(what: str | Path | Sweep, **changed: Any) -> Sweep:  # noqa: ANN401
    """A study that comes with fdsweep, or that of a YAML file, with the fields that are `changed`.

    `seeds` may be a count.

    Raises:
        ConfigError: there is no such study, or a wrong value.
    """
    if isinstance(what, Sweep):
        found = what
    elif Path(what).suffix in (".yaml", ".yml"):
        found = load_sweep(Path(what))
    else:
        found = load_preset(str(what))
    for name in changed.keys() - Sweep.model_fields.keys():
        raise unknown("field", name, Sweep.model_fields, "sweep()")
    if isinstance(count := changed.get("seeds"), int):
        changed["seeds"] = range(count)
    return override(found, **changed)


def _told(row: ManifestRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ROW}
