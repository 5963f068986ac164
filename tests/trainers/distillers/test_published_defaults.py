"""Every default and its source, held against a table that was written from the publications."""

import csv
from pathlib import Path

import pytest

from fdsweep.orchestrator.studies import methods
from fdsweep.trainers import distillers

with Path(__file__).with_name("published_defaults.csv").open(encoding="utf-8") as file:
    TABLE = {(line["method"], line["option"]): line for line in csv.DictReader(file)}


def printed() -> dict[tuple[str, str], tuple[str, str]]:
    """Default and source by method and option, as `fdsweep methods` prints them."""
    _, text = methods.to_text(methods.overview()).split("\n\n")
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert cells[0] == ["method", "option", "default", "source of the default"]
    return {(method, option): (default, source) for method, option, default, source in cells[2:]}


def test_the_printed_list_is_the_table() -> None:
    found = {place: default for place, (default, _) in printed().items()}
    assert found == {place: line["default"] for place, line in TABLE.items()}


def test_every_default_is_printed_with_its_source() -> None:
    for place, (_, source) in printed().items():
        assert TABLE[place]["source"] in source, place


@pytest.mark.parametrize("method", distillers.names())
def test_sources_are_of_options_that_exist(method: str) -> None:
    sources = distillers.registry.get(method).factory.sources
    assert set(sources) <= set(distillers.resolve_options(method, {}))


@pytest.mark.parametrize("method", sorted({method for method, _ in TABLE}))
def test_docstrings_name_the_public_code(method: str) -> None:
    factory = distillers.registry.get(method).factory
    named = {line["source"] for (name, _), line in TABLE.items() if name == method}
    for repository in (name for name in named if "/" in name):
        assert repository in factory.__doc__


def test_figkd_says_what_it_was_made_from() -> None:
    assert "from the abstract alone" in distillers.registry.get("figkd").factory.paper
    assert "from the abstract alone" in methods.to_text(methods.overview())
