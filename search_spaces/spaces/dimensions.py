"""A space as one method meets it: what is searched of each option, and points of it."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.spaces.constraints import check_compared
from fdsweep.search_spaces.spaces.options import beside, fits, is_number, short_name
from fdsweep.search_spaces.spaces.space import Parameter, Space

KINDS = {bool: "true or false", int: "whole numbers", float: "numbers", str: "texts"}


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
        return is_number(value) and self.low <= value <= self.high

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


def dimensions(
    space: Space, method: str, defaults: Mapping[str, Option], fixed: Collection[str] = ()
) -> tuple[Dimension, ...]:
    """What there is of `space` to search in `method`, in the order of the space.

    A condition on an option that the method lacks falls away. One on an option that is not
    searched is decided here: it falls away too, or the parameter does (or is set to its
    `otherwise`). A range does not fit an option whose default is a string and is left out.

    Args:
        space: what may be searched.
        method: its name, for messages.
        defaults: all options of the method with what they are if they are not searched, and "lr".
        fixed: options that stay at that, whatever the space says.

    Raises:
        ConfigError: nothing fits the method; a value of another type than the default's; a
            condition on a parameter that stands later, or that no value of it can meet; a
            comparison of what is no number.
    """
    check_compared(space.constraints, space.space, method, defaults)
    sources = _sources(space, defaults, fixed)
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


def _sources(
    space: Space, defaults: Mapping[str, Option], fixed: Collection[str]
) -> dict[str, str]:
    """The options that `space` has values for, each with its parameter, in the space's order."""
    sources = {
        option: _source(space, option, default)
        for option, default in defaults.items()
        if option not in fixed
    }
    return {
        option: name
        for name in space.parameters
        for option, source in sources.items()
        if source == name
    }


def _source(space: Space, option: str, default: Option) -> str | None:
    for name in (option, short_name(option)):
        if name in space.parameters:
            is_range = not space.parameters[name].choices
            return None if is_range and isinstance(default, str) else name
    if not isinstance(default, float):
        return None
    return next((name for name in space.parameters if fits(name, option)), None)


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
        other = beside(name, option.rpartition(".")[0], defaults)
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
