"""What a sweep consists of: the rows of its table and the keys their results are stored under."""

from collections.abc import Collection, Iterator
from typing import Any

from pydantic import Field

from fdsweep.results.records import older
from fdsweep.results.records.record_file import RecordFile
from fdsweep.results.records.schema import CLASSIFICATION
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import Protocol
from fdsweep.search_spaces.errors import ConfigError, StorageError, unknown
from fdsweep.search_spaces.records import Record
from fdsweep.search_spaces.storage import tell_once
from fdsweep.search_spaces.sweep import Control


class ManifestRow(Record):
    """One line of the table in one direction; `paper` names its line in the published table.

    `teacher_modality` joins several by "+". `group` is a heading that the row shares with its
    neighbours, `pairing` says which teacher sample stands beside a student sample; both may be
    empty. Where the direction has several teachers, `taught_by` tells which of them the row learns
    from and their shares, if they differ. `control` "aa" repeats the first row of the sweep from
    weights changed by rounding alone. `options` are all those of the method, its defaults included.
    """

    row: str
    method: str
    teacher_modality: str
    student_modality: str
    key: str
    teacher_keys: tuple[str, ...]
    paper: dict[str, Any] | None = None
    group: str = ""
    pairing: str = ""
    control: Control = ""
    options: dict[str, Any] = Field(default_factory=dict)
    taught_by: str = ""

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality


class Manifest(Record):
    """A sweep as it was asked for, over all the times that it was run.

    Within a direction the first row is the baseline. `seeds` is the sorted union of all runs;
    `seed_history` holds each seed list that enlarged it, the first one included. `teachers`
    gives each teaching modality its teacher's key. `data_notes` are sentences on the data.
    `metric` is the task's headline metric. `protocol` and `features` are as in `NetworkConfig`
    (an empty `features`: unknown), `setting` is what else a paper's numbers may differ in.
    `class_names` are those of the labels; empty where reports call classes by number.

    What methods say of themselves: `looks` gives rows and methods, by their casefolded names,
    their place among the looks of pictures; `response_options` gives methods, as they stand in
    rows, the option whose response is drawn, as it stands in their configurations. `factors` are
    the switches, options that are bools, which the rows of one method cross in every valid
    combination; empty where no method's rows do.
    """

    sweep: str
    study: str
    title: str
    dataset: str
    paper_table: str | None
    epochs: int
    seeds: tuple[int, ...]
    seed_history: tuple[tuple[int, ...], ...]
    rows: tuple[ManifestRow, ...]
    teachers: dict[str, str]
    data_fingerprint: str
    data_notes: tuple[str, ...] = ()
    task: str = CLASSIFICATION
    metric: str = "accuracy"
    protocol: Protocol = "ours"
    features: str = ""
    setting: Setting = Field(default_factory=Setting)
    looks: dict[str, int] = Field(default_factory=dict)
    response_options: dict[str, str] = Field(default_factory=dict)
    factors: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()


LAST = "last"
"""What people call the sweep that was run last."""

OLDER = {"fdsweep.sweep/1": older.manifest}
FILE = RecordFile("sweep.json", Manifest, "fdsweep.sweep/2", "sweep", "Run the sweep again", OLDER)


def save(store: Store, manifest: Manifest) -> None:
    """Write `manifest` to `reports/<sweep>/sweep.json`; StorageError if it cannot be written."""
    FILE.save(store, manifest.sweep, manifest)


def add(store: Store, new: Manifest) -> Manifest:
    """Write `new` together with what is known of the sweep: other processes may do so too.

    Raises:
        StorageError: it cannot be written, or what is there is of a version not read here.
    """
    with store.locked(layout.lock("sweeps")):
        old = look_up(store, new.sweep)
        merged = merge(old, new) if old else new
        save(store, merged)
    return merged


def load(store: Store, sweep: str) -> Manifest:
    """The manifest of `sweep`.

    Raises:
        StorageError: there is none that is not damaged, or it is of a version not read here.
    """
    return FILE.load(store, sweep)


def look_up(store: Store, sweep: str) -> Manifest | None:
    """The manifest of `sweep`, None if there is none that is not damaged.

    Raises:
        StorageError: it is of a version not read here.
    """
    return FILE.find(store, sweep)


def load_all(store: Store) -> Iterator[Manifest]:
    """Every manifest that can be read, that of the sweep that was run last first.

    Of the others is told on stderr.
    """
    for name in list_sweeps(store):
        try:
            found = look_up(store, name)
        except StorageError as error:
            tell_once(str(error))
        else:
            if found:
                yield found


def merge(old: Manifest, new: Manifest) -> Manifest:
    """`old` and `new` as one: the same sweep, run again with other seeds or directions.

    Rows keep their order of appearance; where `new` has a row of `old` under another key, the
    new key counts. With another study, data set, data, number of epochs, protocol, or feature point
    nothing of `old` can be compared with `new`, which then stands alone.
    """
    if _comparable(old) != _comparable(new):
        return new
    rows = {(row.row, row.direction): row for row in (*old.rows, *new.rows)}
    seeds = tuple(sorted({*old.seeds, *new.seeds}))
    grown = seeds != old.seeds
    return new.replace(
        seeds=seeds,
        seed_history=(*old.seed_history, new.seeds) if grown else old.seed_history,
        rows=tuple(rows.values()),
        teachers=old.teachers | new.teachers,
        setting=new.setting.joined(old.setting),
        looks=old.looks | new.looks,
        response_options=old.response_options | new.response_options,
    )


def list_sweeps(store: Store) -> list[str]:
    """Names of the sweeps in `store`, the one that was run last first."""
    found = {
        place.split("/")[1]: changed
        for place, changed in store.listing(layout.REPORTS).items()
        if place.count("/") == 2 and place.endswith(f"/{FILE.name}")
    }
    return sorted(found, key=lambda name: (-found[name], name))


def find(store: Store, name: str | None = None) -> Manifest:
    """The sweep called `name` or by a beginning that is its alone; None and "last": the newest.

    Raises:
        ConfigError: no sweep, or more than one, goes by that name.
        StorageError: the storage holds no sweep yet.
    """
    sweeps = list_sweeps(store)
    nothing = StorageError("there is no sweep here yet", store.root, "Type: fdsweep ablation")
    if name is None or name == LAST:
        found = next(load_all(store), None)
        if found is None:
            raise nothing
        return found
    if not sweeps:
        raise nothing
    return load(store, called(name, sweeps, store.root))


def called(name: str, sweeps: Collection[str], where: str) -> str:
    """The one of the `sweeps` that are there called `name`, or by a beginning that is its alone.

    Raises:
        ConfigError: none, or more than one, goes by that name.
    """
    matching = [name] if name in sweeps else [one for one in sweeps if one.startswith(name)]
    if not matching:
        raise unknown("sweep", name, sweeps, where)
    if len(matching) > 1:
        several = ", ".join(sorted(matching))
        raise ConfigError(f"{name!r} begins several sweeps", where, f"Choose from: {several}")
    return matching[0]


def _comparable(manifest: Manifest) -> tuple[object, ...]:
    """What all runs of a sweep have in common."""
    names = (
        *("study", "dataset", "task", "metric", "epochs", "data_fingerprint"),
        *("protocol", "features"),
    )
    return tuple(getattr(manifest, name) for name in names)
