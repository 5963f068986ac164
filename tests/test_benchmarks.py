"""What benchmarks print stands in its place in docs/performance.md, and can be compared."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def runner():
    spec = importlib.util.spec_from_file_location("runner", ROOT / "benchmarks" / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_benchmark_has_its_place_in_the_page(runner):
    page = runner.PAGE.read_text()
    assert "overhead" in runner.NAMES
    for name in runner.NAMES:
        assert page.count(runner.START.format(name)) == 1
    assert page.count(runner.END) == len(runner.NAMES)


def test_only_the_place_of_a_benchmark_is_written(runner):
    places = [runner.START.format(name) + "old\n" + runner.END for name in "ab"]
    page = f"first\n{places[0]}between\n{places[1]}last\n"
    found = runner.placed(page, "a", "| new |\n\n")
    assert found == page.replace(places[0], runner.START.format("a") + "| new |\n" + runner.END)
    with pytest.raises(SystemExit, match="no place for c"):
        runner.placed(page, "c", "new")


def test_figures_are_the_numbers_by_the_names_on_the_way_to_them(runner):
    found = {"wall": {"plain": 3.5, "usual": {"s": 4}}, "ratio": 0.1, "command": ["x"], "n": "y"}
    assert runner.figures(found) == {"wall, plain": 3.5, "wall, usual, s": 4, "ratio": 0.1}
