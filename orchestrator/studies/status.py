"""`fdsweep status`: the sweeps of a storage and how far they are."""

from collections import Counter
from typing import Any

from fdsweep.results.records.manifest import load_all
from fdsweep.results.records.store import Store


def overview(storage: str) -> list[dict[str, Any]]:
    """A dictionary per sweep, newest first: its name and counts of replicates."""
    store = Store.open(storage)
    states = store.states()
    sweeps = []
    for manifest in load_all(store):
        keys = {row.key for row in manifest.rows}
        counts = Counter(states.get((key, seed)) for key in keys for seed in manifest.seeds)
        total, done, failed = counts.total(), counts["done"], counts["failed"]
        sweeps.append(
            {
                "sweep": manifest.sweep,
                "title": manifest.title,
                "dataset": manifest.dataset,
                "seeds": list(manifest.seeds),
                "total": total,
                "done": done,
                "failed": failed,
                "left": total - done - failed,
            }
        )
    return sweeps


def to_text(sweeps: list[dict[str, Any]]) -> str:
    """`sweeps` as lines for a person."""
    if not sweeps:
        return "No sweep here yet. Type: fdsweep ablation"
    return "\n".join(
        f"{s['sweep']}: {s['done']} done, {s['failed']} failed, {s['left']} left of {s['total']} "
        f"({s['title']}, {len(s['seeds'])} seeds)"
        for s in sweeps
    )
