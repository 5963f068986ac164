"""What a search varies: options of a method and the learning rate, in ranges and under conditions.

A space names options without a method, so one space serves many: each method searches what it has.
In a composition, whose options are called "<method>.<option>", a name stands for the options of
that name of all its parts.
"""

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Protocol, Self, TypeGuard

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.sweep import Model, read_fields, refusal

LR = "lr"
"""The student's learning rate, which stands among a method's options; no pattern fits it."""

SPACES = Path(__file__).parent / "spaces"
NAME = re.compile(r"[A-Za-z_][\w.-]*")
KINDS = {bool: "true or false", int: "whole numbers", float: "numbers", str: "texts"}

Bound = Annotated[float, Field(allow_inf_nan=False)]
Values = Annotated[
    tuple[Option, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else (value,)),
    Field(min_length=1, strict=False),
]


class Parameter(Model):
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


@dataclass(frozen=True, slots=True)
class Term:
    """`factor` times the option `name`, or the number `factor` where there is no name."""

    factor: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """One comparison: `lesser` is at most `greater`, and not equal to it if `strict`."""

    text: str
    lesser: Term
    greater: Term
    strict: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The one or two options that are compared."""
        return tuple(term.name for term in (self.lesser, self.greater) if term.name)


class Space(Model):
    """Parameters by the name of their option, which may be a pattern such as `weight*`.

    A pattern stands for every option of the method that fits it and whose default is a float; a
    name of its own has precedence. `constraints` are comparisons such as
    `weight_low <= 10 * weight_high`.
    """

    space: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: str
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    constraints: Annotated[tuple[Constraint, ...], Field(strict=False)] = ()

    @field_validator("constraints", mode="before")
    @classmethod
    def _parsed(cls, texts: object) -> object:
        if not isinstance(texts, list | tuple):
            return texts
        return tuple(text if isinstance(text, Constraint) else _parse(str(text)) for text in texts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dimension:
    """What is searched of one option of one method, in the type of its default.

    It has a range or choices; one choice alone is a value that is set. `when` names dimensions
    before it, each with the values under which this one is searched; elsewhere the option takes
    `otherwise`, or is left at its default.
    """

    name: str
    default: Option
    low: float | None = None
    high: float | None = None
    log: bool = False
    integer: bool = False
    choices: tuple[Option, ...] = ()
    when: tuple[tuple[str, tuple[Option, ...]], ...] = ()
    otherwise: Option = None
    has_otherwise: bool = False

    def in_range(self, value: Option) -> bool:
        """Whether `value` is one that the search may try."""
        if self.low is None or self.high is None:
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        if self.integer and not isinstance(value, int):
            return False
        return _is_number(value) and self.low <= value <= self.high

    def is_searched(self, values: Mapping[str, Option]) -> bool:
        """Whether `when` holds, given the values of the dimensions before this one."""
        return all(values[name] in allowed for name, allowed in self.when)


class Trial(Protocol):
    """What a search asks for values; `optuna.Trial` is one."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = ...) -> float:
        """A number from `low` to `high`."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool = ...) -> int:
        """A whole number from `low` to `high`."""

    def suggest_categorical(self, name: str, choices: Sequence[Option]) -> Option:
        """One of `choices`."""


def spaces() -> tuple[str, ...]:
    """Names of the spaces that come with fdsweep."""
    return tuple(sorted(path.stem for path in SPACES.glob("*.yaml")))


def load_space(name: str) -> Space:
    """The space `name` of `spaces()`, or the one that the YAML file of this path describes.

    Raises:
        ConfigError: neither exists, the file is not YAML, or a field is missing, misspelt or wrong.
    """
    path = SPACES / f"{name}.yaml" if name in spaces() else Path(name)
    if not path.is_file():
        fix = f"Choose from: {', '.join(spaces())}; or give a YAML file"
        raise ConfigError(f"unknown space {name!r}", "--space", fix)
    content = read_fields(path, Space, _Loader)
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
    conditions = (name for parameter in space.parameters.values() for name in parameter.when)
    compared = (name for constraint in space.constraints for name in constraint.names)
    for name in space.parameters:
        if not any(name in (option, _short(option)) or _fits(name, option) for option in options):
            raise _unknown("parameter", name, options, space)
    for name in (*conditions, *compared):
        if not any(name in (option, _short(option)) for option in options):
            raise _unknown("option", name, options, space)


def dimensions(space: Space, method: str, defaults: Mapping[str, Option]) -> tuple[Dimension, ...]:
    """What there is of `space` to search in `method`, in the order of the space.

    A condition on an option that the method lacks falls away. One on an option that is not
    searched is decided here: it falls away too, or the parameter does (or is set to its
    `otherwise`). A range does not fit an option whose default is a string and is left out.

    Args:
        space: what may be searched.
        method: its name, for messages.
        defaults: all options of the method with what they are if they are not searched, and "lr".

    Raises:
        ConfigError: nothing fits the method; a value of another type than the default's; a
            condition on a parameter that stands later, or that no value of it can meet; a
            comparison of what is no number.
    """
    _check_compared(space, method, defaults)
    sources = _sources(space, defaults)
    found: dict[str, Dimension] = {}
    later = set(sources)
    for option, name in sources.items():
        parameter, where = space.parameters[name], f"space {space.space}, {name}"
        conditions = _conditions(parameter, option, found, later, defaults, where)
        if conditions is not None:
            found[option] = _dimension(parameter, option, defaults[option], conditions, where)
        elif parameter.has_otherwise:
            value = _typed(parameter.otherwise, defaults[option], option, where)
            found[option] = Dimension(name=option, default=defaults[option], choices=(value,))
        later.remove(option)
    if all(len(dimension.choices) == 1 for dimension in found.values()):
        raise ConfigError(
            f"{method} has nothing to search in the space {space.space}",
            "--space",
            f"Choose another space, or write one with some of: {', '.join(defaults)}",
        )
    return tuple(found.values())


def sample(dims: Sequence[Dimension], trial: Trial) -> dict[str, Option]:
    """A point of the space, asked from `trial` one dimension after the other.

    It holds what is searched and what `otherwise` sets; other options are left at their defaults.

    Example:
        >>> dims = (Dimension(name="lr", default=0.01, low=0.001, high=0.1, log=True),)
        >>> study.optimize(lambda trial: accuracy(**sample(dims, trial)))  # doctest: +SKIP
    """
    values = {dimension.name: dimension.default for dimension in dims}
    point: dict[str, Option] = {}
    for dimension in dims:
        if dimension.is_searched(values):
            point[dimension.name] = _suggest(dimension, trial)
        elif dimension.has_otherwise:
            point[dimension.name] = dimension.otherwise
        values |= point
    return point


def default_point(dims: Sequence[Dimension]) -> dict[str, Option] | None:
    """The defaults of what is searched when all options have them, to start a search from.

    None if the space does not hold them: one is outside its range or choices, or is not what
    `otherwise` sets.
    """
    values = {dimension.name: dimension.default for dimension in dims}
    point = {}
    for dimension in dims:
        if dimension.is_searched(values):
            if not dimension.in_range(dimension.default):
                return None
            point[dimension.name] = dimension.default
        elif dimension.has_otherwise and dimension.otherwise != dimension.default:
            return None
    return point


def violation(
    constraints: Iterable[Constraint], point: Mapping[str, Option], defaults: Mapping[str, Option]
) -> float:
    """How far the worst of the `constraints` is broken, in units of what it compares; 0 if none is.

    An option that `point` does not hold has its default. In a composition each part has to meet a
    constraint on its own options. What names an option that the method lacks, or one whose default
    is a string, does not count.
    """
    values = {**defaults, **point}
    excesses = (
        _excess(constraint, {name: values[option] for name, option in meaning.items()})
        for constraint in constraints
        for meaning in _meanings(constraint, defaults)
    )
    return max(excesses, default=0.0)


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number; YAML 1.1 knows only 1.0e-3."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _parse(text: str) -> Constraint:
    try:
        left, comparison, right = re.split("(<=|>=|<|>)", text)
        terms = (_term(left), _term(right))
    except ValueError:
        example = "weight_low <= 10 * weight_high"
        raise ValueError(f"{text!r} is no single comparison such as {example}") from None
    if not any(term.name for term in terms):
        raise ValueError(f"{text!r} compares no option")
    lesser, greater = terms if comparison[0] == "<" else reversed(terms)
    return Constraint(text, lesser, greater, strict="=" not in comparison)


def _term(text: str) -> Term:
    parts = [part.strip() for part in text.split("*")]
    names = [part for part in parts if NAME.fullmatch(part)]
    factor = math.prod(float(part) for part in parts if part not in names)
    if len(names) > 1 or not math.isfinite(factor):
        raise ValueError(text)
    return Term(factor, *names)


def _short(option: str) -> str:
    return option.rpartition(".")[2]


def _fits(pattern: str, option: str) -> bool:
    is_pattern = any(sign in pattern for sign in "*?[")
    return (
        is_pattern
        and option != LR
        and (fnmatchcase(option, pattern) or fnmatchcase(_short(option), pattern))
    )


def _unknown(kind: str, name: str, options: Iterable[str], space: Space) -> ConfigError:
    return unknown(kind, name, {_short(option) for option in options}, f"space {space.space}")


def _sources(space: Space, defaults: Mapping[str, Option]) -> dict[str, str]:
    """The options that `space` has values for, each with its parameter, in the space's order."""
    sources = {option: _source(space, option, default) for option, default in defaults.items()}
    return {
        option: name
        for name in space.parameters
        for option, source in sources.items()
        if source == name
    }


def _source(space: Space, option: str, default: Option) -> str | None:
    for name in (option, _short(option)):
        if name in space.parameters:
            is_range = not space.parameters[name].choices
            return None if is_range and isinstance(default, str) else name
    if not isinstance(default, float):
        return None
    return next((name for name in space.parameters if _fits(name, option)), None)


def _beside(name: str, part: str, defaults: Mapping[str, Option]) -> str | None:
    """The option that `name` means in a `part` of the method, or the option of just that name."""
    spellings = (f"{part}.{name}" if part else name, name)
    return next((spelling for spelling in spellings if spelling in defaults), None)


def _conditions(
    parameter: Parameter,
    option: str,
    found: Mapping[str, Dimension],
    later: set[str],
    defaults: Mapping[str, Option],
    where: str,
) -> tuple[tuple[str, tuple[Option, ...]], ...] | None:
    """The conditions that a search decides; None if one fails whatever is searched."""
    conditions = []
    holds = True
    for name, values in parameter.when.items():
        other = _beside(name, option.rpartition(".")[0], defaults)
        if other is None:
            continue
        if other in later:
            raise ConfigError(f"{other} does not stand before it", where, f"Put {other} first")
        allowed = tuple(_typed(value, defaults[other], other, where) for value in values)
        if other in found:
            _check_possible(found[other], allowed, where)
            conditions.append((other, allowed))
        elif defaults[other] not in allowed:
            holds = False
    return tuple(conditions) if holds else None


def _check_possible(other: Dimension, allowed: tuple[Option, ...], where: str) -> None:
    if len(other.choices) == 1:
        return
    for value in allowed:
        if not other.in_range(value) and value not in (other.default, other.otherwise):
            raise ConfigError(f"{other.name} is never {value!r}", where, "Mend its when")


def _dimension(
    parameter: Parameter,
    option: str,
    default: Option,
    conditions: tuple[tuple[str, tuple[Option, ...]], ...],
    where: str,
) -> Dimension:
    def typed(value: Option) -> Option:
        return _typed(value, default, option, where)

    whole = type(default) is int
    for bound in (parameter.low, parameter.high):
        if bound is not None:
            typed(int(bound) if whole and bound.is_integer() else bound)
    return Dimension(
        name=option,
        default=default,
        low=parameter.low,
        high=parameter.high,
        log=parameter.log,
        integer=whole and not parameter.choices,
        choices=tuple(typed(value) for value in parameter.choices),
        when=conditions,
        otherwise=typed(parameter.otherwise) if parameter.has_otherwise else None,
        has_otherwise=parameter.has_otherwise,
    )


def _typed(value: Option, default: Option, option: str, where: str) -> Option:
    """`value` in the type of the option's `default`; any value beside a default of None."""
    if type(value) is int and isinstance(default, float):
        value = float(value)
    unusual = isinstance(value, float) and not math.isfinite(value)
    if unusual or (default is not None and type(value) is not type(default)):
        kinds = KINDS.get(type(default), "finite numbers")
        raise ConfigError(f"{option} takes no {value!r}", where, f"Give {kinds}")
    return value


def _suggest(dimension: Dimension, trial: Trial) -> Option:
    name, low, high = dimension.name, dimension.low, dimension.high
    if low is None or high is None:
        return trial.suggest_categorical(name, dimension.choices)
    if dimension.integer:
        return trial.suggest_int(name, int(low), int(high), log=dimension.log)
    return trial.suggest_float(name, low, high, log=dimension.log)


def _meanings(constraint: Constraint, defaults: Mapping[str, Option]) -> Iterator[dict[str, str]]:
    """The options that the names of `constraint` stand for, in each part that has all of them."""
    for part in {option.rpartition(".")[0] for option in defaults}:
        meaning = {}
        for name in constraint.names:
            option = _beside(name, part, defaults)
            if option is not None and not isinstance(defaults[option], str):
                meaning[name] = option
        if len(meaning) == len(set(constraint.names)):
            yield meaning


def _check_compared(space: Space, method: str, defaults: Mapping[str, Option]) -> None:
    for constraint in space.constraints:
        for meaning in _meanings(constraint, defaults):
            for option in meaning.values():
                if not _is_number(defaults[option]):
                    what = f"{option} of {method} is no number"
                    raise ConfigError(what, f"space {space.space}, {constraint.text}")


def _excess(constraint: Constraint, values: Mapping[str, Option]) -> float:
    lesser, greater = (_value(term, values) for term in (constraint.lesser, constraint.greater))
    if lesser == greater and constraint.strict:
        return sys.float_info.min
    return max(lesser - greater, 0.0)


def _value(term: Term, values: Mapping[str, Option]) -> float:
    value = values[term.name] if term.name else 1
    assert _is_number(value)
    return term.factor * value


def _is_number(value: Option) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
