"""Runs benchmarks: `python benchmarks [NAME ...]` writes what they print into docs/performance.md.

All of them if none is named; `gpu` only where there is one. Each has a place in the page, from its
START to END. All else is written by hand and stays, and so does what stands in the place of a
benchmark that does not run.

    python benchmarks --against COMMIT [--rounds N] NAME [ARGUMENT ...]

compares a benchmark with that of another commit: both run N times (5), in turns, each in its own
tree, and the medians of every figure stand side by side. Nothing is written.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "performance.md"
NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))
START, END = "<!-- made by `python benchmarks {}` -->\n", "<!-- end -->\n"


def run(name: str, arguments: list[str], tree: Path = ROOT) -> tuple[str, dict[str, float]]:
    """What a benchmark of `tree` prints for people, and the figures of its last line."""
    done = subprocess.run(
        [sys.executable, str(Path("benchmarks", f"{name}.py")), *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"benchmarks/{name}.py failed in {tree}")
    text, _, last = done.stdout.rstrip().rpartition("\n")
    return text.strip(), figures(json.loads(last))


def figures(found: object, name: str = "") -> dict[str, float]:
    """Every number in what JSON holds, by the names on the way to it.

    Example:
        >>> figures({"wall": {"plain": 3.0}, "command": ["x"]})
        {'wall, plain': 3.0}
    """
    if isinstance(found, dict):
        inside = {f"{name}, {key}" if name else key: value for key, value in found.items()}
        return {
            label: x for key, value in inside.items() for label, x in figures(value, key).items()
        }
    return {name: found} if isinstance(found, int | float) else {}


def circumstances(name: str) -> str:
    """When, on what and of which commit a benchmark is measured."""
    commit = git("rev-parse", "--short", "HEAD")
    changed = " and changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    text = (
        f"`python benchmarks/{name}.py` on {date.today()}, commit {commit}{changed}: "
        f"{os.cpu_count()} cores ({platform.machine()}) with a load of {os.getloadavg()[0]:.1f} "
        f"before it, Python {platform.python_version()}, torch {version('torch')}, "
        f"Ray {version('ray')}."
    )
    return textwrap.fill(text, 118, break_on_hyphens=False) + "\n"


def git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def placed(page: str, name: str, text: str) -> str:
    """`page` with `text` in the place of the benchmark `name`."""
    before, start, rest = page.partition(START.format(name))
    if not start:
        raise SystemExit(f"{PAGE.name} has no place for {name}: {START.format(name).strip()}")
    return f"{before}{start}{text.rstrip()}\n{END}{rest.partition(END)[2]}"


def write(names: list[str]) -> None:
    """Run benchmarks, and write each into the page when it has ended."""
    import torch

    for name in names:
        if name == "gpu" and not torch.cuda.is_available():
            print("gpu: no GPU here; the page keeps what it has", file=sys.stderr)
            continue
        print(f"{name} …", file=sys.stderr)
        head = circumstances(name)
        text, _ = run(name, [])
        PAGE.write_text(placed(PAGE.read_text(), name, f"{head}\n{text}"))


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The files of `commit` in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder, "tree")
        git("worktree", "add", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            git("worktree", "remove", "--force", str(tree))


def compare(commit: str, name: str, arguments: list[str], rounds: int) -> None:
    """Print the medians of every figure that both trees tell."""
    with tree_of(commit) as other:
        trees = {commit: other, "here": ROOT}
        told: dict[str, list[dict[str, float]]] = {label: [] for label in trees}
        for number in range(rounds):
            for label, tree in trees.items():
                print(f"{number + 1} of {rounds}, {label} …", file=sys.stderr)
                told[label].append(run(name, arguments, tree)[1])
    everything = [one for each in told.values() for one in each]
    common = [key for key in everything[0] if all(key in one for one in everything)]
    found = {
        key: [statistics.median(one[key] for one in told[label]) for label in trees]
        for key in common
    }
    print(f"{name}, medians of {rounds}\n")
    print(f"| figure | {commit} | here | times |\n| --- | ---: | ---: | ---: |")
    for key, (before, after) in found.items():
        times = f"{after / before:.2f}" if before else ""
        print(f"| {key} | {before:.4g} | {after:.4g} | {times} |")
    print(json.dumps({"benchmark": name, "against": commit, "medians": found, "told": told}))


def main() -> None:
    parser = argparse.ArgumentParser("python benchmarks", description="Runs benchmarks.")
    parser.add_argument("--against", metavar="COMMIT", help="compare with it; writes nothing")
    parser.add_argument("--rounds", type=int, default=5, help="how often, to compare")
    parser.add_argument("words", nargs=argparse.REMAINDER, help=f"of {', '.join(NAMES)}")
    given = parser.parse_args()
    names = given.words[:1] if given.against else given.words or NAMES
    if not names or not {*names} <= {*NAMES}:
        parser.error(f"benchmarks are {', '.join(NAMES)}")
    if given.against:
        compare(given.against, names[0], given.words[1:], given.rounds)
    else:
        write(names)


if __name__ == "__main__":
    main()
