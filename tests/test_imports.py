"""Imports run orchestrator -> {results, trainers} -> search_spaces, never back."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "search_spaces": {"search_spaces"},
    "trainers": {"trainers", "search_spaces"},
    "results": {"results", "search_spaces"},
    "orchestrator": {"orchestrator", "results", "trainers", "search_spaces"},
}
ONLY_IN = {
    "mlflow": {"orchestrator/tracking.py"},
    "seglearn": set(),
    "click": set(),
}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


MODULES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stay_in_their_rooms(path):
    place = path.relative_to(ROOT)
    names = imported(path)
    assert names & set(MAY_IMPORT) <= MAY_IMPORT[place.parts[0]]
    for name, places in ONLY_IN.items():
        assert name not in names or place.as_posix() in places
    if "ray" in names:
        assert place.parts[0] == "orchestrator" or place.as_posix() == "trainers/worker.py"
