"""`fdsweep models`: the students that a storage keeps. No torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fdsweep.results.records.manifest import load_all
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.trainers.students.record import StudentRecord, all_records

WIDE = 240
"""Columns of the printed table at most; no row's name is cut."""


@dataclass(frozen=True, slots=True)
class Model:
    """A kept student, and the rows of sweeps that it is a replicate of."""

    record: StudentRecord
    rows: tuple[str, ...]
    direction: str

    @property
    def title(self) -> str:
        """Words for people: "FD-CMKD, audio->visual"."""
        row = " / ".join(self.rows) or self.record.config["method"]
        return f"{row}, {self.direction}"

    def to_json(self) -> dict[str, Any]:
        """What `fdsweep models --json` has of it."""
        told = self.record
        return {
            "model": told.name,
            "rows": list(self.rows),
            "direction": self.direction,
            "dataset": told.dataset,
            "modality": told.modality,
            "seed": told.seed,
            "kept_as": told.keep,
            "metric": told.metric,
            "val_score": told.val_score,
            "test_score": told.test_score,
            "head": "" if told.head is None else told.head.name,
            "backbone": told.network.backbone,
            "bytes": told.size,
            "licence": told.licence,
        }


def overview(storage: str) -> list[Model]:
    """Every kept student, by data set, direction and validation score; StorageError as `Store`."""
    store = Store.open(storage)
    rows: dict[str, dict[str, None]] = {}
    for manifest in load_all(store):
        for row in manifest.rows:
            rows.setdefault(row.key, {})[row.row] = None
    found = [
        Model(record, tuple(rows.get(record.key, ())), _direction(record))
        for record in all_records(store)
    ]
    return sorted(found, key=lambda model: (model.record.dataset, model.direction, _worst(model)))


def find(models: Sequence[Model], asked: str) -> Model:
    """The one of `models` that is `asked` for; of several seeds the best on validation.

    It is asked for by the beginning of its name, by its row, or by "row, teacher->student".

    Raises:
        ConfigError: there is no such model, or there are several.
    """
    if not models:
        raise ConfigError("no student is kept here", asked, "Train with --keep best or --keep all")
    found = [
        model
        for model in models
        if model.record.name.startswith(asked)
        or asked in (model.title, *model.rows, *(f"{r}, {model.direction}" for r in model.rows))
    ]
    if not found:
        raise unknown("model", asked, {model.title for model in models}, "")
    best = {one.record.key: one for one in sorted(found, key=lambda one: one.record.rank)}
    if len(best) > 1:
        names = "; ".join(f"{one.record.name} ({one.title})" for one in best.values())
        raise ConfigError(f"{len(best)} models are called so", asked, f"Choose one: {names}")
    return best.popitem()[1]


def to_text(models: Sequence[Model]) -> str:
    """`models` as a table for a person; scores in percent."""
    if not models:
        return "No student is kept here yet. Type: fdsweep ablation --keep best"
    table = Table(
        *("model", "row", "data", "seed", "metric", "validation", "test", "MB"), box=box.MARKDOWN
    )
    for model in models:
        told = model.record
        table.add_row(
            *(told.name, model.title, told.dataset, str(told.seed), told.metric),
            "–" if told.val_score is None else f"{100 * told.val_score:.1f}",
            *(f"{100 * told.test_score:.1f}", f"{told.size / 1e6:.1f}"),
        )
    console = Console(width=WIDE, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def _worst(model: Model) -> tuple[float, int]:
    score, seed = model.record.rank
    return -score, -seed


def _direction(record: StudentRecord) -> str:
    """teacher->student, or the student alone."""
    config = record.config
    several = config.get("teachers") or [config["teacher"]]
    taught_by = "+".join(one["modality"] for one in several if one)
    return f"{taught_by}->{record.modality}" if taught_by else record.modality
