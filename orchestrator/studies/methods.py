"""`fdsweep methods`: what there is to compare."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller

WIDE = 200
"""Columns of the printed table at most; no paper's name is cut."""


def overview() -> list[dict[str, Any]]:
    """A dictionary per method, by name; one that cannot be loaded has an `error` alone.

    `trains` names what is trained beside the student, `trains_if_widths_differ` what comes on top
    where the features of student and teacher differ in width.
    """
    return [{"method": name, **_describe(name)} for name in distillers.names()]


def to_text(methods: list[dict[str, Any]]) -> str:
    """`methods` as a table for a person."""
    table = Table(box=box.MARKDOWN)
    for heading in ("method", "group", "distils", "moves teacher", "needs pairs"):
        table.add_column(heading)
    table.add_column("trains beside the student")
    table.add_column("paper")
    for one in methods:
        if "error" in one:
            table.add_row(one["method"], "", "", "", "", "", one["error"])
            continue
        extra = [*one["trains"], *(f"{x} if widths differ" for x in one["trains_if_widths_differ"])]
        table.add_row(
            one["method"],
            one["group"],
            one["level"],
            "yes" if one["moves_teacher"] else "no",
            "yes" if one["needs_pairs"] else "no",
            ", ".join(extra) or "–",
            one["paper"] or "–",
        )
    console = Console(width=WIDE, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def _describe(name: str) -> dict[str, Any]:
    try:
        method = distillers.specimen(name, {})
        trains = _trained(method)
        widths_differ = distillers.build(name, num_classes=2, student_dim=4, teacher_dim=3)
    except ConfigError as error:
        return {"error": str(error)}
    return {
        "group": method.group,
        "level": method.level,
        "moves_teacher": method.moves_teacher,
        "needs_teacher": method.needs_teacher,
        "needs_pairs": method.needs_pairs,
        "trains": trains,
        "trains_if_widths_differ": [x for x in _trained(widths_differ) if x not in trains],
        "paper": method.paper,
    }


def _trained(method: Distiller) -> list[str]:
    """The parts of `method` that have parameters."""
    return list(dict.fromkeys(name.split(".")[0] for name, _ in method.named_parameters()))
