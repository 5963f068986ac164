"""What methods declare for reports, as a sweep's manifest holds it."""

import pytest

from fdsweep.orchestrator.studies.manifest import (
    MethodFacts,
    crossed_switches,
    make_manifest,
    method_facts,
)
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.results.records.manifest import add, load
from fdsweep.results.records.setting import Setting
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.presets import every_component, load_preset
from fdsweep.search_spaces.sweep import Row, override, with_aa
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


@pytest.fixture
def saved(tmp_path):
    """The manifest of a sweep with `changes`, as it is written before anything is trained."""

    def make(study=None, **changes):
        sweep = with_aa(override(study or load_preset("components"), seeds=(0, 1), **changes))
        checkpoints = dict.fromkeys(sweep.pretrained, "abc")
        made = make_manifest(sweep, make_cells(sweep, INFO, checkpoints), INFO)
        store = Store.create(str(tmp_path / "runs"))
        assert add(store, made) == made == load(store, made.sweep)
        return made

    return make


def test_the_setting_is_written_down_for_who_compares_numbers(saved):
    made = saved(epochs=3, batch_size=32)
    assert (made.protocol, made.features, made.epochs) == ("ours", "post-relu", 3)
    assert made.setting == Setting(
        split="subjects apart",
        variant="own",
        classes=7,
        batch_size=32,
        backbones={"accelerometer": "cnn1d", "gyroscope": "cnn1d"},
        pretraining={"accelerometer": "none", "gyroscope": "none"},
    )
    other = saved(protocol="published", features="pre-relu")
    assert (other.protocol, other.features) == ("published", "pre-relu")


def test_the_optimisation_is_written_down_with_what_is_not_as_published(saved):
    plain = saved().setting
    assert (plain.optimiser, plain.schedule) == ("sgd", "polynomial")
    other = saved(
        optimizer="adamw", schedule="cosine", warmup_epochs=1.5, weight_decay=0.01, final_lr=1e-6
    ).setting
    assert other.optimiser == "adamw, weight decay 0.01"
    assert other.schedule == "cosine, warmup epochs 1.5, final lr 1e-06"


def test_an_aa_row_is_known_as_one(saved):
    rows = saved(directions=("accelerometer->gyroscope",)).rows
    assert [row.row for row in rows if row.control == "aa"] == ["A/A"]
    first, repeated = rows[0], rows[-1]
    assert repeated.key != first.key
    assert (repeated.method, repeated.teacher_keys) == (first.method, first.teacher_keys)


def test_a_checkpoint_is_named_without_its_folder(saved):
    made = saved(pretrained={"gyroscope": "/home/somebody/models/small"})
    assert made.setting.pretraining == {"accelerometer": "none", "gyroscope": "small"}


def test_nothing_is_told_of_no_method():
    assert method_facts([]) == MethodFacts({}, {})


def test_every_component_crosses_its_switches_and_the_component_study_does_not():
    whole = with_aa(every_component())
    assert len(whole.rows) == 20 + 1
    assert crossed_switches(make_cells(whole, INFO)) == SWITCHES
    assert crossed_switches(make_cells(load_preset("components"), INFO)) == ()


def test_what_is_crossed_and_each_rows_options_are_written_down(saved):
    made = saved(every_component())
    assert made.factors == SWITCHES
    assert [name for name in SWITCHES if made.rows[-2].options[name]] == list(SWITCHES)
    assert made.rows[0].options["cutoff"] == 0.5  # a default
    assert saved().factors == ()


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
