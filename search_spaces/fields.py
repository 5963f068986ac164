"""What people write: names, seeds, pairs and directions on a command line, fields in YAML files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fdsweep.search_spaces.errors import ConfigError, unknown


class Fields(BaseModel):
    """Fields that a person writes: no unknown one, none of another type, none changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Direction(NamedTuple):
    """The modalities that teach, and the one that learns from them.

    Example:
        >>> str(Direction.parse("audio+text->visual"))
        'audio+text->visual'
    """

    teachers: tuple[str, ...]
    student: str

    def __str__(self) -> str:
        return f"{self.teacher}->{self.student}"

    @property
    def teacher(self) -> str:
        """The teachers' modalities in one word, joined by "+"."""
        return "+".join(self.teachers)

    @classmethod
    def parse(cls, text: str) -> "Direction":
        """The direction that `text` spells: `a->b`, or `a+c->b` with several teachers.

        Raises:
            ConfigError: it is no direction, or names a modality twice.
        """
        teachers, arrow, student = (part.strip() for part in text.partition("->"))
        names = tuple(name.strip() for name in teachers.split("+"))
        if not (arrow and student and all(names)):
            fix = "Write teacher->student, such as 'audio->visual'"
            raise ConfigError(f"{text!r} is no direction", "--direction", fix)
        if len({*names, student}) <= len(names):
            raise ConfigError(f"{text!r} names a modality twice", "--direction", "Name each once")
        return cls(names, student)


OWN = "own"
"""The way in which a data set is read unless a variant is asked for."""


def parse_variant(dataset: str) -> tuple[str, str]:
    """The name of a data set, and how it is read; `spell_variant` is the way back.

    Example:
        >>> parse_variant("ave@c2kd"), parse_variant("ave")
        (('ave', 'c2kd'), ('ave', 'own'))
    """
    name, _, variant = dataset.partition("@")
    return name, variant or OWN


def spell_variant(name: str, variant: str) -> str:
    """The name under which the data set `name` is known where it is read as `variant` says."""
    return name if variant == OWN else f"{name}@{variant}"


def parse_names(text: str, where: str) -> tuple[str, ...]:
    """Different names joined by commas; ConfigError for one that stands twice."""
    names = tuple(name.strip() for name in text.split(","))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ConfigError(f"{twice[0]!r} stands twice", where, "Name each once")
    return names


def parse_seeds(text: str, where: str = "--seeds") -> tuple[int, ...]:
    """Seeds from a count (`5` is 0 to 4) or from a list (`0,3,7`).

    Raises:
        ConfigError: neither, none at all, or one twice.
    """
    fix = "Give a count of 1 or more, or a list such as 0,3,7"
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ConfigError(f"{text!r} is no count and no list of seeds", where, fix)
    numbers = tuple(int(part) for part in parts)
    if len(parts) == 1:
        numbers = tuple(range(numbers[0]))
    if not numbers:
        raise ConfigError("0 seeds asked for", where, fix)
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"a seed stands twice in {text!r}", where, fix)
    return numbers


def parse_pairs(texts: Sequence[str], where: str) -> dict[str, str]:
    """A dictionary from texts such as `visual=NAME`.

    Raises:
        ConfigError: one without "=", or a name twice.
    """
    pairs = dict(text.partition("=")[::2] for text in texts)
    if len(pairs) < len(texts) or not all(name and value for name, value in pairs.items()):
        fix = "Give each modality once, such as visual=NAME"
        raise ConfigError(f"{' '.join(texts)!r} cannot be read", where, fix)
    return pairs


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number; YAML 1.1 knows only 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def read_fields(path: Path, model: type[Fields]) -> dict[str, Any]:
    """What stands in the YAML file `path`, the fields of a `model`.

    Raises:
        ConfigError: no such file, not YAML, or no fields in it.
    """
    try:
        content = yaml.load(path.read_text(), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read ({error})", str(path), "Give a YAML file") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"is not YAML: {' '.join(str(error).split())}", str(path)) from None
    if not isinstance(content, dict):
        fields = ", ".join(model.model_fields)
        raise ConfigError("holds no fields", str(path), f"Give some of: {fields}")
    return content


def refusal(
    error: ValidationError, where: str, model: type[Fields], parts: Mapping[str, type[Fields]]
) -> ConfigError:
    """The first fault that pydantic found, in one sentence.

    Args:
        error: what it raised.
        where: the file or command that the content came from.
        model: what the content was to be.
        parts: the model of what stands in a field of `model`, by that field's name.
    """
    fault = error.errors()[0]
    field = ".".join(str(part) for part in fault["loc"]) or model.__name__.lower()
    place = f"{where}, {field}"
    if fault["type"] == "extra_forbidden":
        owner = parts.get(str(fault["loc"][0]), model)
        return unknown("field", fault["loc"][-1], owner.model_fields, place)
    value = "" if isinstance(fault["input"], dict | list) else f", not {fault['input']!r}"
    return ConfigError(f"{fault['msg']}{value}", place)
