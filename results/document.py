"""What lies in the storage of one sweep, and the report of it as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from fdsweep.results.compute import responses
from fdsweep.results.compute.cells import Cell, chosen_seeds, collect
from fdsweep.results.compute.effects import Effects, effects_of
from fdsweep.results.compute.tables import NetworkRow, Table, network_rows
from fdsweep.results.kept import Computed, look_up
from fdsweep.results.records import costs, searches, teachers
from fdsweep.results.records.costs import Costs
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.searches import Search
from fdsweep.results.records.store import Store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StoredSweep:
    """What `store` holds of a sweep, whichever its seeds: each part is read once, when asked for.

    Whatever is asked for raises a StorageError if it cannot be read.
    """

    store: Store
    manifest: Manifest

    @property
    def keys(self) -> set[str]:
        """Under which the replicates are stored."""
        return {row.key for row in self.manifest.rows}

    @property
    def rows(self) -> "pd.DataFrame":
        """The rows of `results/`; of done ones that lost another file is told on stderr."""
        return self._rows_and_lost[0]

    @property
    def is_whole(self) -> bool:
        """Whether no done replicate lost another file."""
        return not self._rows_and_lost[1]

    @cached_property
    def _rows_and_lost(self) -> "tuple[pd.DataFrame, set[tuple[str, int]]]":
        rows = self.store.replicates(self.keys)
        done = rows[rows["status"] == "done"]
        who = zip(done["key"], done["seed"], strict=True)
        return rows, self.store.lost(dict(zip(who, done["files"], strict=True)))

    @cached_property
    def curves(self) -> "pd.DataFrame":
        """The rows of `curves/`."""
        return self.store.curves(self.keys)

    @cached_property
    def predictions(self) -> "pd.DataFrame":
        """The rows of `predictions/`."""
        return self.store.predictions(self.keys)

    @cached_property
    def searches(self) -> tuple[Search, ...]:
        """The searches whose choices the sweep evaluates."""
        return searches.load(self.store, self.manifest.sweep)

    @cached_property
    def costs(self) -> Costs:
        """What predictions of its networks cost."""
        return costs.look_up(self.store, self.manifest.sweep)

    @cached_property
    def teachers(self) -> Mapping[str, Mapping[int, float]]:
        """Modality -> seed -> test score of the teachers that are there, fractions."""
        return {
            modality: {
                seed: score
                for seed in self.manifest.seeds
                if (score := teachers.find_score(self.store, key, seed)) is not None
            }
            for modality, key in self.manifest.teachers.items()
        }


@dataclass(frozen=True)
class SweepData:
    """A sweep over some of its `seeds`: what its report and all its pictures are made of."""

    stored: StoredSweep
    seeds: tuple[int, ...]

    @property
    def manifest(self) -> Manifest:
        """What the sweep consists of."""
        return self.stored.manifest

    def of(self, seeds: Sequence[int]) -> "SweepData":
        """The same over other seeds; nothing is read twice.

        Raises:
            ConfigError: a seed that the sweep does not have.
        """
        return replace(self, seeds=chosen_seeds(self.manifest, seeds))

    @cached_property
    def replicates(self) -> "pd.DataFrame":
        """The rows of `results/`."""
        rows = self.stored.rows
        return rows[rows["seed"].isin(self.seeds)]

    @cached_property
    def cells(self) -> dict[tuple[str, tuple[str, str]], Cell]:
        """(row, direction) -> its replicates."""
        found = collect(self.manifest, self.replicates, self.seeds)
        return {(cell.row.row, cell.row.direction): cell for cell in found}

    @cached_property
    def learnt(self) -> dict[str, list[float]]:
        """Key -> what was learnt for its response option, by seed."""
        options = self.manifest.response_options
        return responses.learnt(options, self.replicates, lambda: self.stored.curves)

    @cached_property
    def teachers(self) -> dict[str, list[float]]:
        """Modality -> test scores of its teachers, fractions."""
        return {
            modality: [score for seed, score in scores.items() if seed in self.seeds]
            for modality, scores in self.stored.teachers.items()
        }

    @cached_property
    def table(self) -> Table:
        """The sweep's table."""
        return self.computed.table

    @cached_property
    def effects(self) -> Effects | None:
        """What each switch adds that the sweep crosses; None if it crosses none."""
        return self.computed.effects

    @cached_property
    def computed(self) -> Computed:
        """Table, effects and networks, as the storage's cache has them, or made now."""
        return look_up(
            self.stored.store,
            self.manifest,
            self.seeds,
            self.teachers,
            self.stored.costs,
            self._compute,
        )

    def _compute(self) -> tuple[Computed, bool]:
        """All of it, and whether nothing is to be told of the files that it is made of."""
        from fdsweep.results.compute.tables.build import build_table  # brings pandas

        table = build_table(
            self.manifest,
            self.replicates,
            self.seeds,
            teachers=self.teachers,
            learnt=self.learnt,
            predictions=self.stored.predictions,
        )
        effects = effects_of(self.manifest, self.cells.values())
        networks = network_rows(self.manifest, self.stored.costs, table.rows, self.teachers)
        found = Computed(table=table, effects=effects, networks=networks)
        return found, self.stored.is_whole

    @cached_property
    def networks(self) -> tuple[NetworkRow, ...]:
        """Its networks, those whose cost is known."""
        return self.computed.networks


@dataclass(frozen=True, slots=True)
class Report:
    """The tables of one sweep, the searches that it evaluates, the effects of crossed switches.

    `networks` are those of the sweep whose cost is known.
    """

    sweep: str
    tables: tuple[Table, ...]
    searches: tuple[Search, ...] = ()
    effects: Effects | None = None
    networks: tuple[NetworkRow, ...] = ()
