"""What a storage holds, but for times: two storages of the same command hold the same."""

import json
from pathlib import Path

import pandas as pd

TIMES = ["wall_seconds"]
ORDER = {
    "results": ["key", "seed"],
    "curves": ["key", "seed", "epoch", "split", "metric"],
    "predictions": ["key", "seed", "sample_id"],
}


def numbers(storage: Path) -> dict[str, pd.DataFrame]:
    """All rows of all files of results, curves and predictions, in one order."""
    found = {}
    for folder, order in ORDER.items():
        tables = [pd.read_parquet(path) for path in sorted((storage / folder).glob("*.parquet"))]
        table = pd.concat(tables).drop(columns=TIMES, errors="ignore")
        found[folder] = table.sort_values(order).reset_index(drop=True)
    return found


def trials(storage: Path) -> list[dict[str, object]]:
    """Number, point, values and state of each trial of the storage's searches."""
    kept = ("number", "params", "values", "state")
    return [
        {name: trial[name] for name in kept}
        for path in sorted(storage.glob("reports/*/searches.json"))
        for search in json.loads(path.read_text())["searches"]
        for trial in search["trials"]
    ]


def assert_equal(storage: Path, calm: Path) -> None:
    """Rows, each once, curves, predictions and trials are those of the calm run, to the bit."""
    expected = numbers(calm)
    for folder, found in numbers(storage).items():
        pd.testing.assert_frame_equal(found, expected[folder], check_exact=True, obj=folder)
    assert trials(storage) == trials(calm)
