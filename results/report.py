"""A sweep's report, made anew from the storage each time, in a format for each kind of reader.

The same rows give the same bytes: nothing here knows the time or the machine.
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fdsweep.results.compute.cells import chosen_seeds
from fdsweep.results.compute.tables import build_table
from fdsweep.results.document import Report
from fdsweep.results.formats.csv import to_csv
from fdsweep.results.formats.html import to_html
from fdsweep.results.formats.latex import to_latex
from fdsweep.results.formats.markdown import to_markdown
from fdsweep.results.formats.search_section import spell_option
from fdsweep.results.records import searches, teachers
from fdsweep.results.records.manifest import Manifest, find
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import unknown

__all__ = [
    "FORMATS",
    "LEARN",
    "Report",
    "learnt_cutoffs",
    "report",
    "spell_option",
    "to_csv",
    "to_html",
    "to_json",
    "to_latex",
    "to_markdown",
    "to_text",
    "without_cutoff",
]

SCHEMA = "fdsweep.report/1"
FORMATS = ("markdown", "latex", "html", "csv", "json")
LEARN = "learn"
"""The cutoff of fd-cmkd that is trained along."""


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
        predictions=store.predictions(keys),
        cutoffs=learnt_cutoffs(store, replicates[replicates["seed"].isin(chosen)]),
    )
    damaged = store.damaged(keys)
    if damaged:
        note = f"Damaged files are left out, run the sweep again: {', '.join(damaged)}."
        table = dataclasses.replace(table, notes=(*table.notes, note))
    return Report(manifest.sweep, (table,), searches.load(store, manifest.sweep))


def to_json(report: Report) -> dict[str, Any]:
    """`report` in JSON types, as architecture.md has it; accuracies in percent, null for none.

    Searches, where there are any, are as they were stored: their accuracies are fractions.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "sweep": report.sweep,
        "tables": [_plain(dataclasses.asdict(table)) for table in report.tables],
    }
    if report.searches:
        document["searches"] = [searches.plain(search) for search in report.searches]
    return document


def to_text(report: Report, form: str, pictures: Mapping[str, bytes] | None = None) -> str:
    """`report` in one of the `FORMATS`; only html has `pictures`.

    Raises:
        ConfigError: another format.
    """
    if form == "json":
        return json.dumps(to_json(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if form == "html":
        return to_html(report, pictures or {})
    writers = {"markdown": to_markdown, "latex": to_latex, "csv": to_csv}
    if form not in writers:
        raise unknown("format", form, FORMATS, "--format")
    return writers[form](report)


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
            teachers.test_accuracy(store, key, seed)
            for seed in seeds
            if store.exists(layout.teacher_record(key, seed))
        ]
        for modality, key in manifest.teachers.items()
    }


def _plain(value: Any) -> Any:
    """`value` with lists for tuples."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value
