"""A comparison of sweeps in the formats of a report."""

import csv
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from fdsweep.results.compute.pooled import Column, Pooled
from fdsweep.results.compute.statistics import half_width, interval_of
from fdsweep.results.compute.tables import TITLES, TableRow
from fdsweep.results.compute.words import of_metric
from fdsweep.results.formats.html import to_page
from fdsweep.results.formats.json import plain, to_document
from fdsweep.results.formats.latex import to_tables
from fdsweep.results.formats.markdown import WIDTH, aligned, lines
from fdsweep.results.formats.sections.grid import (
    NOTHING,
    Grid,
    Section,
    spell_difference,
    spell_number,
)

SCHEMA = "fdsweep.pooled/1"
CAPTIONS = {
    "matrix": "Differences to the baseline by method and data set.",
    "profiles": "Share of runs whose normalised score is above each threshold, with 95 % bands.",
}
"""What pictures show."""

Cell = Callable[[TableRow], str | None]
Span = tuple[float, float]


def to_markdown(pooled: Pooled) -> str:
    """`pooled` as markdown that also reads well in a terminal."""
    return "\n".join(itertools.chain.from_iterable(map(lines, pooled_sections(pooled))))


def to_latex(pooled: Pooled) -> str:
    """`pooled` as tables for a paper."""
    return to_tables(_title(pooled), pooled_sections(pooled))


def to_html(pooled: Pooled, pictures: Mapping[str, bytes]) -> str:
    """`pooled` as a page with its `pictures` (file name -> content)."""
    sections, title = pooled_sections(pooled), _title(pooled)
    return to_page(title, sections, pictures, lambda name: CAPTIONS.get(name, name))


def _title(pooled: Pooled) -> str:
    return " + ".join(pooled.sweeps)


def to_json(pooled: Pooled) -> str:
    """`pooled` as the text of a JSON document: every field by its name, null for none."""
    return to_document({"schema": SCHEMA, **plain(pooled)})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the CSV: a `quantity` of a row, on a data set or over all of them.

    `n` counts seeds (score), pairs (delta), or data sets (all that is pooled); `threshold` is the
    point of a profile.
    """

    row: str
    quantity: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    sweep: str = ""
    dataset: str = ""
    teacher_modality: str = ""
    student_modality: str = ""
    threshold: float | None = None


def to_csv(pooled: Pooled) -> str:
    """`pooled` as RFC 4180 has it, a number with its interval in each line, in full."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*Line.__dataclass_fields__])
    writer.writeheader()
    writer.writerows(map(asdict, _csv_lines(pooled)))
    return text.getvalue()


def _csv_lines(pooled: Pooled) -> Iterator[Line]:
    for column in pooled.columns:
        for name, row in zip(column.names, column.rows, strict=True):
            score = row.mean, row.ci_low, row.ci_high
            yield _on(column, Line(name, "score", *score, n=row.n))
            if row.pairs is not None:
                low, high = row.delta_ci or (None, None)
                yield _on(column, Line(name, "delta", row.delta, low, high, n=row.pairs))
    for each in pooled.rows:
        for quantity in ("delta", "iqm", "p_better"):
            value, span = getattr(each, quantity), getattr(each, f"{quantity}_ci")
            if value is not None:
                low, high = span or (None, None)
                yield Line(each.row, quantity, value, low, high, n=each.datasets)
    for one in pooled.profiles:
        for at, *found in zip(one.thresholds, one.share, one.low, one.high, strict=True):
            share, low, high = found
            yield Line(one.row, "profile", share, low, high, n=len(pooled.datasets), threshold=at)


def _on(column: Column, line: Line) -> Line:
    return replace(
        line,
        sweep=column.sweep,
        dataset=column.dataset,
        teacher_modality=column.teacher_modality,
        student_modality=column.student_modality,
    )


def pooled_sections(pooled: Pooled, width: float = WIDTH) -> list[Section]:
    """`pooled` as text: which sweeps, the rows by data sets, and what they come to together.

    As many data sets stand beside each other as `width` characters have room for.
    """
    room = min(width, WIDTH)
    words = of_metric(pooled.metric)
    scores = f"{words.heading} in %, mean ± half of its 95 % interval"
    names = [row.row for row in pooled.rows]
    against = f"Δ against {pooled.baseline} in points [95 % CI]"
    title = f"{len(pooled.sweeps)} sweeps, {_count(len(pooled.datasets), 'data set')}"
    grids = (
        _sources(pooled),
        *_by_dataset(pooled, scores, _score, names, room),
        *_by_dataset(pooled, against, _delta, names[1:], room),
        *_together(pooled),
    )
    return [
        Section(
            title=f"{title}{TITLES[pooled.protocol]}",
            level=2,
            grids=grids,
            notes=pooled.notes,
            lead=tuple(_lead(pooled)),
        )
    ]


def _lead(pooled: Pooled) -> Iterator[str]:
    """Which row gains most, or loses least; nothing more, since what is pooled is not judged."""
    count = len(pooled.datasets)
    whole = [row for row in pooled.rows if row.delta is not None and row.datasets == count]
    if whole and count > 1:
        best = max(whole, key=lambda row: row.delta or 0)
        does = "gains most over" if (best.delta or 0) > 0 else "loses least against"
        yield (
            f"Of {_count(len(whole), 'row')} that all {count} data sets have, {best.row} {does} "
            f"{pooled.baseline}: {spell_difference(best.delta, best.delta_ci)} points."
        )


def _count(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _sources(pooled: Pooled) -> Grid:
    """What stands in which column."""
    return Grid(
        title="",
        headings=("Data set", "Direction", "Sweep", "Seeds", "Epochs"),
        words=(True, True, True, False, False),
        lines=tuple(
            (
                column.heading,
                " -> ".join(column.direction),
                column.sweep,
                str(column.rows[0].asked),
                str(column.epochs),
            )
            for column in pooled.columns
        ),
    )


def _by_dataset(
    pooled: Pooled, title: str, spell: Cell, names: Sequence[str], room: float
) -> Iterator[Grid]:
    """A line for each of `names`, a column per data set, in grids of at most `room` characters.

    Cells of rows that improve by more than noise stand out.
    """
    left = list(pooled.columns) if names else []
    while left:
        taken = next(
            count
            for count in range(len(left), 0, -1)
            if count == 1 or _width(_grid(title, names, left[:count], spell)) <= room
        )
        yield _grid(title, names, left[:taken], spell)
        left = left[taken:]


def _width(grid: Grid) -> int:
    return max(map(len, aligned(grid)))


def _grid(title: str, names: Sequence[str], columns: Sequence[Column], spell: Cell) -> Grid:
    rows = [[column.row(name) for column in columns] for name in names]
    return Grid(
        title=title,
        headings=("Row", *(column.heading for column in columns)),
        words=(True, *(False for _ in columns)),
        lines=tuple(
            (name, *((row and spell(row)) or NOTHING for row in line))
            for name, line in zip(names, rows, strict=True)
        ),
        strong=frozenset(
            (number, place)
            for number, line in enumerate(rows)
            for place, row in enumerate(line, start=1)
            if row and row.verdict == "improves" and not row.within_noise
        ),
    )


def _score(row: TableRow) -> str:
    spread = half_width(interval_of(row.ci_low, row.ci_high))
    return spell_number(row.mean) + ("" if spread is None else f" ± {spell_number(spread)}")


def _delta(row: TableRow) -> str | None:
    return spell_difference(row.delta, row.delta_ci)


def _together(pooled: Pooled) -> Iterator[Grid]:
    """What every row comes to over the data sets; columns that say nothing are left out."""
    over = {row.over for row in pooled.rows} - {None}
    columns: list[tuple[str, Sequence[str | None]]] = [
        ("Row", [row.row for row in pooled.rows]),
        ("data sets", [str(row.datasets) for row in pooled.rows]),
        ("Δ [95 % CI]", [spell_difference(row.delta, row.delta_ci) for row in pooled.rows]),
        ("over", [row.over for row in pooled.rows] if len(over) > 1 else []),
        ("IQM [95 % CI]", [_spell_share(row.iqm, row.iqm_ci) for row in pooled.rows]),
        (
            "P(better) [95 % CI]",
            [_spell_share(row.p_better, row.p_better_ci) for row in pooled.rows],
        ),
    ]
    shown = [(heading, cells) for heading, cells in columns if any(cells)]
    yield Grid(
        title=f"Over {_count(len(pooled.datasets), 'data set')}, against {pooled.baseline}",
        headings=tuple(heading for heading, _ in shown),
        words=tuple(heading in ("Row", "over") for heading, _ in shown),
        lines=tuple(
            tuple(cell or NOTHING for cell in line)
            for line in zip(*(cells for _, cells in shown), strict=True)
        ),
    )


def _spell_share(value: float | None, span: Span | None) -> str | None:
    """A number whose unit is 1, with its interval."""
    if value is None:
        return None
    return f"{value:z.2f}" + (f" [{span[0]:z.2f}, {span[1]:z.2f}]" if span else "")
