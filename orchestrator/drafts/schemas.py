"""JSON schemas of the files that people write, so that editors complete and check them.

They come from the models that read these files, and from the methods, networks and data sets that
are installed here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fdsweep.orchestrator.drafts import words
from fdsweep.orchestrator.studies import methods
from fdsweep.search_spaces.errors import unknown
from fdsweep.search_spaces.fields import Fields
from fdsweep.search_spaces.spaces.space import Space
from fdsweep.search_spaces.sweep import Row, Sweep
from fdsweep.trainers.registry import JOIN, registrations

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIRECTION = r"^[^+>]+(\+[^+>]+)*->[^+>]+$"
SCALAR = ["boolean", "number", "string", "null"]
DEFAULT_METHOD = Row.model_fields["method"].default


def schema(name: str) -> Schema:
    """The schema of a `sweep`, a `space` or a `data` set's description; ConfigError for others."""
    if name not in SCHEMAS:
        raise unknown("schema", name, SCHEMAS, "fdsweep schema")
    return {"$schema": DIALECT, **SCHEMAS[name]()}


def _sweep() -> Schema:
    found = _of(Sweep, words.SWEEP, derived=("study", "title"))
    row = found["$defs"]["Row"]
    _tell(row, words.ROW)
    row["properties"]["method"] |= _methods()
    row["allOf"] = [_options_of(one) for one in methods.overview() if "options" in one]
    _replace(found, "dataset", _likely(sorted(registrations("fdsweep.trainers.datasets"))))
    networks = sorted(registrations("fdsweep.trainers.backbones"))
    _replace(found, "backbones", {"type": "object", "additionalProperties": _likely(networks)})
    for owner in (found, row):
        owner["properties"]["directions"]["items"] = {"type": "string", "pattern": DIRECTION}
    return found


def _space() -> Schema:
    found = _of(Space, words.SPACE, derived=("space", "title"))
    parameter = found["$defs"]["Parameter"]
    _tell(parameter, words.PARAMETER)
    value: Schema = {"type": SCALAR}
    values = {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}]}
    _replace(parameter, "when", {"type": "object", "additionalProperties": values})
    return found


def _data() -> Schema:
    from fdsweep.trainers.datasets.table.columns import KINDS  # much to import
    from fdsweep.trainers.datasets.table.description import Description

    found = _of(Description, words.DATA, derived=("name",))
    _tell(found["$defs"]["Training"], words.TRAINING)
    kinds = {name: _of(kind, words.COLUMN) for name, kind in KINDS.items()}
    for name, kind in kinds.items():
        kind["properties"] = {"kind": {"const": name}, **kind["properties"]}
        kind["required"] = ["kind"]
        found["$defs"] |= kind.pop("$defs", {})
    chosen = [
        {"if": {"properties": {"kind": {"const": name}}}, "then": kind}
        for name, kind in kinds.items()
    ]
    modality = {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"enum": [*kinds], "description": words.COLUMN["kind"]}},
        "allOf": chosen,
    }
    _replace(found, "modalities", {"type": "object", "additionalProperties": modality})
    return found


SCHEMAS: Mapping[str, Callable[[], Schema]] = {"sweep": _sweep, "space": _space, "data": _data}
"""By the kind of file."""


def _of(model: type[Fields], said: Mapping[str, str], derived: tuple[str, ...] = ()) -> Schema:
    """The schema of a `model`, whose `derived` fields may be left out in a file."""
    found = model.model_json_schema()
    found["required"] = [name for name in found.get("required", ()) if name not in derived]
    _tell(found, said)
    return found


def _tell(found: Schema, said: Mapping[str, str]) -> None:
    """Put words beside the fields, and none that are meant for programmers."""
    found["description"] = found.get("description", "").partition("\n")[0]
    for name, field in found["properties"].items():
        field.pop("title", None)
        if name in said:
            field["description"] = said[name]


def _replace(found: Schema, name: str, values: Schema) -> None:
    """Let a field take other `values`, and keep its words."""
    told = found["properties"][name]
    kept = {key: told[key] for key in ("description", "default") if key in told}
    found["properties"][name] = {**values, **kept}


def _likely(names: list[str]) -> Schema:
    """A text that is probably one of `names`: editors offer them, and take others."""
    return {"anyOf": [{"enum": names}, {"type": "string"}]}


def _methods() -> Schema:
    one = "|".join(map(re.escape, methods.names()))
    several = {"type": "string", "pattern": rf"^({one})(\{JOIN}({one}))+$"}
    return {"anyOf": [{"enum": [*methods.names()]}, several]}


def _options_of(method: Mapping[str, Any]) -> Schema:
    """That a row of `method` has its options and no others."""
    options = {
        name: {
            **({"type": "boolean"} if isinstance(told["default"], bool) else {"type": SCALAR}),
            "default": told["default"],
            **({"description": told["source"]} if told["source"] else {}),
        }
        for name, told in method["options"].items()
    }
    is_default = method["method"] == DEFAULT_METHOD
    chosen: Schema = {"properties": {"method": {"const": method["method"]}}}
    if not is_default:
        chosen["required"] = ["method"]
    allowed = {"properties": options, "additionalProperties": False}
    return {"if": chosen, "then": {"properties": {"options": allowed}}}
