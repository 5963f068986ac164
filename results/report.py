"""A sweep's report, made anew from the storage each time: markdown for people, JSON for programs.

The same rows give the same bytes: nothing here knows the time or the machine.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from results import searches
from results.cells import chosen_seeds
from results.manifest import Manifest, find
from results.notes import DOUBT_MARK, spell_seeds
from results.searches import Search, SearchTrial
from results.statistics import seeds_needed
from results.store import Store
from results.tables import TO_PERCENT, Table, TableRow, build_table
from search_spaces.configs import Option
from search_spaces.errors import StorageError

SCHEMA = "fdsweep.report/1"
NOTHING = "–"
P_FROM = seeds_needed(1)
TEXTS = ("Group", "Row", "Pairing")
LEFT = (*TEXTS, "Parameter")
"""Headings of columns that hold words, and so stand to the left."""

SHORTEST = 3  # dashes that every reader of markdown takes for a table
LEARN = "learn"
"""The cutoff of fd-cmkd that is trained along."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """The tables of one sweep, and the searches that it evaluates."""

    sweep: str
    tables: tuple[Table, ...]
    searches: tuple[Search, ...] = ()


def report(store: Store, sweep: str | None = None, seeds: Sequence[int] | None = None) -> Report:
    """The report of `sweep` (a name, its beginning, or None for the newest) from `store`.

    `seeds` leaves out the others.

    Raises:
        ConfigError: no such sweep, or a seed that it does not have.
        StorageError: the storage holds no sweep, or cannot be read.
    """
    manifest = find(store, sweep)
    keys = {row.key for row in manifest.rows}
    chosen = chosen_seeds(manifest, seeds)
    replicates = store.replicates(keys)
    table = build_table(
        manifest,
        replicates,
        seeds,
        teachers=_teachers(store, manifest, chosen),
        cutoffs=learnt_cutoffs(store, replicates[replicates["seed"].isin(chosen)]),
    )
    damaged = store.damaged(keys)
    if damaged:
        note = f"Damaged files are left out, run the sweep again: {', '.join(damaged)}."
        table = dataclasses.replace(table, notes=(*table.notes, note))
    return Report(manifest.sweep, (table,), searches.load(store, manifest.sweep))


def to_markdown(report: Report) -> str:
    """`report` as markdown that also reads well in a terminal: aligned, a table per direction."""
    sections = [*map(_section, report.tables), *map(_search_section, report.searches)]
    return "\n".join(itertools.chain.from_iterable(sections))


def to_json(report: Report) -> dict[str, Any]:
    """`report` in JSON types, as architecture.md has it; accuracies in percent, null for none.

    Searches, where there are any, are as they were stored: their accuracies are fractions.
    """
    document = {
        "schema": SCHEMA,
        "sweep": report.sweep,
        "tables": [
            {
                "title": table.title,
                "columns": list(table.columns),
                "rows": [_plain(row) for row in table.rows],
                "notes": list(table.notes),
            }
            for table in report.tables
        ],
    }
    if report.searches:
        document["searches"] = [searches.plain(search) for search in report.searches]
    return document


def without_cutoff(config: str | None) -> tuple[float | str | None, str]:
    """fd-cmkd's option `cutoff` in a replicate's `config`, and the config without it as text.

    The option is None where fd-cmkd takes no part.
    """
    content = json.loads(config or "{}")
    options = content.get("options", {})
    cutoff = options.pop(_cutoff_name(content), None)
    return cutoff, json.dumps(content, sort_keys=True)


def learnt_cutoffs(store: Store, replicates: pd.DataFrame) -> dict[str, list[float]]:
    """Key -> cutoff at the chosen epoch of each done replicate that learns its cutoff, by seed."""
    done = replicates[replicates["status"] == "done"]
    learns = [without_cutoff(config)[0] == LEARN for config in done["config"]]
    done = done[learns]
    if done.empty:
        return {}
    done = done.assign(metric=[_cutoff_name(json.loads(config)) for config in done["config"]])
    curves = store.curves(set(done["key"]))
    found = done.merge(
        curves[curves["split"] == "train"],
        left_on=["key", "seed", "best_epoch", "metric"],
        right_on=["key", "seed", "epoch", "metric"],
    ).sort_values("seed")
    return {str(key): own["value"].tolist() for key, own in found.groupby("key")}


def _cutoff_name(config: Mapping[str, Any]) -> str:
    """What fd-cmkd's cutoff is called in the options and curves of `config`."""
    return "cutoff" if config.get("method") == "fd-cmkd" else "fd-cmkd.cutoff"


def _teachers(store: Store, manifest: Manifest, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test accuracies of the teachers that are there, by modality."""
    return {
        modality: [
            _test_accuracy(store, place)
            for place in (f"teachers/{key}/{seed}.json" for seed in seeds)
            if store.exists(place)
        ]
        for modality, key in manifest.teachers.items()
    }


def _test_accuracy(store: Store, place: str) -> float:
    try:
        return float(json.loads(store.read_text(place))["test_accuracy"])
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"is no teacher's record ({error})", store.path(place)) from None


def _plain(row: TableRow) -> dict[str, Any]:
    content = dataclasses.asdict(row)
    content["delta_ci"] = list(row.delta_ci) if row.delta_ci else None
    return content


def _section(table: Table) -> Iterable[str]:
    yield f"## {table.title}"
    yield ""
    for (teacher, student), group in itertools.groupby(table.rows, lambda row: row.direction):
        yield f"**{teacher} -> {student}**"
        yield ""
        yield from _aligned(_grid(list(group), table))
        yield ""
    yield from (f"- {note}" for note in table.notes)
    yield ""


def _search_section(search: Search) -> Iterator[str]:
    yield f"### Search: {search.method}, {', '.join(search.directions)} ({search.space})"
    yield ""
    for grid in (_chosen_grid(search), _front_grid(search)):
        if grid:
            yield from _aligned(grid)
            yield ""
    yield from (f"- {note}" for note in (*_search_notes(search), *search.notes))
    yield ""


def _chosen_grid(search: Search) -> list[list[str]]:
    """The chosen configuration beside the default, a line per parameter; empty without one."""
    chosen, default = searches.find(search, search.chosen), searches.default_trial(search)
    if chosen is None:
        return []
    columns = {"default": default, "chosen": chosen}
    if default is chosen:
        columns = {"default, chosen": chosen}
    there = {heading: trial for heading, trial in columns.items() if trial is not None}
    trials = list(there.values())
    lines = [["Parameter", *there]]
    lines += [
        [name, *(spell_option(trial.params.get(name, NOTHING)) for trial in trials)]
        for name in _parameters(search, trials)
    ]
    lines += [
        [_heading(objective), *(_objective(objective, trial.values[place]) for trial in trials)]
        for place, objective in enumerate(search.objectives)
    ]
    return lines


def _front_grid(search: Search) -> list[list[str]]:
    """The trials on the Pareto front, the best by the first objective first; empty without one."""
    trials = [trial for trial in (searches.find(search, n) for n in search.front) if trial]
    if not trials:
        return []
    trials.sort(key=lambda trial: (-trial.values[0], trial.number))
    names = _parameters(search, trials)
    lines = [["Pareto front: trial", *names, *map(_heading, search.objectives)]]
    for trial in trials:
        chosen = " (chosen)" if trial.number == search.chosen else ""
        options = (spell_option(trial.params.get(name, NOTHING)) for name in names)
        values = map(_objective, search.objectives, trial.values)
        lines.append([f"{trial.number}{chosen}", *options, *values])
    return lines


def _search_notes(search: Search) -> Iterator[str]:
    n = len(search.trials)
    states = [f"{count} {state}" for state, count in searches.counts(search).items()]
    answered = searches.answered(search)
    said = ", ".join(states) or "none yet"
    untrained = f"; {answered} answered without training" if answered else ""
    yield f"{n} of {search.asked} trials: {said}{untrained}."
    yield (
        f"Trained: {searches.epochs_trained(search):,} of the {searches.full_epochs(search):,} "
        f"epochs of {n} full trials, in {spell_time(searches.seconds_trained(search))}. "
        f"Sampler: {search.sampler}. Pruning: {'on' if search.prunes else 'off'}."
    )
    cost = ", and training time per epoch" if searches.COST in search.objectives else ""
    accuracies = [objective for objective in search.objectives if objective != searches.COST]
    each = " of each direction" if len(accuracies) > 1 else ""
    yield (
        f"Objective: mean validation accuracy{each} over the tuning seeds "
        f"{spell_seeds(search.seeds)}{cost}. The search never reads test."
    )
    if search.chosen is not None:
        yield (
            "The choice is made on validation, whose numbers here are optimistic for that reason; "
            "what it is worth stands in the table above."
        )
    if search.infeasible:
        yield (
            f"Points outside the constraints: {search.infeasible}, neither trained nor counted as "
            "trials."
        )
    if search.importances:
        ranked = sorted(search.importances.items(), key=lambda item: (-item[1], item[0]))
        shares = ", ".join(f"{name} {share:.2f}" for name, share in ranked)
        yield f"Importance for the accuracy {searches.compared_at(search)} (PED-ANOVA): {shares}."


def spell_option(value: Option) -> str:
    """An option's value for people: three digits, words as in YAML."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def spell_time(seconds: float) -> str:
    """`seconds` for people, in the largest unit that leaves two or more."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _parameters(search: Search, trials: Iterable[SearchTrial]) -> list[str]:
    """Names that at least one of `trials` has, in the order of the space."""
    used = {name for trial in trials for name in trial.params}
    known = [dimension.name for dimension in search.dimensions if dimension.name in used]
    return [*known, *sorted(used.difference(known))]


def _heading(objective: str) -> str:
    if objective == searches.COST:
        return "Training time per epoch [s]"
    return f"Validation {objective} [%]"


def _objective(objective: str, value: float) -> str:
    return f"{value:.3g}" if objective == searches.COST else f"{value * TO_PERCENT:.1f}"


def _grid(rows: Sequence[TableRow], table: Table) -> list[list[str]]:
    """The heading and one line of text cells for each of `rows`."""
    with_p = any((row.pairs or 0) >= P_FROM for row in table.rows)
    with_paper = "paper" in table.columns
    difference = f"Δ vs {rows[0].row} [95 % CI]"
    with_group = "group" in table.columns
    with_pairing = len({row.pairing for row in table.rows if row.pairing}) > 1
    heading = [*TEXTS, "n", "Top-1 (mean ± SD)", difference, "p Holm", "last", "test-sel.", "paper"]
    lines = [heading, *(_cells(row) for row in rows)]
    shown = [with_group, True, with_pairing, True, True, True, with_p, True, True, with_paper]
    return [list(itertools.compress(line, shown)) for line in lines]


def _cells(row: TableRow) -> list[str]:
    return [
        row.group or NOTHING,
        row.row,
        row.pairing or NOTHING,
        str(row.n) if row.n == row.asked else f"{row.n}/{row.asked}",
        _number(row.mean) + ("" if row.std is None else f" ± {_number(row.std)}"),
        _difference(row),
        _p(row),
        _number(row.last),
        _number(row.test_selected),
        _number(row.paper) + (DOUBT_MARK if row.paper_note else ""),
    ]


def _number(value: float | None, sign: str = "") -> str:
    return NOTHING if value is None else f"{value:{sign}z.1f}"


def _difference(row: TableRow) -> str:
    interval = ", ".join(_number(end, "+") for end in row.delta_ci or ())
    return _number(row.delta, "+") + (f" [{interval}]" if interval else "")


def _p(row: TableRow) -> str:
    if row.p_adjusted is None or (row.pairs or 0) < P_FROM:
        return NOTHING
    return f"{row.p_adjusted:.3f}" if row.p_adjusted >= 0.001 else "<0.001"


def _aligned(grid: Sequence[Sequence[str]]) -> Iterable[str]:
    """A markdown table with columns of equal width, words to the left and numbers to the right."""
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in grid]
    widths = [max(SHORTEST, *map(len, column)) for column in zip(*escaped, strict=True)]
    justify = [str.ljust if heading in LEFT else str.rjust for heading in grid[0]]
    rule = ["-" if heading in LEFT else ":" for heading in grid[0]]
    rule = [end.rjust(width, "-") for end, width in zip(rule, widths, strict=True)]
    for line in (escaped[0], rule, *escaped[1:]):
        cells = [put(cell, n) for put, cell, n in zip(justify, line, widths, strict=True)]
        yield f"| {' | '.join(cells)} |"
