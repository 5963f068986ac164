"""What a search varies: options of a method and the learning rate, in ranges and under conditions.

A space names options without a method, so one space serves many: each method searches what it has.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError, did_you_mean, unknown
from fdsweep.search_spaces.fields import Fields, Heading, read_fields, refusal
from fdsweep.search_spaces.spaces.constraints import Constraint, parse_constraint
from fdsweep.search_spaces.spaces.options import fits, short_name

SPACES = Path(__file__).parent

Bound = Annotated[float, Field(allow_inf_nan=False)]
Values = Annotated[
    tuple[Option, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else (value,)),
    Field(min_length=1, strict=False),
]


class Parameter(Fields):
    """The values that an option may take: a range, or one of several choices.

    `when` gives other options and the values that all of them must have for this one to be
    searched. Elsewhere it takes the value `otherwise`, or is left at its default.
    """

    low: Bound | None = None
    high: Bound | None = None
    log: bool = False
    choices: Annotated[tuple[Option, ...], Field(strict=False)] = ()
    when: Annotated[dict[str, Values], Field(default_factory=dict)]
    otherwise: Option = None

    @property
    def has_otherwise(self) -> bool:
        """Whether `otherwise` was given; it may be given as null."""
        return "otherwise" in self.model_fields_set

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.choices:
            if {"low", "high", "log"} & self.model_fields_set:
                raise ValueError("choices have no low, high and log")
            if len(set(self.choices)) < max(len(self.choices), 2):
                raise ValueError("give 2 or more different choices")
        elif self.low is None or self.high is None:
            raise ValueError("give low and high, or choices")
        elif self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        elif self.log and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0 on a logarithmic scale")
        if self.has_otherwise and not self.when:
            raise ValueError("otherwise needs a when")
        return self


class Space(Fields):
    """Parameters by the name of their option, which may be a pattern such as `weight*`.

    A pattern stands for every option of the method that fits it and whose default is a float; a
    name of its own has precedence. `constraints` are comparisons such as
    `weight_low <= 10 * weight_high`.
    """

    space: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=100)]
    title: Heading
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    constraints: Annotated[tuple[Constraint, ...], Field(strict=False)] = ()

    @field_validator("constraints", mode="before")
    @classmethod
    def _parsed(cls, texts: object) -> object:
        if not isinstance(texts, list | tuple):
            return texts
        return tuple(
            text if isinstance(text, Constraint) else parse_constraint(str(text)) for text in texts
        )


def spaces() -> tuple[str, ...]:
    """Names of the spaces that come with fdsweep."""
    return tuple(sorted(path.stem for path in SPACES.glob("*.yaml")))


def load_space(name: str) -> Space:
    """The space `name` of `spaces()`, or the one that the YAML file of this path describes.

    Raises:
        ConfigError: neither exists, the file is not YAML, or a field is missing, misspelt or wrong.
    """
    path = SPACES / f"{name}.yaml" if name in spaces() else Path(name)
    try:
        is_there = path.is_file()
    except (OSError, ValueError):  # no name of a file: too long, or with a NUL
        is_there = False
    if not is_there:
        near = did_you_mean(name, spaces())
        fix = f"Choose from: {', '.join(spaces())}; or give a YAML file{near}"
        raise ConfigError(f"unknown space {name!r}", "--space", fix)
    content = read_fields(path, Space)
    content.setdefault("space", path.stem.lower().replace("_", "-"))
    content.setdefault("title", str(content["space"]))
    try:
        return Space.model_validate(content)
    except ValidationError as error:
        raise refusal(error, str(path), Space, {"parameters": Parameter}) from None


def check_names(space: Space, known: Iterable[str]) -> None:
    """See to it that each name in `space` is an option of some method.

    What only the method at hand lacks is no fault: `dimensions` leaves it out.

    Args:
        space: with names in its parameters, conditions and constraints.
        known: "lr" and the options of all methods, as "<option>" or, to know a name such as
            "kd.weight" as well, as "<method>.<option>".

    Raises:
        ConfigError: a name or pattern that fits nothing in `known`.
    """
    options = tuple(known)
    spelt = {*options, *map(short_name, options)}
    conditions = (name for parameter in space.parameters.values() for name in parameter.when)
    compared = (name for constraint in space.constraints for name in constraint.names)
    for name in space.parameters:
        if name not in spelt and not any(fits(name, option) for option in options):
            raise _unknown("parameter", name, options, space)
    for name in (*conditions, *compared):
        if name not in spelt:
            raise _unknown("option", name, options, space)


def _unknown(kind: str, name: str, options: Iterable[str], space: Space) -> ConfigError:
    return unknown(kind, name, {short_name(option) for option in options}, f"space {space.space}")
