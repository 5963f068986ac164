"""Options of methods that suit the task of a data set, in place of their defaults."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.sweep import Sweep
from fdsweep.trainers import tasks
from fdsweep.trainers.datasets import DatasetInfo
from fdsweep.trainers.registry import JOIN

FD_CMKD = "fd-cmkd"
Suited: TypeAlias = Mapping[str, Mapping[str, Option]]
"""Method -> options that suit a data set, see `DatasetInfo`."""

NONE_SUITED: Suited = MappingProxyType({})

WITHOUT_CLASSES: Suited = {FD_CMKD: {"align": False, "band_heads": False}}
"""Options of methods, by method, where samples have no classes."""


def options_on_pixels(method: str, suited: Suited, *, align: bool = False) -> dict[str, Option]:
    """Those of `method` that are not left at their defaults, by name.

    Args:
        method: its name; "+" adds up several.
        suited: what suits the data set.
        align: fd-cmkd aligns the classes of its bands, which it does not in the paper's Table 3.
    """
    told = {part: dict(suited.get(part, {})) for part in method.split(JOIN)}
    if FD_CMKD in told:
        told[FD_CMKD] = {"align": align, "band_heads": False, **told[FD_CMKD]}
    return _spelt(told)


def options_without_classes(method: str) -> dict[str, Option]:
    """Those that `method` must have where samples have no classes: without them it is refused."""
    return _spelt({part: WITHOUT_CLASSES.get(part, {}) for part in method.split(JOIN)})


def for_task(sweep: Sweep, info: DatasetInfo) -> Sweep:
    """`sweep` with what suits the task of `info` in all rows that do not say otherwise themselves.

    Where samples have one class each, or a set of classes, that is the sweep as it is.
    """
    task = tasks.find(info.task)
    if task.dense:
        return _with(sweep, lambda method: options_on_pixels(method, info.suited))
    if task.aligns:
        return _with(sweep, options_without_classes)
    return sweep


def _with(sweep: Sweep, options_of: Callable[[str], dict[str, Option]]) -> Sweep:
    rows = tuple(
        row.model_copy(update={"options": {**options_of(row.method), **row.options}})
        for row in sweep.rows
    )
    return sweep.model_copy(update={"rows": rows})


def _spelt(told: Suited) -> dict[str, Option]:
    """Options of the parts of a method, by their names in it."""
    return {
        option if len(told) == 1 else f"{part}.{option}": value
        for part, options in told.items()
        for option, value in options.items()
    }
