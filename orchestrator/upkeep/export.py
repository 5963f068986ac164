"""`fdsweep export`: a sweep as one archive, for a paper's supplement or another storage.

    <sweep>/README.md       what is there and how to make it again
    <sweep>/study.yaml      what was asked for
    <sweep>/versions.json   what computed it, on which data
    <sweep>/report.*        the report in every format
    <sweep>/pictures/       its pictures
    <sweep>/storage/        rows, curves and predictions: `fdsweep report --storage` reads it

Neither weights nor data are in it. The same sweep gives the same bytes.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdsweep.orchestrator.upkeep import definition
from fdsweep.results import plots
from fdsweep.results.document import SweepData
from fdsweep.results.records import analyses, costs, manifest, searches
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.results.report import load, report_of, to_text
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import ConfigError, StorageError, first_line

STORAGE = "storage"
RECORDS = (
    *(manifest.FILE.name, costs.FILE.name, searches.FILE.name, analyses.FILE.name),
    definition.FILE,
)
"""What a sweep's folder of reports holds that is not made of the rows."""

FORMATS = {"markdown": "md", "html": "html", "latex": "tex", "csv": "csv", "json": "json"}
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the earliest that there is in one."""

README = """\
# {title}

The sweep `{sweep}` on {dataset}: {rows} rows, {replicates} replicates, seeds {seeds}.

| | |
| --- | --- |
| `report.md`, `.html`, `.tex`, `.csv`, `.json` | the table, with intervals and verdicts |
| `pictures/` | its pictures |
| `versions.json` | versions and machines that computed it; the data's fingerprint |
| `storage/results/` | a Parquet row per replicate, its whole configuration in `config` |
| `storage/curves/`, `storage/predictions/` | metrics per epoch; test predictions, where kept |
{study}
To make the report again from the rows, which takes seconds:

    pip install fdsweep=={version}
    fdsweep report --storage storage {sweep} --format html > report.html

{again}To take the rows into a storage of your own: `fdsweep import {archive}`.
"""
STUDY_LINE = "| `study.yaml` | what was asked for |\n"
AGAIN = """\
To train it anew, which on the same machine gives the same numbers:

    fdsweep run study.yaml

"""


@dataclass(frozen=True, slots=True)
class Exported:
    """An archive: of which sweep, where, with how many replicates, and its bytes."""

    sweep: str
    path: Path
    replicates: int
    size: int


def export(store: Store, sweep: str | None, out: Path | None = None) -> Exported:
    """Write the archive of a `sweep`, as `results.report.load` finds it.

    Args:
        store: where it is.
        sweep: its name, its beginning, or None for the newest.
        out: the archive; `<sweep>.zip` here by default.

    Raises:
        ConfigError: no such sweep, or the archive is there already or cannot be written.
        StorageError: the storage cannot be read, or not a replicate is finished.
    """
    data = load(store, sweep)
    name = data.manifest.sweep
    path = Path(f"{name}.zip") if out is None else out
    if path.exists():
        raise ConfigError("is there already", str(path), "Delete it, or give another --out")
    done = _done(store, data.manifest)
    if not done:
        raise StorageError(f"{name} has no finished replicate", store.root, "Train it first")
    kept = {place: store.read(place) for place in _places(store, data.manifest, done)}
    files = {
        **{f"{STORAGE}/{place}": content for place, content in kept.items()},
        **_told(data, kept, path.name, len(done)),
    }
    _write(path, {f"{name}/{place}": content for place, content in files.items()})
    return Exported(name, path, len(done), path.stat().st_size)


def _done(store: Store, told: Manifest) -> list[tuple[str, int]]:
    """(key, seed) of the done replicates of a sweep."""
    keys = {row.key for row in told.rows}
    states = store.states().items()
    return sorted(who for who, state in states if who[0] in keys and state.status == "done")


def _places(store: Store, told: Manifest, done: list[tuple[str, int]]) -> Iterator[str]:
    """What of the storage belongs to a sweep: files of `done` replicates, and records."""
    for file in (layout.replicate_file(*who) for who in done):
        yield from (f"{x}/{file}" for x in layout.REPLICATES if store.exists(f"{x}/{file}"))
    teachers = {key for row in told.rows for key in row.teacher_keys} | {*told.teachers.values()}
    for key in sorted(teachers):
        yield from (x for x in sorted(store.listing(layout.teachers(key))) if x.endswith(".json"))
    records = (layout.report_file(told.sweep, record) for record in RECORDS)
    yield from (place for place in records if store.exists(place))


def _told(
    data: SweepData, kept: Mapping[str, bytes], archive: str, replicates: int
) -> dict[str, bytes]:
    """What is made of the rows for people."""
    told, result = data.manifest, report_of(data)
    pictures = plots.render(plots.pictures(data))
    texts = {
        f"report.{ending}": to_text(result, form, pictures) for form, ending in FORMATS.items()
    }
    versions = _versions(data)
    texts["versions.json"] = json.dumps(versions, indent=2, ensure_ascii=False) + "\n"
    study = kept.get(layout.report_file(told.sweep, definition.FILE))
    texts["README.md"] = README.format(
        title=told.title,
        sweep=told.sweep,
        dataset=told.dataset,
        rows=len(told.rows),
        replicates=replicates,
        seeds=", ".join(map(str, told.seeds)),
        study=STUDY_LINE if study else "",
        again=AGAIN if study else "",
        version=versions["fdsweep"][-1],
        archive=archive,
    )
    return {
        **{name: text.encode() for name, text in texts.items()},
        **{f"pictures/{name}": content for name, content in pictures.items()},
        **({definition.FILE: study} if study else {}),
    }


def _versions(data: SweepData) -> dict[str, Any]:
    """What computed the rows of a sweep, each only once; the newest fdsweep last."""
    rows = data.stored.rows
    done = rows[rows["status"] == "done"]
    facts = [json.loads(text) for text in sorted(set(done["environment"])) if text]
    return {
        "schema": "fdsweep.versions/1",
        "fdsweep": sorted(set(done["fdsweep_version"])),
        "devices": sorted(set(done["device"])),
        "environments": facts,
        "dataset": data.manifest.dataset,
        "data_fingerprint": data.manifest.data_fingerprint,
        "data_notes": list(data.manifest.data_notes),
    }


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write an archive in one step."""
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(files):
                archive.writestr(_entry(name), files[name])
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigError(f"cannot be written ({first_line(error)})", str(path)) from None


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
