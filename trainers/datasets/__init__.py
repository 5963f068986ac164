"""Data sets: one module each, found through the registry or the entry points `fdsweep.datasets`.

A data set is made from the `DataLocation` of its files; it says what it is before its samples are
read (`info`), and `folds()` reads it once and gives one `Fold` per seed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from fdsweep.search_spaces.configs import OptimConfig, Option
from fdsweep.search_spaces.errors import ConfigError, DataError, first_line, unknown
from fdsweep.search_spaces.fields import OWN, Direction, parse_variant, spell_variant
from fdsweep.search_spaces.trials import AUTO, Loading
from fdsweep.trainers.modalities import Inputs, Payload
from fdsweep.trainers.registry import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SIGNAL = Payload("signal")
SCENE = "scene"
"""What the stream of an augmentation is called that all modalities share."""


@dataclass(frozen=True, slots=True)
class Modality:
    """A modality's name, its input channels, the backbone that suits its shape, and what it is."""

    name: str
    channels: int
    backbone: str
    payload: Payload = SIGNAL


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetInfo:
    """What is known of a data set before it is read.

    `fingerprint` names the content and its preparation: other numbers, other fingerprint. `notes`
    are sentences that a report should not leave out, `task` is what its labels are for. `classes`
    are those of the samples or, where the task predicts every pixel, those of the pixels; then
    `scenes` are the samples' own. Where a sample may have several of the classes, or none, `scenes`
    are the sets of them that occur.

    What a paper's numbers may differ in: `split` says in a few words which samples train and test
    (empty where unknown), `labelling` which of several labels they have, `variant` how they are
    read (`own`, or whose way was asked for).

    What whoever uses a trained network must know: the `licence` of the data, and `assets`, the
    files (name -> sha256) that raw samples are read with, such as a vocabulary.

    `suited` are options of methods, by method, that a comparison on it takes in place of defaults
    that were published for larger data.
    """

    name: str
    modalities: tuple[Modality, ...]
    classes: tuple[str, ...]
    fingerprint: str
    optim: OptimConfig
    source: str
    notes: tuple[str, ...] = ()
    task: str = "classification"
    split: str = ""
    labelling: str = ""
    variant: str = OWN
    scenes: tuple[str, ...] = ()
    licence: str = ""
    assets: Mapping[str, str] = field(default_factory=dict)
    suited: Mapping[str, Mapping[str, Option]] = field(default_factory=dict)

    @property
    def sample_classes(self) -> tuple[str, ...]:
        """Names of the values of `Fold.labels`."""
        return self.scenes or self.classes

    def modality(self, name: str) -> Modality:
        """The modality `name`; ConfigError for another."""
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise unknown("modality", name, (m.name for m in self.modalities), self.name)

    def directions(self, asked: tuple[str, ...] = ()) -> tuple[Direction, ...]:
        """The directions `asked`, such as "audio->visual"; all ordered pairs if none is.

        "*" stands for modalities as `Direction.among` says.

        Raises:
            ConfigError: a direction that is not of different modalities of this data set.
        """
        names = [modality.name for modality in self.modalities]
        pairs = [Direction((t,), s) for t in names for s in names if t != s]
        spelt = (one for text in asked for one in Direction.parse(text).among(names))
        found = tuple(dict.fromkeys(spelt))
        for direction in found:
            if not {*direction.teachers, direction.student} <= set(names):
                raise unknown("direction", direction, pairs, "--direction")
        return found or tuple(pairs)


class Scaling(NamedTuple):
    """How a modality's samples were standardised: (x - `mean`) / `std`, of one sample's shape."""

    mean: Tensor
    std: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """One seed's view: inputs per modality, labels [N], and who is in which split.

    `train`, `val` and `test` index the samples; `groups` (subject or speaker) and `sample_ids`
    name them. What is standardised with statistics of the data uses those of `train`, which stand
    in `scaling` by modality. Where a task
    predicts every pixel, `label_maps` hold the pixels' classes, in batches [B, H, W] of int64 with
    `pixels.IGNORE` where there is none, and `labels` are the scenes, which nothing is trained on.
    Where a sample has any number of labels, `label_sets` [N, C] are 1 for those it has and 0 for
    others, and `labels` number the sets that occur.
    """

    num_classes: int
    inputs: dict[str, Inputs]
    labels: Tensor
    groups: tuple[str, ...]
    sample_ids: tuple[str, ...]
    train: Tensor
    val: Tensor
    test: Tensor
    label_maps: Inputs | None = None
    label_sets: Tensor | None = None
    scaling: Mapping[str, Scaling] = field(default_factory=dict)

    @property
    def known(self) -> Tensor:
        """What is known of every sample, [N] or [N, C]; pixels' classes stand in `label_maps`."""
        return self.labels if self.label_sets is None else self.label_sets

    def stream(self, modality: str) -> str:
        """Name of the stream of `modality`'s augmentation: label maps move with their pictures."""
        return modality if self.label_maps is None else SCENE

    def to(self, device: torch.device) -> Fold:
        """The same fold with its tensors on `device`."""
        return Fold(
            num_classes=self.num_classes,
            inputs={name: x.to(device) for name, x in self.inputs.items()},
            labels=self.labels.to(device),
            groups=self.groups,
            sample_ids=self.sample_ids,
            train=self.train.to(device),
            val=self.val.to(device),
            test=self.test.to(device),
            label_maps=self.label_maps and self.label_maps.to(device),
            label_sets=None if self.label_sets is None else self.label_sets.to(device),
            scaling=self.scaling,
        )


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where a data set's files lie and how they are loaded; nothing here changes a number."""

    storage: str = "."
    loading: Loading = AUTO


class Dataset(ABC):
    """What the rest asks of a data set.

    Attributes:
        modalities: with the backbone that suits each.
        about: what it holds, for people.
        source: the paper.
        licence: of the data.
        url: where it can be had.
        expects: the raw tree, drawn for people, where there is one.
    """

    modalities: ClassVar[tuple[Modality, ...]]
    about: ClassVar[str] = ""
    source: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    url: ClassVar[str] = ""
    expects: ClassVar[str] = ""

    @property
    @abstractmethod
    def info(self) -> DatasetInfo:
        """What is known before reading; DataError if it must be prepared first."""

    @abstractmethod
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        """Read `modalities` (all by default) once; the result gives the fold of a seed.

        Raises:
            DataError: it cannot be read.
        """

    def view(self, modality: str) -> Tensor:
        """The evaluated view [1, ...] of a sample of `modality`; DataError if none can be read."""
        fold = self.folds((modality,))(0)
        (view,) = fold.inputs[modality].batches([fold.test[:1]])
        return view

    def fetch(self) -> None:
        """Bring near what a training reads again and again, if it lies far away."""
        return

    @property
    def counts(self) -> dict[str, dict[str, int]] | None:
        """Samples per split and class, if they are known without reading; DataError as `info`."""
        return None

    def samples_to_show(self, fold: Fold, modality: str, samples: Tensor) -> Sequence[Any]:
        """What the kind of `modality` shows of `samples` [N]: their evaluated views.

        Raises:
            DataError: they cannot be read.
        """
        (views,) = fold.inputs[modality].batches([samples])
        return list(views)

    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        """Each sample that a raw `file` holds of `modality`, as its kind encodes it.

        Unless a data set says more, that is a NumPy array of one sample. `assets` are the contents
        of those in `info`.

        Raises:
            Damaged: the file is of no use.
            DataError: such files cannot be read at all.
        """
        import numpy as np  # slow to import

        del assets
        if file.suffix != ".npy":
            what = f"{modality} of this data set is read from NumPy arrays (.npy) alone"
            raise DataError(what, str(file), "Save a sample's array with numpy.save")
        try:
            return [np.load(file, allow_pickle=False)]
        except (OSError, ValueError) as error:
            raise DataError(f"is no NumPy array ({first_line(error)})", str(file)) from None


HERE = DataLocation()


registry: Registry[Dataset] = Registry("data set", "fdsweep.trainers.datasets", "fdsweep.datasets")


def find(name: str, location: DataLocation = HERE) -> Dataset:
    """The data set `name`, of a module or a table that was prepared at `location`.

    Raises:
        ConfigError: there is none of that name; those there are are named.
        DataError: it is a table whose manifest cannot be read.
    """
    if name in registry:
        return registry.get(name).factory(location)
    from fdsweep.trainers.datasets import table  # stands on this module

    found = table.find(name, location)
    if found is None:
        own = table.names(location.storage)
        raise unknown("data set", name, (*names(), *own), "")
    return found


def find_reader(name: str, assets: Mapping[str, bytes]) -> Dataset:
    """The data set `name`, for raw files only: a table is told by the `assets` of its samples.

    Raises:
        ConfigError: there is none of that name, and the assets are not a table's.
    """
    if name in registry:
        return find(name)
    from fdsweep.trainers.datasets.table import importer  # stands on this module

    return importer.of_assets(name, assets)


def names() -> tuple[str, ...]:
    """Names of all data sets that have modules."""
    return registry.names()


def with_variant(name: str, variant: str) -> str:
    """The name of the data set `name` where it is read as `variant` says.

    Raises:
        ConfigError: no such data set, or a variant that it lacks.
    """
    base = registry.get(parse_variant(name)[0]).name
    known = [other for owner, other in map(parse_variant, names()) if owner == base]
    if variant not in known:
        raise unknown("variant", variant, known, f"{base} --variant")
    return spell_variant(base, variant)


def check_batch(info: DatasetInfo, batch_size: int, workers: int) -> None:
    """ConfigError if a global batch is too small for each of `workers` to have a part of it."""
    if batch_size < workers:
        raise ConfigError(
            f"a batch of {batch_size} leaves nothing to some of {workers} workers",
            f"--workers-per-trial on {info.name}",
            f"Give {batch_size} or fewer",
        )
