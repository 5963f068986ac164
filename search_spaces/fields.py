"""What people write: names, seeds, pairs and directions on a command line, fields in YAML files."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from fdsweep.search_spaces.errors import (
    ConfigError,
    clipped,
    did_you_mean,
    has_control,
    unknown,
)

Number = TypeVar("Number", int, float)


class Fields(BaseModel):
    """Fields that a person writes: no unknown one, none of another type, none changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _in_one_line(text: str) -> str:
    if has_control(text):
        raise ValueError("a name or title stands in one line, without control characters")
    return text


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("a name or title is more than blanks")
    return text


Heading = Annotated[str, Field(max_length=200), AfterValidator(_in_one_line)]
"""What reports and terminals show in one line; it may be empty."""

Words = Annotated[Heading, AfterValidator(_not_blank)]
"""A name or a title."""

SEED_LIMIT = 2**63
"""Seeds are below it: tables hold 64 bits."""

MAX_SEEDS = 10_000
"""Of one sweep."""

Count = Annotated[int, Field(ge=1, lt=2**31)]
"""Of epochs, or of samples in a batch."""


EVERY = "*"
"""In a direction: of students each modality in turn, of teachers all others together."""


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

        EVERY may stand for either side: `among` says what it stands for.

        Raises:
            ConfigError: it is no direction, or names a modality twice.
        """
        teachers, arrow, student = (part.strip() for part in text.partition("->"))
        names = tuple(name.strip() for name in teachers.split("+"))
        if not (arrow and student and all(names)):
            fix = "Write teacher->student, such as 'audio->visual'"
            raise ConfigError(f"{text!r} is no direction", "--direction", fix)
        named = [name for name in (*names, student) if name != EVERY]
        if len(set(named)) < len(named):
            raise ConfigError(f"{text!r} names a modality twice", "--direction", "Name each once")
        return cls(names, student)

    def among(self, modalities: Sequence[str]) -> "tuple[Direction, ...]":
        """The directions that this one stands for where there are these `modalities`.

        Example:
            >>> [str(one) for one in Direction.parse("*->*").among("abc")]
            ['b+c->a', 'a+c->b', 'a+b->c']
        """
        students = modalities if self.student == EVERY else (self.student,)
        found = []
        for student in students:
            others = tuple(name for name in modalities if name != student)
            teachers = others if self.teachers == (EVERY,) else self.teachers
            if student not in teachers:
                found.append(Direction(teachers, student))
        return tuple(found)


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
    if not all(part.isdecimal() and part.isascii() for part in parts):
        raise ConfigError(f"{clipped(text)!r} is no count and no list of seeds", where, fix)
    if any(len(part) > len(str(SEED_LIMIT)) or int(part) >= SEED_LIMIT for part in parts):
        raise ConfigError(f"a seed in {clipped(text)!r} is not below 2^63", where, fix)
    numbers = tuple(int(part) for part in parts)
    count = numbers[0] if len(parts) == 1 else len(parts)
    if count > MAX_SEEDS:
        raise ConfigError(f"{count} seeds asked for", where, f"Give {MAX_SEEDS} or fewer")
    if len(parts) == 1:
        numbers = tuple(range(count))
    if not numbers:
        raise ConfigError("0 seeds asked for", where, fix)
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"a seed stands twice in {clipped(text)!r}", where, fix)
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


def parse_numbers(
    texts: Sequence[str], where: str, kind: Callable[[str], Number]
) -> Number | dict[str, Number]:
    """A number for all modalities, or numbers by name from texts such as `visual=0.5`.

    Raises:
        ConfigError: neither, or no number of this `kind`.
    """
    pairs = {} if len(texts) == 1 and "=" not in texts[0] else parse_pairs(texts, where)
    try:
        return {name: kind(text) for name, text in pairs.items()} if pairs else kind(texts[0])
    except ValueError:
        what = f"{clipped(' '.join(texts))!r} is no number"
        raise ConfigError(what, where, "Give one, or each modality's, such as visual=1") from None


def read_fields(path: Path, model: type[Fields]) -> dict[str, Any]:
    """What stands in the YAML file `path`, the fields of a `model`.

    Raises:
        ConfigError: no such file, not YAML, or no fields in it.
    """
    from fdsweep.search_spaces.documents import read_yaml  # brings yaml, slow to import

    content = read_yaml(path)
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
    value = "" if isinstance(fault["input"], dict | list) else f", not {_shown(fault['input'])}"
    meant = ""
    if fault["type"] == "literal_error":
        choices = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        meant = did_you_mean(fault["input"], choices).removeprefix(". ")
    return ConfigError(f"{fault['msg']}{value}", place, meant)


def _shown(value: object) -> str:
    try:
        return clipped(repr(value))
    except ValueError:  # more digits than Python spells
        return "a number with thousands of digits"
