"""The YAML file that describes a data set of one's own: a table, and what its columns are."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.fields import Count, Fields, Heading, Words, read_fields, refusal
from fdsweep.trainers.datasets.table import NAME
from fdsweep.trainers.datasets.table.columns import Column, make_column
from fdsweep.trainers.datasets.table.rows import Rows

MODALITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
TAKEN = ("sample_id", "group", "label", "split", "label_map", "clean_text")
"""Columns of every shard, which no modality may be called."""


class Training(Fields):
    """How networks are trained by default; what is left out is as in `OptimConfig`."""

    epochs: Count | None = None
    batch_size: Count | None = None
    lr: Annotated[float, Field(gt=0)] | None = None
    final_lr: Annotated[float, Field(gt=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    optimizer: str | None = None
    schedule: str | None = None
    warmup_epochs: Annotated[float, Field(ge=0)] | None = None

    @property
    def optim(self) -> OptimConfig:
        """The same with nothing left out; ConfigError for what cannot be used."""
        return OptimConfig(**self.model_dump(exclude_none=True))


class Description(Fields):
    """A data set as a person describes it.

    `table` is a CSV or Parquet file, or a saved data set's folder, its path relative to the
    description. `label`, `labels`, `mask`, `sample_id`, `group` and `split` name columns of it: in
    place of a `label` for each sample `labels` may hold several, and `mask` a picture with a class
    for each pixel; samples need none of these where the `task` is retrieval, and a table need not
    have the other three. With `folds` each seed tests another part of so many, and validates on the
    next. `classes` gives the order of the labels, and what the numbers in a mask mean, from 0.
    `modalities` are columns by the name of what they become, as `make_column` takes them.
    """

    name: Annotated[str, Field(pattern=NAME, max_length=60)]
    table: Words
    sample_id: str | None = "sample_id"
    label: str | None = "label"
    labels: str | None = None
    mask: str | None = None
    task: Literal["retrieval"] | None = None
    group: str | None = "group"
    split: str | None = "split"
    folds: Annotated[int, Field(ge=3, le=100)] | None = None
    classes: Annotated[tuple[str, ...], Field(strict=False, max_length=10_000)] = ()
    modalities: dict[str, dict[str, Any]]
    training: Training = Training()
    about: Heading = ""
    source: Heading = ""
    licence: Heading = ""
    url: Heading = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """A description that was checked: `said` as it stands, and what follows from it.

    Attributes:
        path: of the description.
        table: the path of the table.
        columns: by modality.
        optim: the default training.
    """

    path: Path
    said: Description
    table: Path
    columns: Mapping[str, Column]
    optim: OptimConfig

    def asked_for(self, role: str) -> bool:
        """Whether the column of `role`, such as "group", is named: then the table must have it."""
        return role in self.said.model_fields_set

    def cells(self, rows: Rows, role: str) -> list[str] | None:
        """The column of `role` in `rows`; None if the table need not have it, and has not.

        Raises:
            DataError: it is asked for and not there.
        """
        name: str | None = getattr(self.said, role)
        if name is None or (name not in rows.columns and not self.asked_for(role)):
            return None
        return rows.column(name, role.replace("_", " "))


def read_description(path: Path) -> Described:
    """The description in the YAML file `path`; the file's name is the default for `name`.

    Raises:
        ConfigError: no such file, not YAML, or a field that is missing, misspelt or wrong.
    """
    content = read_fields(path, Description)
    content.setdefault("name", path.stem.lower().replace("_", "-"))
    try:
        said = Description.model_validate(content)
    except ValidationError as error:
        raise refusal(error, str(path), Description, {"training": Training}) from None
    _check_names(said, path)
    columns = {
        name: make_column(fields, f"{path}, modalities.{name}")
        for name, fields in said.modalities.items()
    }
    _check_kinds(said, columns, path)
    return Described(
        path=path,
        said=said,
        table=path.parent / said.table,
        columns=columns,
        optim=said.training.optim,
    )


def _check_names(said: Description, path: Path) -> None:
    if len(said.modalities) < 2:
        what = "one modality is too few, as one learns from another"
        raise ConfigError(what, f"{path}, modalities", "Give two or more")
    for name in said.modalities:
        if not MODALITY.fullmatch(name) or name in TAKEN:
            fix = "Take letters and digits, and none of " + ", ".join(TAKEN)
            raise ConfigError(f"{name!r} cannot be a modality's name", f"{path}, modalities", fix)
    if said.folds is not None and "split" in said.model_fields_set and said.split is not None:
        raise ConfigError("both are given", f"{path}, split and folds", "Give one of them")
    if said.labels is not None:
        for role in ("label", "mask"):
            if role in said.model_fields_set and getattr(said, role) is not None:
                fix = "Give one of them"
                raise ConfigError("both are given", f"{path}, {role} and labels", fix)
    if said.task is not None:
        for role in ("label", "labels", "mask"):
            if role in said.model_fields_set and getattr(said, role) is not None:
                what = "pairs are told by the row alone, and both are given"
                raise ConfigError(what, f"{path}, {role} and task", f"Leave {role} or task out")
    if len(set(said.classes)) < len(said.classes):
        raise ConfigError("a class stands twice", f"{path}, classes", "Name each once")


def _check_kinds(said: Description, columns: Mapping[str, Column], path: Path) -> None:
    """Pixels have classes if there is a mask, and then every modality is a picture of them."""
    for name, column in columns.items():
        if column.dense != (said.mask is not None):
            what = f"{column.kind} is for tables {'with' if column.dense else 'without'} a `mask`"
            raise ConfigError(what, f"{path}, modalities.{name}", "Take another kind")
    if said.mask is not None and not said.classes:
        what = "a mask's numbers have no names"
        raise ConfigError(what, f"{path}, classes", "Name the classes of 0, 1, 2 and so on")
