"""The page of YAML files: every field of a sweep, a space and a data set, from their models."""

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files
from pydantic import BaseModel

from fdsweep.orchestrator.drafts import words
from fdsweep.orchestrator.drafts.schemas import schema
from fdsweep.search_spaces.spaces.space import Parameter, Space
from fdsweep.search_spaces.sweep import Row, Sweep
from fdsweep.trainers.datasets.table.columns import KINDS
from fdsweep.trainers.datasets.table.description import Description, Training

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

PAGE = "reference/files.md"
SCHEMAS = ("sweep", "space", "data")
OF_THE_FILES_NAME = ("study", "space", "title")
"""Fields that may be left out in a file, as its name says them."""
HEAD = """\
# Fields of YAML files

What a file may say. A field that is not here is refused by name, and so is a value of another type.
Fields with “needed” have no default; of all others the default stands beside them, where a blank
means that the data set or the method decides. The same as JSON schemas, by which
[editors complete files](../how-to/command-line.md#files-with-help): [sweep](sweep.schema.json),
[space](space.schema.json), [data](data.schema.json); `fdsweep schema sweep` prints that of your
installation.
"""
SECTIONS: dict[str, tuple[str, dict[str, tuple[type[BaseModel], dict[str, str]]]]] = {
    "A study: `fdsweep run`": (
        "[A study of your own](../how-to/studies.md#a-study-of-your-own) shows one. Its name is by "
        "default that of the file.",
        {"The file": (Sweep, words.SWEEP), "A row": (Row, words.ROW)},
    ),
    "A space: `fdsweep search --space`": (
        "[Search](../how-to/search.md) shows one.",
        {"The file": (Space, words.SPACE), "A parameter": (Parameter, words.PARAMETER)},
    ),
    "A data set: `fdsweep prepare`": (
        "[Your own data](../how-to/your-data.md) says what each kind becomes.",
        {
            "The file": (Description, words.DATA),
            "`training`": (Training, words.TRAINING),
            **{
                f"A modality of kind `{name}`": (kind, words.COLUMN) for name, kind in KINDS.items()
            },
        },
    ),
}


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add the page, and the schemas beside it."""
    files.append(File.generated(config, PAGE, content=page()))
    for name in SCHEMAS:
        place, text = f"reference/{name}.schema.json", json.dumps(schema(name), indent=1)
        files.append(File.generated(config, place, content=text))
    return files


def page() -> str:
    """The page in Markdown, a table per model."""
    parts = [HEAD]
    for title, (told, models) in SECTIONS.items():
        parts += [f"## {title}", told]
        for name, (model, said) in models.items():
            parts += [f"### {name}", _prose(model), _table(model, said)]
    return "\n\n".join(parts) + "\n"


def _prose(model: type[BaseModel]) -> str:
    """The docstring of `model` without its headings for programmers."""
    text = inspect.cleandoc(model.__doc__ or "")
    return re.split(r"^(?:Example|Raises|Attributes):$", text, maxsplit=1, flags=re.M)[0].strip()


def _table(model: type[BaseModel], said: dict[str, str]) -> str:
    described = model.model_json_schema()
    shared = described.get("$defs", {})
    needed = {*described.get("required", ())} - {*OF_THE_FILES_NAME}
    lines = ["| field | takes | default | |", "| --- | --- | --- | --- |"]
    for name, field in described.get("properties", {}).items():
        default = "needed" if name in needed else _spell(field.get("default"))
        told = said.get(name, "").replace("|", "\\|")
        lines.append(f"| `{name}` | {_type(field, shared)} | {default} | {told} |")
    return "\n".join(lines)


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "" if value in (None, "", [], {}) else f"`{value}`"


def _type(field: dict[str, Any], shared: dict[str, Any]) -> str:
    """What `field` of a JSON schema takes, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return _type(shared[name], shared) if "properties" not in shared[name] else name.lower()
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{one}`" for one in field["enum"] if one != "") or "text"
    if "anyOf" in field:
        kinds = dict.fromkeys(
            _type(one, shared) for one in field["anyOf"] if one != {"type": "null"}
        )
        return " or ".join(kinds)
    kind = field.get("type")
    if kind == "array":
        return f"list of {_type(field.get('items', {}), shared)}"
    if kind == "object":
        inner = field.get("additionalProperties")
        return f"name: {_type(inner, shared)}" if isinstance(inner, dict) else "fields"
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
    }
    return words.get(kind or "", "anything") + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    spelt = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    told = [f"{words} {field[key]:,}" for key, words in spelt.items() if key in field]
    return f", {' and '.join(told)}" if told else ""
