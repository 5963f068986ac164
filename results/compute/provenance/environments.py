"""On which machines and with which versions a table's rows were made, where they differ."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN, CPU = "unknown", "cpu"


def sentences(replicates: "pd.DataFrame") -> Iterator[str]:
    """A sentence on the environments of done `replicates`, where there is more than one."""
    told = Counter(zip(replicates["environment"], replicates["device"], strict=True))
    found: Counter[frozenset[tuple[str, str]]] = Counter()
    for (text, device), count in told.items():
        found[_facts(text, device)] += count
    names = {name for facts in found for name, _ in facts}
    by_name = [(dict(facts), count) for facts, count in found.items()]
    differing = sorted(name for name in names if len({facts.get(name) for facts, _ in by_name}) > 1)
    if not differing:
        return
    said = [
        f"{count:,} with {', '.join(f'{name} {facts.get(name, UNKNOWN)}' for name in differing)}"
        for facts, count in sorted(by_name, key=lambda one: (-one[1], sorted(one[0].items())))
    ]
    yield (
        f"Replicates of {len(by_name)} environments stand beside each other, and rounding differs "
        f"between them: {'; '.join(said)}. {_precision(by_name)}Compare differences with the "
        "spread of an A/A row, or make them all anew on one machine."
    )


def _precision(by_name: Iterable[tuple[Mapping[str, str], int]]) -> str:
    """What differs more between devices than rounding of sums, if some are CPUs and some GPUs."""
    devices = {facts["device"] for facts, _ in by_name} - {UNKNOWN}
    if CPU not in devices or len(devices) == 1:
        return ""
    return "On a GPU networks compute in bfloat16, on a CPU in float32. "


def _facts(text: str, device: str) -> frozenset[tuple[str, str]]:
    known: Mapping[str, object] = json.loads(text or "{}")
    named = {name: str(value) for name, value in known.items()}
    return frozenset({**named, "device": device or UNKNOWN}.items())
