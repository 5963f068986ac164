"""`fdsweep methods`: what there is to compare, with each default and where it is from.

A method of ours tells in the text of its module; one of another package is imported and asked.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table

from fdsweep.search_spaces.configs import Option
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.imports.declarations import Declaration, declarations

if TYPE_CHECKING:
    from fdsweep.trainers.distillers import Distiller

PACKAGE, OTHERS = "fdsweep.trainers.distillers", "fdsweep.distillers"
"""Where methods of ours stand, and the entry points of those of other packages."""

FACTS = (
    *("group", "level", "moves_teacher", "needs_teacher", "needs_pairs"),
    *("on_maps", "dense_only", "one_label", "needs_classes", "paper", "published"),
)
"""Attributes of a method that are told under their own names."""

WIDE = 240
"""Columns of the printed table at most; no paper's name is cut."""


def overview() -> list[dict[str, Any]]:
    """A dictionary per method, by name; one that cannot be loaded has an `error` alone.

    `published` is its line in Table 1 of the FD-CMKD paper. `trains` names what is trained beside
    the student, `trains_if_widths_differ` what comes on top where the features of student and
    teacher differ in width. `on_maps` says what it sees where every pixel is predicted ("pixels" as
    samples, "maps", or empty if it cannot be used there), `dense_only` that it is for such networks
    alone, `one_label` why samples must not have several labels (empty if they may),
    `needs_classes` why they must have classes (empty if embeddings will do). `options` has the
    `default` and the `source` of each option, None where the method declares none.
    """
    return [{"method": name, **_or_error(name)} for name in names()]


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return tuple(sorted({*declarations(PACKAGE), *entry_points(group=OTHERS).names}))


def describe(name: str) -> dict[str, Any]:
    """What `overview` has of the method `name`, which may add up several.

    Raises:
        ConfigError: there is no such method, or it cannot be imported.
    """
    declared = declarations(PACKAGE).get(name)
    return _as_declared(declared) if declared and _tells_all(declared) else ask(name)


def to_text(methods: list[dict[str, Any]]) -> str:
    """`methods` as two tables for a person: what they are, and their defaults."""
    return f"{_print(_table(methods))}\n\n{_print(_defaults(methods))}"


def _table(methods: list[dict[str, Any]]) -> Table:
    table = Table(
        *("method", "group", "distils", "dense networks", "label sets"),
        *("moves teacher", "needs pairs"),
        *("trains beside the student", "paper"),
        box=box.MARKDOWN,
    )
    for one in methods:
        if "error" in one:
            table.add_row(one["method"], *("" for _ in range(7)), one["error"])
            continue
        extra = [*one["trains"], *(f"{x} if widths differ" for x in one["trains_if_widths_differ"])]
        table.add_row(
            one["method"],
            one["group"],
            one["level"],
            _dense(one),
            "no" if one["one_label"] or one["dense_only"] else "yes",
            "yes" if one["moves_teacher"] else "no",
            "yes" if one["needs_pairs"] else "no",
            ", ".join(extra) or "–",
            one["paper"] or "–",
        )
    return table


def _dense(one: dict[str, Any]) -> str:
    """What the method takes from networks that predict every pixel."""
    taken = {"pixels": "per pixel", "maps": "maps", "": "no"}[one["on_maps"]]
    return f"{taken}, only these" if one["dense_only"] else taken


def _defaults(methods: list[dict[str, Any]]) -> Table:
    table = Table("method", "option", "default", "source of the default", box=box.MARKDOWN)
    for one in methods:
        for option, known in one.get("options", {}).items():
            table.add_row(one["method"], option, _spell(known["default"]), known["source"] or "–")
    return table


def _spell(default: Option) -> str:
    """As it is written in a sweep; a number in few digits."""
    if isinstance(default, float):
        return f"{default:.4g}"
    return "null" if default is None else str(default).lower()


def _print(table: Table) -> str:
    console = Console(width=WIDE, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines() if line.strip())


def _or_error(name: str) -> dict[str, Any]:
    try:
        return describe(name)
    except ConfigError as error:
        return {"error": str(error)}


def _tells_all(method: Declaration) -> bool:
    return {*FACTS, "sources", "trains", "trains_if_widths_differ"} <= method.values.keys()


def _as_declared(method: Declaration) -> dict[str, Any]:
    values = method.values
    return _facts(values, values["trains"], values["trains_if_widths_differ"], method.options)


def ask(name: str) -> dict[str, Any]:
    """The same, from the method itself, which is imported for it."""
    from fdsweep.trainers import distillers

    method = distillers.specimen(name, {})
    trains = _trained(method)
    widths_differ = distillers.build(name, num_classes=2, student_dim=4, teacher_dim=3)
    more = [part for part in _trained(widths_differ) if part not in trains]
    told = {fact: getattr(method, fact) for fact in (*FACTS, "sources")}
    return _facts(told, trains, more, distillers.resolve_options(name, {}))


def _facts(
    told: Mapping[str, Any],
    trains: Iterable[str],
    trains_if_widths_differ: Iterable[str],
    options: Mapping[str, Option],
) -> dict[str, Any]:
    return {
        **{fact: told[fact] for fact in FACTS},
        "trains": [*trains],
        "trains_if_widths_differ": [*trains_if_widths_differ],
        "options": {
            option: {"default": default, "source": told["sources"].get(option)}
            for option, default in options.items()
        },
    }


def _trained(method: "Distiller") -> list[str]:
    """The parts of `method` that have parameters."""
    return list(dict.fromkeys(name.split(".")[0] for name, _ in method.named_parameters()))
