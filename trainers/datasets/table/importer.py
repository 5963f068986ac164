"""The importer of tables: what a description declares, and what it makes of raw files."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from typing_extensions import override

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import ConfigError, DataError, unknown
from fdsweep.trainers.datasets import HERE, DataLocation, Fold, Modality, registry
from fdsweep.trainers.datasets.prepared import LABEL_MAP, Payload, Prepared
from fdsweep.trainers.datasets.table.arrow import file_of
from fdsweep.trainers.datasets.table.columns import Text, make_column
from fdsweep.trainers.datasets.table.description import Described, read_description
from fdsweep.trainers.datasets.table.listing import COLUMNS, Listed, asset_name, list_samples
from fdsweep.trainers.datasets.table.rows import read_rows
from fdsweep.trainers.imports.lazy import torch
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Catalog, Damaged, Item, Options
from fdsweep.trainers.preparation.manifest import Declared
from fdsweep.trainers.preparation.splits import SPLITS, turn

IGNORE = 255
"""In a mask, a pixel without a class."""


class Table(Prepared):
    """A table, as its description declares it; `listed` are its samples, to prepare them."""

    version: ClassVar = 1
    declared: Declared

    def __init__(
        self, location: DataLocation, name: str, declared: Declared, listed: Catalog | None = None
    ) -> None:
        super().__init__(location)
        self.declared = declared
        self.listed = listed
        self.columns = {
            modality: make_column(said, name) for modality, said in declared.columns.items()
        }
        payloads = {modality: column.payload for modality, column in self.columns.items()}
        if declared.pixel_classes:
            first = next(iter(payloads.values()))
            payloads[LABEL_MAP] = Payload("scene-labels", first.shape)
        # An importer says these as attributes of its class, a table for itself.
        vars(self).update(
            name=name,
            modalities=tuple(
                Modality(modality, column.in_channels, declared.backbones[modality])
                for modality, column in self.columns.items()
            ),
            payloads=payloads,
            read_with=(COLUMNS, *map(asset_name, self.columns)),
            pixel_classes=declared.pixel_classes,
            set_classes=declared.set_classes,
            optim=declared.optim,
            about=declared.about,
            source=declared.source,
            licence=declared.licence,
            url=declared.url,
        )

    @override
    def _facts(self) -> Iterator[str]:
        yield from super()._facts()
        if self.declared.parts:
            yield (
                f"Splits are {self.manifest.split}; vocabularies, scales and lengths, where there "
                "are any to learn, are learnt from all samples, without their labels."
            )

    def __reduce__(self) -> tuple[type["Table"], tuple[DataLocation, str, Declared]]:
        return Table, (self.location, self.name, self.declared)  # workers need no list of all

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        assert self.listed, "it was read to be prepared"
        for option in ("split_dir", "task", "tokenizer"):
            if getattr(options, option) is not None:
                where = f"--{option.replace('_', '-')}"
                raise ConfigError("is not for a table", where, "Its YAML file says such things")
        return self.listed

    @override
    def folds(self, modalities: Collection[str] | None = None) -> Callable[[int], Fold]:
        fixed, parts = super().folds(modalities), self.declared.parts
        if not parts:
            return fixed
        whole, folds = fixed(0), 1 + max(parts.values())
        if len({parts[group] for group in whole.groups}) < folds:
            what = f"all samples of one of {folds} folds are missing or damaged"
            raise DataError(what, self.name, self.manifest.again)

        def fold_of(seed: int) -> Fold:
            turns = [turn(parts[group], seed, folds) for group in whole.groups]
            train, val, test = (
                torch.tensor([i for i, own in enumerate(turns) if own == split]) for split in SPLITS
            )
            return replace(whole, train=train, val=val, test=test)

        return fold_of

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        decoded, words = {}, []
        for name, column in self.columns.items():
            cell = str(item.parts[name])
            try:
                decoded[name] = column.decode(raw, cell, assets.get(asset_name(name)))
                if isinstance(column, Text):
                    words.append(column.words(raw, cell))
            except Damaged as damage:
                raise Damaged(f"{name}: {damage}") from None
        if words:
            from fdsweep.trainers.modalities.tokens import TEXT  # brings torch

            decoded[TEXT] = " / ".join(words)
        if self.pixel_classes:
            with file_of(raw, str(item.parts[LABEL_MAP])) as path:
                decoded[LABEL_MAP] = self._mask(path, decoded)
        return decoded

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        return [self.columns[modality].read(file, assets.get(asset_name(modality)))]

    def _mask(self, path: Path, decoded: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """The classes of the pixels; Damaged if they are no such, or of another size."""
        pixels = media.raster(path)
        known = pixels[pixels != IGNORE]
        if not known.size:
            raise Damaged("mask: no pixel has a class")
        if known.max() >= len(self.pixel_classes) or known.min() < 0:
            most = len(self.pixel_classes) - 1
            raise Damaged(f"mask: numbers from {known.min()} to {known.max()}, not 0 to {most}")
        for name, picture in decoded.items():
            if picture.shape[:2] != pixels.shape:
                raise Damaged(f"mask: {pixels.shape}, while {name} is {picture.shape[:2]}")
        return pixels.astype(np.uint8)


def read_table(path: Path, raw: Path | None, storage: str) -> tuple[Table, Path]:
    """The table that the YAML file `path` describes, to be prepared, and where its files lie.

    Paths in it are relative to `raw`, by default the folder of the table.

    Raises:
        ConfigError: the description cannot be used.
        DataError: the table, or what it says of its samples, cannot be used.
    """
    described = read_description(path)
    _check_networks(described)
    if described.said.name in registry:
        what = f"{described.said.name} is the name of another data set"
        raise ConfigError(what, f"{path}, name", "Take another")
    rows = read_rows(described.table)
    if raw is not None and described.table.is_dir():
        what = f"the files of {described.table} lie in it, or where it says"
        raise ConfigError(what, str(raw), "Leave this folder out")
    folder = rows.folder if raw is None else raw
    listed = list_samples(described, rows, folder)
    declared = _declared(described, listed)
    return Table(DataLocation(storage), described.said.name, declared, listed.catalog), folder


def of_assets(name: str, assets: Mapping[str, bytes]) -> Table:
    """The table `name` as far as raw files are read, from the `assets` of one of its students.

    Raises:
        ConfigError: they are not those of a table.
    """
    if COLUMNS not in assets:
        raise unknown("data set", name, registry.names(), "")
    columns = json.loads(assets[COLUMNS])
    return Table(
        HERE,
        name,
        Declared(
            columns=columns,
            backbones={one: make_column(said, name).suits for one, said in columns.items()},
            optim=OptimConfig(),
            pixel_classes=(),
            about="",
            source="",
            licence="",
            url="",
            parts={},
        ),
    )


def _check_networks(described: Described) -> None:
    """ConfigError for a backbone, optimiser or schedule that does not exist, or is of no use."""
    from fdsweep.trainers import backbones, optimisation  # bring torch

    optimisation.versioned(described.optim)
    for name, column in described.columns.items():
        backbone = column.backbone or column.suits
        where = f"{described.path}, modalities.{name}"
        if not backbones.is_known(backbone):
            raise unknown("backbone", backbone, backbones.names(), where)
        if backbones.is_dense(backbone) != column.dense:
            of = "every pixel" if backbones.is_dense(backbone) else "every sample"
            what = f"{backbone} predicts a class of {of}, which is not what the table has"
            raise ConfigError(what, where, f"Take another, such as {column.suits}")


def _declared(described: Described, listed: Listed) -> Declared:
    said, columns = described.said, listed.columns
    return Declared(
        columns={name: column.spelling for name, column in columns.items()},
        backbones={name: column.backbone or column.suits for name, column in columns.items()},
        optim=described.optim,
        pixel_classes=said.classes if said.mask is not None else (),
        about=said.about or f"{described.table.name}, a table of {' and '.join(columns)}",
        source=said.source or f"described in {described.path.name}",
        licence=said.licence or "none stated",
        url=said.url,
        parts=listed.parts,
        set_classes=listed.set_classes,
        task=said.task or "",
    )
