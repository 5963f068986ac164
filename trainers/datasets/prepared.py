"""What every data set is that `fdsweep prepare` turns from raw files into shards.

takes   a raw tree as it is downloaded
yields  Parquet shards, one row per sample, and a manifest (trainers/preparation/shards.py)
splits  those of the manifest, the same for every seed; validation is carved from training
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.trials import READING_GB
from fdsweep.trainers import modalities as kinds
from fdsweep.trainers.datasets import HERE, DataLocation, Dataset, DatasetInfo, Fold
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.modalities import Inputs, Payload
from fdsweep.trainers.preparation import reading
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options
from fdsweep.trainers.preparation.manifest import Declared, Manifest, load_manifest
from fdsweep.trainers.preparation.reading import read_rows, read_table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FRAMES", "LABEL_MAP", "Payload", "Prepared"]

LABEL_MAP = "label_map"
"""The payload beside the modalities' that holds the classes of a sample's pixels."""

FRAME_SIDE = 360
"""Short side of a stored frame at most, where nothing else is asked for; CREMA-D's are 480x360."""

FRAMES = Payload("frames", (FRAME_SIDE,))
"""Pictures, unless `--frame-side` asks for others."""


SEPARATOR = ";"
"""Between the labels of a sample that has several."""

NO_LABEL = "(none)"
"""What the set is called of a sample that has none of the classes."""


def spell_set(labels: Sequence[str]) -> str:
    """The name of a set of labels."""
    return SEPARATOR.join(labels) or NO_LABEL


def members(name: str) -> tuple[str, ...]:
    """The labels in the set of that `name`.

    Example:
        >>> members("rain;wind"), members("(none)")
        (('rain', 'wind'), ())
    """
    return () if name == NO_LABEL else tuple(name.split(SEPARATOR))


class Prepared(Dataset):
    """A data set with an importer.

    Attributes:
        name: as users type it, and the name it is registered under; `ave@c2kd` is a variant.
        payloads: how each modality lies in a shard, by its name, and LABEL_MAP where pixels have
            classes.
        pixel_classes: of the pixels, where they have any; a sample's own is then its scene.
        set_classes: those a sample may have several of, if it may; its own is then the name of
            their set (`spell_set`), in the order of the classes.
        optim: how its networks are trained by default.
        lists: what `--split-dir` must hold for the published split, where the tree lacks it.
        read_with: names of the assets without which a raw sample cannot be read.
        default_task: the labelling that `--task` replaces, where there are several.
        declared: what a table says of itself (`datasets.table`), for its manifest.
        version: raised when the importer gives other shards from the same files.
    """

    name: ClassVar[str]
    payloads: ClassVar[dict[str, Payload]]
    pixel_classes: ClassVar[tuple[str, ...]] = ()
    set_classes: ClassVar[tuple[str, ...]] = ()
    optim: ClassVar[OptimConfig] = OptimConfig()
    lists: ClassVar[str] = ""
    read_with: ClassVar[tuple[str, ...]] = ()
    default_task: ClassVar[str] = ""
    declared: Declared | None = None
    version: ClassVar[int] = 2

    def __init__(self, location: DataLocation = HERE) -> None:
        self.location = location

    @cached_property
    def manifest(self) -> Manifest:
        """What was prepared; DataError if nothing was."""
        return load_manifest(self.location.storage, self.name)

    @property
    @override
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            name=self.name,
            modalities=tuple(
                replace(modality, payload=self.manifest.payloads[modality.name])
                for modality in self.modalities
            ),
            classes=self.pixel_classes or self.set_classes or self.manifest.classes,
            fingerprint=self.manifest.fingerprint,
            optim=self.optim,
            source=self.source,
            notes=tuple(self._facts()),
            task=self._task,
            split=self.manifest.split,
            labelling=self.labelling,
            variant=self.manifest.variant,
            scenes=self.manifest.classes if self.pixel_classes or self.set_classes else (),
            licence=self.licence,
            assets={k: v for k, v in self.manifest.assets.items() if k in self.read_with},
        )

    @override
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        names = [m.name for m in self.modalities if modalities is None or m.name in modalities]
        known = read_table(
            self.location.storage, self.manifest, ["sample_id", "group", "label", "split"]
        ).to_pydict()
        parts = {
            split: torch.tensor([i for i, one in enumerate(known["split"]) if one == split])
            for split in ("train", "val", "test")
        }
        for split, part in parts.items():
            if not len(part):
                raise DataError(f"no sample is in the {split} split", self.name, "Prepare it again")
        read = [*names, LABEL_MAP] if self.pixel_classes else names
        streams = self._streams(read)
        inputs = {name: self._inputs(name, streams) for name in read}
        labels = torch.tensor(known["label"])
        fold = Fold(
            num_classes=len(self.info.classes),
            inputs={name: inputs[name] for name in names},
            labels=labels,
            groups=tuple(known["group"]),
            sample_ids=tuple(known["sample_id"]),
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
            label_maps=inputs.get(LABEL_MAP),
            label_sets=self._members()[labels] if self.set_classes else None,
        )
        return lambda _seed: fold  # the manifest's splits for every seed

    @override
    def fetch(self) -> None:
        from fdsweep.trainers.distributed import beat  # brings torch
        from fdsweep.trainers.loaders.pipeline import usable_cores

        reading.fetch(self.location.storage, self.manifest, usable_cores(), beat)

    @property
    @override
    def counts(self) -> dict[str, dict[str, int]]:
        return self.manifest.counts

    @override
    def samples_to_show(self, fold: Fold, modality: str, samples: Tensor) -> Sequence[Any]:
        column = kinds.find(self.manifest.payloads[modality]).shown
        if column is None:
            return super().samples_to_show(fold, modality, samples)
        table = read_rows(self.location.storage, self.manifest, samples.tolist(), [column])
        shown: list[Any] = table[column].to_pylist()
        return shown

    @property
    def labelling(self) -> str:
        """The labels that were asked for; empty where there is but one kind."""
        return self.manifest.options.get("task") or self.default_task

    @property
    def _task(self) -> str:
        if self.declared and self.declared.task:
            return self.declared.task
        if self.pixel_classes:
            return "segmentation"
        return "multilabel" if self.set_classes else "classification"

    def _members(self) -> Tensor:
        """[sets, classes], 1 for the classes of each set and 0 for others."""
        sets = [members(name) for name in self.manifest.classes]
        return torch.tensor([[float(one in own) for one in self.set_classes] for own in sets])

    def _facts(self) -> Iterator[str]:
        if self.labelling:
            yield f"Labels of the task {self.labelling}."
        for pair, count in self.manifest.shared_groups.items():
            if count:
                one, other = pair.split("/")
                yield f"Splits {one} and {other} share {count} groups (speakers or videos)."
        left_out = len(self.manifest.missing) + len(self.manifest.damaged)
        if left_out:
            yield f"{left_out} listed samples were missing or damaged and are left out."

    def _streams(self, payloads: Collection[str]) -> bool:
        """Whether the data are too large to hold in memory."""
        loading = self.location.loading
        if loading.mode != "auto":
            return loading.mode == "streaming"
        from fdsweep.trainers.loaders import resident  # brings torch

        needed = sum(resident.nbytes(self.manifest, name) for name in payloads)
        return needed / 1e9 + READING_GB > loading.memory_gb

    def _inputs(self, modality: str, streams: bool) -> Inputs:
        from fdsweep.trainers.loaders import resident  # brings torch
        from fdsweep.trainers.loaders.streaming import Streamed

        storage, manifest = self.location.storage, self.manifest
        if streams:
            return Streamed(storage=storage, manifest=manifest, modality=modality)
        return resident.load(storage, manifest, modality)

    @abstractmethod
    def catalog(self, raw: Path, options: Options) -> Catalog:
        """List the samples of the raw tree, without decoding any.

        Raises:
            DataError: the tree or a list is not what it should be (`wrong_tree`).
            ConfigError: an option that cannot be used.
        """

    @abstractmethod
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        """The payload of every modality of `item`, and what its kind wants beside, by column.

        Raises:
            Damaged: one of its files is of no use.
        """

    def finish(self, raw: Path, catalog: Catalog) -> tuple[str, ...]:
        """Sentences for the manifest that need a look at all samples together."""
        del raw, catalog
        return ()
