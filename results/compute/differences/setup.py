"""What two sweeps were asked for, fact by fact."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fdsweep.results.compute.differences.model import Difference, Line, Side
from fdsweep.results.records.manifest import Manifest, ManifestRow

if TYPE_CHECKING:
    import pandas as pd

NOT_ASKED = (
    *("sweep", "title", "paper_table", "seed_history", "data_notes", "looks", "response_options"),
    *("rows", "teachers"),
)
"""Fields of a manifest that name or describe it, or whose content rows tell."""

OF_ROW = ("method", "pairing", "taught_by", "control", "options")
"""What a manifest says of a row that no replicate has told of yet."""


def sweep_differences(first: Manifest, second: Manifest) -> list[Difference]:
    """What the manifests say differently of the whole sweeps: data, seeds, epochs, networks."""
    facts = [flat(one.model_dump(mode="json", exclude={*NOT_ASKED})) for one in (first, second)]
    return [
        Difference(part="sweep", what=what, first=ours, second=theirs)
        for what, ours, theirs in _unlike(*facts)
    ]


def row_differences(
    first: Side, second: Side, shared: Sequence[Line], told: Sequence[Difference]
) -> list[Difference]:
    """What differs in the configurations of the `shared` rows, each fact with all its rows.

    What is `told` of the sweeps already is left out.
    """
    sides = [(_rows(side.manifest), configurations(side.replicates)) for side in (first, second)]
    found: dict[str, tuple[Any, Any, str, list[Line]]] = {}
    for line in shared:
        rows = [named[line] for named, _ in sides]
        if rows[0].key == rows[1].key:
            continue
        known = all(row.key in configs for row, (_, configs) in zip(rows, sides, strict=True))
        facts = [
            flat(configs[row.key] if known else row.model_dump(mode="json", include={*OF_ROW}))
            for row, (_, configs) in zip(rows, sides, strict=True)
        ]
        keys = [("key", rows[0].key, rows[1].key)] if known else []
        for what, ours, theirs in _unlike(*facts) or keys:
            spelt = json.dumps([what, ours, theirs], sort_keys=True)
            found.setdefault(spelt, (ours, theirs, what, []))[3].append(line)
    of_sweeps = [(one.what.rpartition(".")[2], one.first, one.second) for one in told]
    return [
        Difference(part="rows", what=what, first=ours, second=theirs, lines=tuple(lines))
        for ours, theirs, what, lines in found.values()
        if (what.rpartition(".")[2], ours, theirs) not in of_sweeps
    ]


def environment_differences(first: Side, second: Side) -> list[Difference]:
    """On what the replicates were trained: fdsweep, versions, devices; all that occur in each.

    What an older fdsweep did not write down is no difference.
    """
    sides = [_environment(side.replicates) for side in (first, second)]
    return [
        Difference(part="environment", what=what, first=ours, second=theirs)
        for what, ours, theirs in _unlike(*sides)
        if ours and theirs
    ]


def lines_of(manifest: Manifest) -> list[Line]:
    """The rows of a sweep by name and direction, in their order."""
    return [*_rows(manifest)]


def flat(value: object, place: str = "") -> dict[str, Any]:
    """What is in `value`, by its path: {"a": {"b": 1}} is {"a.b": 1}."""
    if isinstance(value, Mapping):
        inner = {f"{place}.{name}".lstrip("."): each for name, each in value.items()}
        facts = [flat(each, name) for name, each in inner.items()]
        return {path: fact for one in facts for path, fact in one.items()}
    if isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value):
        return flat(dict(enumerate(value)), place)
    return {place: list(value) if isinstance(value, tuple) else value}


def configurations(replicates: "pd.DataFrame") -> dict[str, dict[str, Any]]:
    """Key -> the configuration that its replicates were trained with."""
    once = replicates.drop_duplicates("key")
    pairs = zip(once["key"], once["config"], strict=True)
    return {key: json.loads(text or "{}") for key, text in pairs}


def _rows(manifest: Manifest) -> dict[Line, ManifestRow]:
    return {(row.row, *row.direction): row for row in manifest.rows}


def _unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Facts that are not the same in both; None stands for one that is not there."""
    return [
        (what, first.get(what), second.get(what))
        for what in dict.fromkeys((*first, *second))
        if first.get(what) != second.get(what)
    ]


def _environment(replicates: "pd.DataFrame") -> dict[str, list[str]]:
    """Fact -> all its values among the done replicates, sorted."""
    done = replicates[replicates["status"] == "done"]
    found: dict[str, set[str]] = {
        "fdsweep": {*done["fdsweep_version"]},
        "device": {*done["device"]},
    }
    for text in done["environment"].unique():
        for name, value in json.loads(text or "{}").items():
            found.setdefault(name, set()).add(str(value))
    return {name: sorted(values) for name, values in found.items()}
