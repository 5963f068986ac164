"""`fdsweep init data`: a description of a table, as far as the table itself tells."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fdsweep.search_spaces.documents import spell_yaml
from fdsweep.search_spaces.errors import ConfigError, DataError, clipped
from fdsweep.trainers.datasets.table.arrow import SEPARATOR, file_of, is_there
from fdsweep.trainers.datasets.table.columns import KINDS, Column
from fdsweep.trainers.datasets.table.description import MODALITY, TAKEN
from fdsweep.trainers.datasets.table.rows import Rows, read_rows
from fdsweep.trainers.datasets.table.splitting import WORDS
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged

ROLES = {
    "sample_id": ("sample_id", "sample", "id", "uid", "name"),
    "label": ("label", "class", "target", "category", "y"),
    "labels": ("labels", "tags", "classes", "events"),
    "mask": ("mask", "segmentation"),
    "group": ("group", "speaker", "subject", "person", "patient", "participant", "user", "actor"),
    "split": ("split", "subset", "partition", "set", "fold"),
}
"""What people call the columns, the likeliest first."""

LOOKED_AT = 50
"""Rows whose files are opened."""

FEW = 2000
"""Below so many samples small networks are proposed, which train without a GPU."""

FOLDS = 5
"""Parts that are proposed for few samples: the seeds of a usual study test each of them."""

MIN_WORDS = 3
"""A column of texts has so many words in a cell, on average."""

MAX_CLASSES = 100
"""More are not spelt out."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What was guessed of a table.

    Attributes:
        rows: of the table.
        roles: the column of each of ROLES, as far as there is one.
        modalities: the fields of each, with what is to be said beside them.
        left_out: columns that seem to be neither.
        remarks: sentences for people.
    """

    rows: Rows
    roles: dict[str, str]
    modalities: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def write_draft(table: Path, out: Path | None, label: str | None) -> tuple[Path, Draft]:
    """Look at `table` and write its description, beside it by default; where, and what was found.

    Args:
        table: a CSV or Parquet file, or a folder of Arrow files.
        out: the YAML file to write.
        label: the column of the labels, where its name does not tell.

    Raises:
        DataError: the table cannot be read, or holds too little.
        ConfigError: there is such a file already, or it cannot be written.
    """
    path = table.with_suffix(".yaml") if out is None else out
    if path.exists():
        raise ConfigError("is there already", str(path), "Delete it, or give another --out")
    draft = make_draft(read_rows(table), label)
    try:
        path.write_text(to_yaml(draft, path.parent), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot be written ({error.strerror})", str(path)) from None
    return path, draft


def make_draft(rows: Rows, label: str | None = None) -> Draft:
    """What the columns of `rows` seem to be.

    Raises:
        DataError: none is a label, or fewer than two hold a modality.
    """
    roles = dict(_roles(rows, label))
    own = roles.get("label")
    if own and (label or "labels" not in roles) and _fits("labels", rows.columns[own]):
        roles["labels"] = own
    if "labels" in roles:
        roles.pop("label", None)
    if not {"label", "labels", "mask"} & roles.keys():
        names = clipped(", ".join(rows.columns), 300)
        fix = f"Name it: --label COLUMN, one of {names}; or, for a retrieval of pairs without "
        fix += "labels, write the YAML file by hand, with `task: retrieval`"
        raise DataError("no column seems to hold a label", str(rows.path), fix)
    draft = Draft(rows=rows, roles=roles)
    for name in rows.columns:
        if name not in roles.values():
            _add(draft, name)
    if len(draft.modalities) < 2:
        found = " and ".join(draft.modalities) or "none"
        raise DataError(
            f"holds {len(draft.modalities)} modalities ({found}), and one learns from another",
            str(rows.path),
            "Give two columns or more of paths or texts",
        )
    return draft


def to_yaml(draft: Draft, folder: Path) -> str:
    """The description of `draft`, with comments, for a file in `folder`."""
    return "\n".join(_lines(draft, folder)) + "\n"


def to_text(draft: Draft, path: Path) -> str:
    """What was found and what to do next."""
    role = next(one for one in ("mask", "labels", "label") if one in draft.roles)
    found = ", ".join(f"{name} ({said['kind']})" for name, said in draft.modalities.items())
    lines = [f"{path}: {len(draft.rows):,} samples, {role} {draft.roles[role]!r}, {found}"]
    lines += draft.remarks
    return "\n".join([*lines, f"Look at it, then type: fdsweep prepare {path}"])


def _roles(rows: Rows, label: str | None) -> Iterator[tuple[str, str]]:
    """The columns that are no modalities, told by their names and, of labels, by their cells."""
    names = {name.lower(): name for name in reversed(rows.columns)}
    for role, known in ROLES.items():
        found = [names[name] for name in known if name in names]
        if role == "label" and label is not None:
            rows.column(label, role)
            found = [label]
        fitting = [name for name in found if _fits(role, rows.columns[name])]
        if fitting:
            yield role, fitting[0]
        elif role == "label" and (guess := _likely_label(rows, names)):
            yield role, guess


def _fits(role: str, cells: Sequence[str]) -> bool:
    if role == "sample_id":
        return len(set(cells)) == len(cells)
    if role == "split":
        return all(cell.lower() in WORDS for cell in cells)
    if role == "labels":
        return any(SEPARATOR in cell for cell in cells)
    return role != "mask" or _kind(cells) == "picture"


def _likely_label(rows: Rows, names: Mapping[str, str]) -> str | None:
    """The first column of few different words that is not named like something else."""
    taken = {names[name] for known in ROLES.values() for name in known if name in names}
    for name, cells in rows.columns.items():
        kinds = len(set(cells))
        if name not in taken and _kind(cells) is None and 2 <= kinds <= len(cells) / 3:
            return name
    return None


def _kind(cells: Sequence[str]) -> str | None:
    """The kind of column that `cells` seem to be."""
    filled = [cell for cell in cells if cell]
    if not filled:
        return None
    for name, kind in KINDS.items():
        if kind.endings and all(cell.lower().endswith(kind.endings) for cell in filled):
            return name
    return "text" if sum(len(cell.split()) for cell in filled) >= MIN_WORDS * len(filled) else None


def _add(draft: Draft, name: str) -> None:
    """Take the column `name` for a modality, or leave it out."""
    cells = draft.rows.columns[name]
    kind = _kind(cells)
    if kind is None:
        draft.left_out.append(name)
        return
    if kind == "picture" and "mask" in draft.roles:
        kind = "scene"
    kinds = (kind, "audio") if kind == "video" and _has_sound(draft, cells) else (kind,)
    for one in kinds:
        modality = _free_name(draft, name if one == kind else f"{name}-sound")
        draft.modalities[modality] = _looked_at(draft, modality, name, KINDS[one])


def _has_sound(draft: Draft, cells: Sequence[str]) -> bool:
    """Whether the first video has sound."""
    try:
        with file_of(draft.rows.folder, next(filter(None, cells))) as path:
            media.sound(path)
    except Damaged:
        return False
    return True


def _free_name(draft: Draft, column: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", column).strip("-_") or "modality"
    while name in draft.modalities or name in TAKEN or not MODALITY.fullmatch(name):
        name += "-2"
    return name


def _looked_at(draft: Draft, modality: str, name: str, kind: type[Column]) -> dict[str, Any]:
    """The fields of a column, as far as the files of the first rows say them."""
    rows = draft.rows
    said: dict[str, Any] = {"kind": kind.kind, **({"column": name} if name != modality else {})}
    if len(rows) < FEW:
        said |= kind.if_few
    cells = {str(i): cell for i, cell in enumerate(rows.columns[name][:LOOKED_AT]) if cell}
    raw = rows.folder
    if kind.endings:
        gone = sum(not is_there(raw, cell) for cell in cells.values())
        if gone:
            draft.remarks.append(
                f"{gone} of the first {len(cells)} files of {name!r} are not below {raw}; "
                "paths may be relative to another folder: fdsweep prepare YAML FOLDER."
            )
        if gone == len(cells):
            return said
    try:
        settled, _ = kind().settled(cells, raw, f"{rows.path}, column {name}")
    except DataError as error:
        draft.remarks.append(str(error))
        return said
    return said | {field: getattr(settled, field) for field in kind.measured}


def _lines(draft: Draft, folder: Path) -> Iterator[str]:
    rows, roles = draft.rows, draft.roles
    try:
        table = rows.path.resolve().relative_to(folder.resolve())
    except ValueError:
        table = rows.path.resolve()
    yield f"# A data set of your own, guessed from {rows.path.name}: look it over."
    yield "# docs/how-to/your-data.md explains every field; what is left out has a default."
    yield f"table: {spell_yaml(str(table))}"
    for role in ROLES:
        yield from _role(draft, role)
    if "mask" in roles:
        yield "classes: []  # the names of the mask's numbers 0, 1, 2 and so on; 255 is no class"
    else:
        cells = rows.columns[roles.get("labels") or roles["label"]]
        parts = (part.strip() for cell in cells for part in _parts(cell, roles))
        classes = sorted(set(parts) - {""})
        if len(classes) <= MAX_CLASSES:
            every = spell_yaml(classes)
            yield f"# classes: {every}  # to set their order, or to find misspelt ones"
    yield "modalities:"
    for name, said in draft.modalities.items():
        yield f"  {name}:"
        kind = KINDS[said["kind"]]
        for key, value in said.items():
            comment = kind.hints.get(key)
            yield f"    {key}: {spell_yaml(value)}" + (f"  # {comment}" if comment else "")
    if draft.left_out:
        yield f"# Columns that are not used: {', '.join(draft.left_out)}"
    if len(rows) < FEW:
        yield "training: {epochs: 30, batch_size: 16}  # by default 100 and 64"
    yield 'licence: ""  # of the data; reports name it'
    yield 'source: ""'


def _role(draft: Draft, role: str) -> Iterator[str]:
    roles = draft.roles
    if role in roles:
        yield f"{role}: {spell_yaml(roles[role])}"
    elif role == "group":
        yield "# group: speaker  # whom a sample is of: never in two splits; the table names none"
    elif role == "split":
        yield "# split: split  # train, val or test; without it fdsweep splits, groups apart"
        if _can_rotate(draft):
            yield f"folds: {FOLDS}  # each seed tests another part of so many; or one split for all"


def _parts(cell: str, roles: Mapping[str, str]) -> list[str]:
    return cell.split(SEPARATOR) if "labels" in roles else [cell]


def _can_rotate(draft: Draft) -> bool:
    """Whether there are few samples, and groups of every class for all parts of them."""
    columns, roles = draft.rows.columns, draft.roles
    if len(draft.rows) >= FEW or "label" not in roles:
        return False
    groups = columns.get(roles.get("group", ""), [str(i) for i in range(len(draft.rows))])
    members: dict[str, set[str]] = {}
    for label, group in zip(columns[roles["label"]], groups, strict=True):
        members.setdefault(label, set()).add(group)
    return min(map(len, members.values())) >= FOLDS
