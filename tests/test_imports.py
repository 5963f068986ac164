"""Imports run orchestrator -> {results, trainers} -> search_spaces, never back, and never round.

Inside a room the floors stand on one another too: FLOORS has each room's from the top down. A floor
is a folder, or a module that lies in the room itself; an import stays on its floor or runs down.
"""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "search_spaces": {"search_spaces"},
    "trainers": {"trainers", "search_spaces"},
    "results": {"results", "search_spaces"},
    "orchestrator": {"orchestrator", "results", "trainers", "search_spaces"},
}
FLOORS = {
    "orchestrator": (
        *("cli", "notebook", "search", "drafts", "studies", "models", "data", "upkeep"),
        *("jobs", "execution", "tracking", "bulletins"),
        *("writer", "owner", "voice", "garbage", "ahead"),
    ),
    "results": (
        "check",
        "plots",
        "several",
        "report",
        "formats",
        "document",
        "kept",
        "compute",
        "records",
    ),
    "trainers": (
        *(
            "worker",
            "trials",
            "replicate",
            "students",
            "loop",
            "protocol",
            "teachers",
            "tasks",
            "datasets",
        ),
        *("loaders", "preparation", "distillers", "backbones", "modalities", "rooms"),
        *("distributed", "features", "frequency", "environment", "optimisation"),
        *("rng", "imports", "registry"),
    ),
    "search_spaces": (
        *("presets", "spaces", "trials", "sweep", "configs", "fields", "documents", "keys"),
        *("code", "layout", "palette", "ranking", "records", "storage", "errors"),
    ),
}
ONLY_IN = {
    "mlflow": {"orchestrator/tracking/experiment.py", "orchestrator/tracking/database.py"},
    "h5py": {"trainers/datasets/nyu_depth_v2/matlab.py"},
    "seglearn": set(),
    "click": set(),
}


def name_of(path: Path) -> str:
    """`trainers.loop` for trainers/loop.py, `trainers.tasks` for trainers/tasks/__init__.py."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))
}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path, *, inside: bool) -> frozenset[str]:
    """What `path` imports; `inside` counts what its functions import when they are called."""
    names = set()
    for node in statements(parsed(path), inside=inside):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def statements(tree: ast.Module, *, inside: bool):
    """All statements, or those that run when a module is imported and not for type checkers."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if not inside and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not inside and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        holders = ast.stmt | ast.ExceptHandler | ast.match_case
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, holders)]


def ours(path: Path, *, inside: bool) -> set[str]:
    """The same, with the name of the package left out."""
    return {name.removeprefix("fdsweep.") for name in imported(path, inside=inside)}


def modules_of(names: set[str]) -> set[str]:
    """Our modules among imported `names`, which may be names of what stands in a module."""
    found = set()
    for name in names:
        parts = name.split(".")
        heads = (".".join(parts[:size]) for size in range(len(parts), 0, -1))
        found.update(next(([head] for head in heads if head in MODULES), []))
    return found


def test_imports_stay_in_their_rooms():
    for path in MODULES.values():
        place = path.relative_to(ROOT)
        tops = {one.split(".")[0] for one in ours(path, inside=True)}
        assert tops & set(MAY_IMPORT) <= MAY_IMPORT[place.parts[0]], place
        for package, places in ONLY_IN.items():
            assert package not in tops or place.as_posix() in places, place
        if "ray" in tops:
            in_room = place.parts[0] == "orchestrator" or place.as_posix() == "trainers/worker.py"
            assert in_room, place


def floor_of(name: str) -> str | None:
    """The floor of a module, None for a room's own `__init__`."""
    return (*name.split("."), None)[1]


@pytest.mark.parametrize("room", FLOORS)
def test_every_floor_has_its_place(room):
    floors = {floor_of(name) for name in MODULES if name.split(".")[0] == room} - {None}
    assert floors == set(FLOORS[room])
    assert len(FLOORS[room]) == len(floors)


def test_imports_run_down_the_floors():
    for name, path in MODULES.items():
        room, floor = name.split(".")[0], floor_of(name)
        place = FLOORS[room].index
        for other in modules_of(ours(path, inside=True)):
            if floor and other.split(".")[0] == room and floor_of(other):
                assert place(floor) <= place(floor_of(other)), f"{name} imports {other}"


def test_a_folder_is_small_enough_to_be_read():
    """Collections of plug-ins, a module for each of a kind, may grow."""
    collections = {"distillers", "backbones", "datasets", "modalities", "plots"}
    for room in FLOORS:
        for folder in {path.parent for path in (ROOT / room).rglob("*.py")}:
            assert folder.name in collections or len(list(folder.glob("*.py"))) <= 10, folder


def test_all_imports_carry_the_name_of_the_package():
    for path in MODULES.values():
        tops = {name.split(".")[0] for name in imported(path, inside=True)}
        assert not tops & set(MAY_IMPORT), path
    for path in (ROOT / "tests").rglob("*.py"):  # as text: nothing else needs their trees
        tops = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE))
        assert not tops & set(MAY_IMPORT), path


def test_no_import_runs_in_a_circle():
    graph = {name: modules_of(ours(path, inside=False)) for name, path in MODULES.items()}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
