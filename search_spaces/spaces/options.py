"""Options of a method as a space names them.

In a composition, whose options are called "<method>.<option>", a name stands for the options of
that name of all its parts.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TypeGuard

from fdsweep.search_spaces.configs import Option

LR = "lr"
"""The student's learning rate, which stands among a method's options; no pattern fits it."""


TEACHER_WEIGHT = "teacher_weight."
"""How the weight of one of several teachers is called there: this and its modality."""


def short_name(option: str) -> str:
    """An option's name without its method's."""
    return option if option.startswith(TEACHER_WEIGHT) else option.rpartition(".")[2]


def fits(pattern: str, option: str) -> bool:
    """Whether `pattern` stands for `option`."""
    is_pattern = any(sign in pattern for sign in "*?[")
    return (
        is_pattern
        and option != LR
        and (fnmatchcase(option, pattern) or fnmatchcase(short_name(option), pattern))
    )


def beside(name: str, part: str, defaults: Mapping[str, Option]) -> str | None:
    """The option that `name` means in a `part` of the method, or the option of just that name."""
    spellings = (f"{part}.{name}" if part else name, name)
    return next((spelling for spelling in spellings if spelling in defaults), None)


def is_number(value: Option) -> TypeGuard[float]:
    """Whether `value` is a number, which a bool is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)
