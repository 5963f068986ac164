"""What lies beside a kept student's weights: how to use them, and what they came to. No torch."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import FeaturePoint, Option
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.records import OtherVersion, Record, UnreadableRecord
from fdsweep.search_spaces.storage import Storage, tell_once
from fdsweep.search_spaces.trials import Keep
from fdsweep.trainers.modalities import Payload

SCHEMA = "fdsweep.student/1"

CONFIG, WEIGHTS, ASSETS = "config.json", "model.safetensors", "assets"
"""In the folder of an exported student: its record, its weights, the folder of its assets."""


class Network(Record):
    """What `trainers.backbones.build` is told, and the version of the backbone that was built."""

    backbone: str
    version: int
    channels: int
    outputs: int
    features: FeaturePoint
    options: dict[str, Option] = Field(default_factory=dict)


class Head(Record):
    """A head of the method's that predicts in place of the network's own.

    `sizes` is what `trainers.distillers.build` is told of the teachers; the method is as it was in
    epoch `epoch` of `epochs`.
    """

    name: str
    method: str
    version: int
    options: dict[str, Any]
    sizes: dict[str, Any]
    epoch: int
    epochs: int


class StudentRecord(Record):
    """A kept student.

    Attributes:
        key: content key of its configuration.
        seed: of the replicate.
        keep: why it is kept: as the best of its key, or as one of all.
        config: as its key spells it.
        network: how to build it.
        head: what predicts, if it is not the network itself.
        dataset: that says how raw files are read.
        data_fingerprint: of what it was trained on.
        modality: that it takes.
        payload: how a sample of it is laid out.
        assets: sha256 by name of the files that raw samples are read with.
        task: what it learnt, and `metric` what scores are of.
        classes: in the order of the outputs.
        best_score: a fraction on the split that chose the epoch and head; of the seeds of a key
            the highest is the best.
        val_score: on validation; None where none was held out.
        test_score: on test, at that epoch.
        licence: of the data; empty where nobody says.
        source: of the data.
        size: bytes of the weights.
        fdsweep_version: that trained it.
    """

    key: str
    seed: int
    keep: Keep
    config: dict[str, Any]
    network: Network
    head: Head | None
    dataset: str
    data_fingerprint: str
    modality: str
    payload: Payload
    assets: dict[str, str]
    task: str
    metric: str
    classes: tuple[str, ...]
    best_score: float
    val_score: float | None
    test_score: float
    licence: str
    source: str
    size: int
    fdsweep_version: str

    @property
    def name(self) -> str:
        """What the user calls it by; its beginning will do."""
        return f"{self.key}-{self.seed}"

    @property
    def rank(self) -> tuple[float, int]:
        """The higher, the better; of equals the lower seed."""
        return self.best_score, -self.seed


def records(kept: Storage, key: str) -> list[StudentRecord]:
    """The students of `key` that are there, by seed: a damaged one is set aside and is none."""
    names = {info.base_name for info in kept.files(layout.students(key))}
    seeds = sorted(
        int(name[:-5]) for name in names if name[:-5].isdecimal() and name[-5:] == ".json"
    )
    found = (_read(kept, key, seed) for seed in seeds)
    return [record for record in found if record is not None]


def all_records(kept: Storage) -> Iterator[StudentRecord]:
    """Every student of the storage, by key and seed."""
    keys = {place.split("/")[1] for place in kept.listing(layout.STUDENTS) if place.count("/") == 2}
    for key in sorted(keys):
        yield from records(kept, key)


def _read(kept: Storage, key: str, seed: int) -> StudentRecord | None:
    place, weights = layout.student_record(key, seed), layout.student_weights(key, seed)
    try:
        record = StudentRecord.from_text(kept.read(place), SCHEMA)
    except StorageError:
        return None  # another process has just put a better one in its place
    except OtherVersion as other:
        tell_once(f"{kept.uri(place)} is left aside: {other}.")
        return None
    except UnreadableRecord as fault:
        kept.set_aside(place, f"no student's record: {fault}")
        return None
    size = kept.size(weights)
    if size == record.size:
        return record
    set_aside(kept, record, "missing" if size is None else f"{size:,} bytes, not {record.size:,}")
    return None


def set_aside(kept: Storage, record: StudentRecord, why: str) -> None:
    """Take a student whose weights are of no use out of the way; nothing is trained for that."""
    weights = layout.student_weights(record.key, record.seed)
    if kept.exists(weights):
        kept.set_aside(weights, why)
    kept.set_aside(layout.student_record(record.key, record.seed), f"its weights: {why}")


def drop(kept: Storage, record: StudentRecord) -> None:
    """Delete a student; another process may be faster."""
    for place in (layout.student_record, layout.student_weights):
        with contextlib.suppress(OSError):
            kept.delete_file(place(record.key, record.seed))
