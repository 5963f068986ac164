"""`fdsweep status`: the sweeps of a storage and how far they are."""

from typing import Any

from fdsweep.results.records.manifest import load_all
from fdsweep.results.records.store import Store


def overview(storage: str) -> list[dict[str, Any]]:
    """A dictionary per sweep, newest first: its name and counts of replicates."""
    store = Store.open(storage)
    rows = store.replicates()
    sweeps = []
    for manifest in load_all(store):
        keys = {row.key for row in manifest.rows}
        mine = rows[rows["key"].isin(keys) & rows["seed"].isin(manifest.seeds)]
        counts = mine["status"].value_counts()
        total = len(keys) * len(manifest.seeds)
        done, failed = int(counts.get("done", 0)), int(counts.get("failed", 0))
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
