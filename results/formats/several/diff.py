"""What two sweeps differ in, as text and as a JSON document."""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fdsweep.results.compute.differences import Difference, Differences, Line
from fdsweep.results.compute.words import of_metric
from fdsweep.results.formats.json import plain, to_document
from fdsweep.results.formats.sections.grid import (
    NOTHING,
    Grid,
    Section,
    spell_difference,
    spell_number,
)
from fdsweep.search_spaces.errors import clipped

SCHEMA = "fdsweep.diff/1"
PARTS = {"sweep": "Setup", "rows": "Rows that both have", "environment": "Trained with"}
LONGEST = 32
"""Characters of a fact that are shown."""


def to_json(found: Differences) -> str:
    """`found` as the text of a JSON document: every field by its name, null for none."""
    return to_document({"schema": SCHEMA, **plain(found)})


def diff_sections(found: Differences) -> list[Section]:
    """`found` as text: the facts that differ, and what came out."""
    first, second = found.sweeps
    grids = [*_setup(found), *_only(found), *_outcomes(found)]
    notes = found.notes
    if found.untried:
        notes = (*notes, f"No score in one or both: {_spell_lines(found.untried, found.shared)}.")
    title = f"{first} (first) and {second} (second)"
    return [
        Section(title=title, level=2, grids=tuple(grids), notes=notes, lead=tuple(_lead(found)))
    ]


def _lead(found: Differences) -> Iterator[str]:
    """How many facts differ, and how many rows."""
    if not found.setup:
        yield "Nothing differs in setup."
    words = Counter(one.word for one in found.outcomes)
    if words:
        told = ", ".join(f"{count} “{word}”" for word, count in words.most_common())
        yield f"Of {len(found.outcomes)} rows that both have in a direction: {told}."


def _setup(found: Differences) -> Iterator[Grid]:
    """A grid for each part in which something differs."""
    tried = [line for line in found.shared if line not in found.untried]
    for part, title in PARTS.items():
        told = [one for one in found.setup if one.part == part]
        has_lines = part == "rows"
        if told:
            yield Grid(
                title=title,
                headings=("Field", "first", "second", *(["Rows"] if has_lines else [])),
                words=(True,) * (4 if has_lines else 3),
                lines=tuple(_line(one, tried) for one in told),
            )


def _line(one: Difference, shared: Sequence[Line]) -> tuple[str, ...]:
    cells = (one.what, _spell(one.first), _spell(one.second))
    return (*cells, _spell_lines(one.lines, shared)) if one.lines else cells


def _spell_lines(some: Sequence[Line], shared: Sequence[Line]) -> str:
    """Rows by name, with the direction where not all directions are meant; "all" for all."""
    if {*shared} <= {*some}:
        return "all"
    names = dict.fromkeys(row for row, *_ in some)
    return ", ".join(
        name
        if {line for line in shared if line[0] == name} <= {*some}
        else "; ".join(f"{name} ({a} -> {b})" for row, a, b in some if row == name)
        for name in names
    )


def _spell(value: Any) -> str:  # noqa: ANN401 - JSON
    """A fact in one short piece; runs of numbers as 0-7."""
    if value is None:
        return NOTHING
    if isinstance(value, list):
        is_count = all(isinstance(each, int) for each in value)
        text = ", ".join(_ranges(value)) if is_count else ", ".join(map(str, value))
        return clipped(text, LONGEST) or NOTHING
    return clipped(value if isinstance(value, str) else json.dumps(value), LONGEST) or NOTHING


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    """`numbers`, those that follow one another as one piece."""
    key: Callable[[tuple[int, int]], int] = lambda pair: pair[1] - pair[0]  # noqa: E731
    for _, group in itertools.groupby(enumerate(numbers), key):
        run = [number for _, number in group]
        yield str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"


def _only(found: Differences) -> Iterator[Grid]:
    """The rows that one of them alone has."""
    for which, some in (("first", found.only_first), ("second", found.only_second)):
        if some:
            yield Grid(
                title=f"Only in the {which}",
                headings=("Row", "Directions"),
                words=(True, True),
                lines=tuple(
                    (row, ", ".join(" -> ".join(way) for one, *way in some if one == row))
                    for row in dict.fromkeys(row for row, *_ in some)
                ),
            )


def _outcomes(found: Differences) -> Iterator[Grid]:
    """A grid for each direction."""
    words = of_metric(found.metrics[0])
    groups: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for one in found.outcomes:
        groups.setdefault((one.teacher_modality, one.student_modality), []).append(
            (
                one.row,
                f"{one.n}" if one.paired else f"{one.n}, unpaired",
                spell_number(one.first),
                spell_number(one.second),
                spell_difference(one.delta, one.delta_ci) or NOTHING,
                one.word,
            )
        )
    for direction, cells in groups.items():
        yield Grid(
            title=f"{' -> '.join(direction)}: {words.heading} in %",
            headings=("Row", "n", "first", "second", "Δ [95 % CI]", "result"),
            words=(True, False, False, False, False, True),
            lines=tuple(cells),
        )
