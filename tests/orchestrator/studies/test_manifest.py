"""What methods declare for reports, as a sweep's manifest holds it."""

import pytest

from fdsweep.orchestrator.studies.manifest import MethodFacts, method_facts
from fdsweep.trainers import distillers


@pytest.fixture
def declared(monkeypatch):
    """Two methods that declare something, and a function that cannot."""

    class Bands(distillers.Distiller):
        look = 3
        variants = ("Full", "Half", "None")
        response_option = "cutoff"

    class Plain(distillers.Distiller):
        look = 7

    factories = {"bands": Bands, "plain": Plain, "made": lambda: Plain()}
    registry = distillers.registry
    registry.names()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    for name, factory in factories.items():
        registry.register(name)(factory)


def test_methods_have_their_look_and_variants_follow_it(declared):
    facts = method_facts(["plain", "bands", "made", "bands"])
    assert facts.looks == {"plain": 7, "bands": 3, "full": 3, "half": 4, "none": 5}
    assert facts.response_options == {"bands": "cutoff"}


def test_what_adds_up_methods_tells_of_each(declared):
    facts = method_facts(["plain+bands"])
    assert facts.response_options == {"plain+bands": "bands.cutoff"}
    assert facts.looks.keys() == {"plain", "bands", "full", "half", "none"}


def test_nothing_is_told_of_no_method():
    assert method_facts([]) == MethodFacts({}, {})
