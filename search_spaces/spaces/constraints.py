"""Comparisons between options that every point of a search must meet."""

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.spaces.options import beside, is_number

NAME = re.compile(r"[A-Za-z_][\w.-]*")


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


def parse_constraint(text: str) -> Constraint:
    """The comparison that `text` spells; ValueError if it is none."""
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


def check_compared(
    constraints: Iterable[Constraint], space: str, method: str, defaults: Mapping[str, Option]
) -> None:
    """ConfigError if one of the `constraints` of `space` compares what is no number in `method`."""
    for constraint in constraints:
        for meaning in _meanings(constraint, defaults):
            for option in meaning.values():
                if not is_number(defaults[option]):
                    what = f"{option} of {method} is no number"
                    raise ConfigError(what, f"space {space}, {constraint.text}")


def _term(text: str) -> Term:
    parts = [part.strip() for part in text.split("*")]
    names = [part for part in parts if NAME.fullmatch(part)]
    factor = math.prod(float(part) for part in parts if part not in names)
    if len(names) > 1 or not math.isfinite(factor):
        raise ValueError(text)
    return Term(factor, *names)


def _meanings(constraint: Constraint, defaults: Mapping[str, Option]) -> Iterator[dict[str, str]]:
    """The options that the names of `constraint` stand for, in each part that has all of them."""
    for part in {option.rpartition(".")[0] for option in defaults}:
        meaning = {}
        for name in constraint.names:
            option = beside(name, part, defaults)
            if option is not None and not isinstance(defaults[option], str):
                meaning[name] = option
        if len(meaning) == len(set(constraint.names)):
            yield meaning


def _excess(constraint: Constraint, values: Mapping[str, Option]) -> float:
    lesser, greater = (_value(term, values) for term in (constraint.lesser, constraint.greater))
    if lesser == greater and constraint.strict:
        return sys.float_info.min
    return max(lesser - greater, 0.0)


def _value(term: Term, values: Mapping[str, Option]) -> float:
    value = values[term.name] if term.name else 1
    assert is_number(value)
    return term.factor * value
