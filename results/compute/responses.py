"""The option of each method whose response is drawn: its values, and what was learnt for it.

A method names the option, the manifest carries it. Where the option is "learn", a training curve
of its name holds what was learnt.
"""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from fdsweep.results.records.manifest import Manifest

if TYPE_CHECKING:
    import pandas as pd

LEARN = "learn"
MIN_VALUES = 3
"""Different numbers below which there is no curve."""


class Response(NamedTuple):
    """What a replicate's configuration says of the option: its name, its value, and the `rest`."""

    option: str
    value: float | str
    rest: str


def short_name(option: str) -> str:
    """`option` without the part of a composition that has it."""
    return option.rpartition(".")[2]


def read(config: str | None, options: Mapping[str, str]) -> Response | None:
    """The response of a replicate's `config`; None where its method has none.

    `options` gives methods their option, as a manifest does.
    """
    content = json.loads(config or "{}")
    option = options.get(content.get("method"), "")
    value = content.get("options", {}).pop(option, None)
    if value is None:
        return None
    return Response(option, value, json.dumps(content, sort_keys=True))


def learnt(
    options: Mapping[str, str], replicates: "pd.DataFrame", curves: "Callable[[], pd.DataFrame]"
) -> dict[str, list[float]]:
    """Key -> value at the chosen epoch of each done replicate that learns its option, by seed.

    `options` gives methods their option; `curves` are read only if there is such a replicate.
    """
    done = replicates[replicates["status"] == "done"]
    found = {config: read(config, options) for config in done["config"].unique()}
    learned = {c: one.option if one and one.value == LEARN else "" for c, one in found.items()}
    learning = done.assign(metric=done["config"].map(learned)).query("metric != ''")
    if learning.empty:
        return {}
    trained = curves()
    together = learning.merge(
        trained[trained["split"] == "train"],
        left_on=["key", "seed", "best_epoch", "metric"],
        right_on=["key", "seed", "epoch", "metric"],
    )
    by_key = together.sort_values("seed").groupby("key")["value"]
    return {str(key): values.tolist() for key, values in by_key}


def alike(manifest: Manifest, replicates: "pd.DataFrame") -> dict[str, dict[str, float | str]]:
    """Option -> key -> value of the rows of `manifest` that differ in this option alone.

    In each direction these are the rows of one configuration with at least three different
    numbers, and with "learn"; none where no configuration, or more than one, has those.
    """
    configs = dict(zip(replicates["key"], replicates["config"], strict=True))
    curves: dict[tuple[str, tuple[str, str]], dict[str, dict[str, float | str]]] = {}
    for row in manifest.rows:
        own = read(configs.get(row.key), manifest.response_options)
        if own is not None:
            place = short_name(own.option), row.direction
            curves.setdefault(place, {}).setdefault(own.rest, {})[row.key] = own.value
    found: dict[str, dict[str, float | str]] = {}
    for (option, _), by_rest in curves.items():
        enough = [
            rows for rows in by_rest.values() if len({*rows.values()} - {LEARN}) >= MIN_VALUES
        ]
        if len(enough) == 1:
            found.setdefault(option, {}).update(enough[0])
    return found
