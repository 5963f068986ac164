"""The effects' part of a report: a line per component, and a line per pair of them."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from fdsweep.results.compute.effects import Effect, Effects
from fdsweep.results.formats.sections.grid import (
    NOTHING,
    Grid,
    Section,
    spell_difference,
    spell_p,
)

NAMES = ("Component", "Interaction")
"""Headings of the columns that name a line."""

INTERVAL = "[95 % CI]"


def effects_section(effects: Effects) -> Section:
    """`effects` as text."""
    groups = itertools.groupby(effects.effects, lambda one: one.direction)
    grids = [
        grid for direction, group in groups for grid in _grids(" -> ".join(direction), list(group))
    ]
    return Section(title=effects.title, level=3, grids=tuple(grids), notes=effects.notes)


def _grids(direction: str, group: Sequence[Effect]) -> Iterator[Grid]:
    by_kind = {
        kind: {one.name: one for one in group if one.kind == kind}
        for kind in ("main effect", "Shapley value", "whole gain", "interaction")
    }
    main, pairs = by_kind["main effect"], by_kind["interaction"]
    values = by_kind["Shapley value"] | by_kind["whole gain"]
    yield _grid(
        direction,
        [
            (NAMES[0], list(values)),
            (f"Main effect {INTERVAL}", _estimates(main, values)),
            ("p Holm", _p_values(main, values)),
            (f"Shapley value {INTERVAL}", _estimates(values, values)),
            ("p Holm", _p_values(values, values)),
            (
                "share",
                [None if x.share is None else f"{100 * x.share:z.0f} %" for x in values.values()],
            ),
        ],
    )
    if pairs:
        yield _grid(
            f"{direction}, interactions",
            [
                (NAMES[1], list(pairs)),
                (f"Estimate {INTERVAL}", _estimates(pairs, pairs)),
                ("p Holm", _p_values(pairs, pairs)),
            ],
        )


def _grid(title: str, columns: Sequence[tuple[str, Sequence[str | None]]]) -> Grid:
    """The columns that hold something."""
    shown = [(heading, cells) for heading, cells in columns if any(cells)]
    lines = zip(*(cells for _, cells in shown), strict=True)
    return Grid(
        title=title,
        headings=tuple(heading for heading, _ in shown),
        words=tuple(heading in NAMES for heading, _ in shown),
        lines=tuple(tuple(cell or NOTHING for cell in line) for line in lines),
    )


def _estimates(effects: dict[str, Effect], names: Iterable[str]) -> list[str | None]:
    found = (effects.get(name) for name in names)
    return [spell_difference(one.estimate, one.ci) if one else None for one in found]


def _p_values(effects: dict[str, Effect], names: Iterable[str]) -> list[str | None]:
    found = (effects.get(name) for name in names)
    return [spell_p(one.p_adjusted, len(one.seeds)) if one else None for one in found]
