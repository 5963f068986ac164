"""Options of methods where every pixel is predicted, in place of their defaults."""

from collections.abc import Mapping
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


def options_on_pixels(method: str, suited: Suited, *, align: bool = False) -> dict[str, Option]:
    """Those of `method` that are not left at their defaults, by name.

    Args:
        method: its name; "+" adds up several.
        suited: what suits the data set.
        align: fd-cmkd aligns the classes of its bands, which it does not in the paper's Table 3.
    """
    parts = method.split(JOIN)
    told = {part: dict(suited.get(part, {})) for part in parts}
    if FD_CMKD in told:
        told[FD_CMKD] = {"align": align, "band_heads": False, **told[FD_CMKD]}
    return {
        option if len(parts) == 1 else f"{part}.{option}": value
        for part, options in told.items()
        for option, value in options.items()
    }


def for_pixels(sweep: Sweep, info: DatasetInfo) -> Sweep:
    """`sweep` with `options_on_pixels` in all rows that do not say otherwise themselves.

    Where `info` is of another task the whole sweep stays as it is.
    """
    if not tasks.find(info.task).dense:
        return sweep
    rows = tuple(
        row.model_copy(
            update={"options": {**options_on_pixels(row.method, info.suited), **row.options}}
        )
        for row in sweep.rows
    )
    return sweep.model_copy(update={"rows": rows})
