"""What a table found, in plain words: the sentences that a report opens with.

They say again what the verdicts say, and nothing that no verdict says.
"""

from collections.abc import Iterator, Sequence

from fdsweep.results.compute.statistics import seeds_needed
from fdsweep.results.compute.tables import Table, TableRow
from fdsweep.results.formats.sections.grid import spell_number

MOST_NAMES = 4
"""Rows that a sentence names one by one; of more it counts the rest."""


def lead(table: Table) -> tuple[str, ...]:
    """A sentence per direction, and one on what keeps all of them from deciding anything."""
    groups: dict[tuple[str, str], list[TableRow]] = {}
    for row in table.rows:
        groups.setdefault(row.direction, []).append(row)
    said = [
        f"{' -> '.join(direction)}: {_of_direction(group, table)}."
        for direction, group in groups.items()
    ]
    return (*said, *_why_undecided(table, list(groups.values())))


def _of_direction(group: Sequence[TableRow], table: Table) -> str:
    baseline, *others = group
    compared = [row for row in others if row.delta is not None and not row.control]
    if not compared:
        return "there is nothing to compare yet" if others else f"{baseline.row} stands alone"
    if table.protocol == "published":
        return _highest(baseline, compared)
    return "; ".join(_verdicts(baseline, compared, table.margin))


def _highest(baseline: TableRow, compared: Sequence[TableRow]) -> str:
    """What can be said where nothing is judged."""
    best = max(compared, key=lambda row: row.delta or 0)
    gain = spell_number(best.delta, "+")
    of = f"of {len(compared)} rows " if len(compared) > 1 else ""
    does = "gains most over" if (best.delta or 0) > 0 else "loses least against"
    return f"{of}{best.row} {does} {baseline.row} ({gain} points)"


def _verdicts(baseline: TableRow, compared: Sequence[TableRow], margin: float) -> Iterator[str]:
    by_word: dict[str | None, list[TableRow]] = {}
    for row in compared:
        by_word.setdefault(row.verdict, []).append(row)
    better, worse = by_word.get("improves", []), by_word.get("worse", [])
    alike, open_ = by_word.get("equivalent", []), by_word.get("inconclusive", [])
    is_alone = len(compared) == 1
    it = baseline.row if is_alone else "it"
    than, against = (f" than {it}", f" against {it}") if is_alone else ("", "")
    if better:
        better = sorted(better, key=lambda row: -(row.delta or 0))
        yield f"{_names(better, gains=True)} {_s(better, 'improve')} on {baseline.row}"
    elif not is_alone:
        yield f"no row improves on {baseline.row}"
    if worse:
        worse = sorted(worse, key=lambda row: row.delta or 0)
        yield f"{_names(worse, gains=True)} {_is(worse)} worse{than}"
    if alike:
        yield f"{_names(alike)} {_is(alike)} equivalent to {it} within {_spell_margin(margin)}"
    if open_:
        yield f"{_names(open_)} {_is(open_)} inconclusive{against}"


def _why_undecided(table: Table, groups: Sequence[Sequence[TableRow]]) -> Iterator[str]:
    if table.protocol == "published":
        yield "Epoch and head were chosen on test, so nothing is decided here."
        return
    judged = [row for group in groups for row in group[1:] if row.verdict]
    if not judged or any(row.verdict in ("improves", "worse") for row in judged):
        return
    n = max(row.pairs or 0 for row in judged)
    needed = max(seeds_needed(_family(group)) for group in groups if _family(group))
    if n < needed:
        seeds = "seed is" if n == 1 else "seeds are"
        yield f"{n} {seeds} too few for any row to improve or be worse: that takes {needed}."


def _family(group: Sequence[TableRow]) -> int:
    """Comparisons that Holm counts."""
    return sum(not row.control for row in group) - 1


def _names(rows: Sequence[TableRow], *, gains: bool = False) -> str:
    """The rows by name, with what they gain; of many the first ones, and how many more."""
    said = [_name(row, gains) for row in rows]
    if len(said) > MOST_NAMES + 1:
        said = [*said[:MOST_NAMES], f"{len(said) - MOST_NAMES} others"]
    *first, last = said
    return f"{', '.join(first)} and {last}" if first else last


def _name(row: TableRow, gains: bool) -> str:
    if not gains:
        return row.row
    noise = ", within the noise floor" if row.within_noise else ""
    return f"{row.row} ({spell_number(row.delta, '+')}{noise})"


def _s(rows: Sequence[TableRow], verb: str) -> str:
    return f"{verb}s" if len(rows) == 1 else verb


def _is(rows: Sequence[TableRow]) -> str:
    return "is" if len(rows) == 1 else "are"


def _spell_margin(margin: float) -> str:
    return f"±{margin:g} point" if margin == 1 else f"±{margin:g} points"
