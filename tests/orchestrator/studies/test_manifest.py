"""What methods declare for reports, as a sweep's manifest holds it."""

import pytest

from fdsweep.orchestrator.studies.manifest import MethodFacts, crossed_switches, method_facts
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.search_spaces.presets import every_component, load_preset
from fdsweep.search_spaces.sweep import Row, with_aa
from fdsweep.trainers import datasets, distillers

INFO = datasets.find("watch").info
SWITCHES = ("freq", "align", "scale", "logmse", "band_heads")


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


def test_every_component_crosses_its_switches_and_the_component_study_does_not():
    whole = with_aa(every_component())
    assert len(whole.rows) == 20 + 1
    assert crossed_switches(make_cells(whole, INFO)) == SWITCHES
    assert crossed_switches(make_cells(load_preset("components"), INFO)) == ()


def test_other_methods_may_stand_beside_a_cross_but_no_other_setting_of_its_own():
    whole = every_component()
    cells = make_cells(whole, INFO)

    def beside(row):
        return make_cells(whole.model_copy(update={"rows": (row, *whole.rows)}), INFO)

    assert crossed_switches(beside(Row(name="none", method="none"))) == SWITCHES
    assert crossed_switches(beside(Row(name="tuned", options={"cutoff": 0.25}))) == ()
    assert crossed_switches(beside(Row(name="loose", pairing="shuffled"))) == ()
    assert crossed_switches(beside(Row(name="slow", lr=0.001))) == ()
    assert crossed_switches(cells[:-1]) == ()  # one is missing in one direction
    assert crossed_switches(cells[: len(whole.rows)]) == SWITCHES
    assert crossed_switches([]) == ()
