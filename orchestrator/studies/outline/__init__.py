"""What a sweep comes to: its cells with their keys, and its manifest.

To make an outline, methods and networks are imported and asked, which brings torch. It depends on
the sweep, the data set and fdsweep's own text alone, so it is kept in the storage's cache: a study
that is finished is planned without torch. Where something of another package is used, nothing is
kept, as its text may change unseen.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

from fdsweep.orchestrator.models.teaching import notes
from fdsweep.orchestrator.studies.manifest import make_manifest
from fdsweep.orchestrator.studies.plan import NOBODY, make_cells
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.code import code_key
from fdsweep.search_spaces.configs import GivenTeacher
from fdsweep.search_spaces.errors import StorageError, first_line
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.records import OtherVersion, Record, UnreadableRecord
from fdsweep.search_spaces.sweep import Sweep
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import DatasetInfo
from fdsweep.trainers.registry import JOIN, registrations

SCHEMA = "fdsweep.outline/1"


class Outline(Record):
    """The cells of a sweep and its manifest, this time by itself; `made_of` says from what."""

    made_of: str
    cells: tuple[Cell, ...]
    manifest: Manifest


def outline_of(
    sweep: Sweep,
    info: DatasetInfo,
    checkpoints: Mapping[str, str],
    store: Store,
    given: Mapping[str, GivenTeacher] = NOBODY,
) -> Outline:
    """The outline of `sweep` on `info`, as it is kept in `store` or made now.

    Args:
        sweep: the study.
        info: its data set.
        checkpoints: the digest of what a modality's network starts from, if it is pretrained.
        store: whose cache holds it.
        given: the teachers that are not trained, by modality.

    Raises:
        ConfigError: a method, option, backbone or direction that does not exist.
    """
    if not _is_ours(sweep, info):
        return _make(sweep, info, checkpoints, given, "")
    asked = sweep.model_dump(mode="json")
    given_too = {"checkpoints": dict(checkpoints), "given": dict(given)}
    made_of = content_key(info=info, code=code_key(), sweep=asked, **given_too)
    place = layout.outline(content_key(sweep=asked, **given_too))
    known = _read(store, place)
    if known and known.made_of == made_of:
        return known
    made = _make(sweep, info, checkpoints, given, made_of)
    with contextlib.suppress(StorageError):  # who may only read goes without
        store.write_text(place, made.to_text(SCHEMA))
    return made


def _make(
    sweep: Sweep,
    info: DatasetInfo,
    checkpoints: Mapping[str, str],
    given: Mapping[str, GivenTeacher],
    made_of: str,
) -> Outline:
    cells = make_cells(sweep, info, checkpoints, given)
    info = replace(info, notes=(*info.notes, *notes(given)))
    return Outline(made_of=made_of, cells=cells, manifest=make_manifest(sweep, cells, info))


def _read(store: Store, place: str) -> Outline | None:
    """The outline at `place`; None if there is none, or none with the keys that it had."""
    if not store.exists(place):
        return None
    try:
        found = Outline.from_text(store.read(place), SCHEMA)
    except (StorageError, OtherVersion):
        return None
    except UnreadableRecord as fault:
        store.set_aside(place, f"no outline: {first_line(fault)}")
        return None
    keys = [row.key for row in found.manifest.rows]
    return found if [cell.key for cell in found.cells] == keys else None


def _is_ours(sweep: Sweep, info: DatasetInfo) -> bool:
    """Whether all that the cells are made of is registered by modules of fdsweep.

    A table is registered nowhere: all that is known of it stands in `info`.
    """
    optim = {sweep.optimizer or info.optim.optimizer, sweep.schedule or info.optim.schedule}
    used = {
        "datasets": {info.name} if info.name in datasets.registry else set(),
        "tasks": {info.task},
        "backbones": {*sweep.backbones.values(), *(m.backbone for m in info.modalities)},
        "optimisation": optim,
        "distillers": {part for row in sweep.rows for part in row.method.split(JOIN)},
    }
    return all(
        names <= registrations(f"fdsweep.trainers.{folder}").keys()
        for folder, names in used.items()
    )
