"""The comparison and the list of methods, without Ray."""

import pytest

from fdsweep.orchestrator.studies import methods
from fdsweep.orchestrator.studies.compare import BASELINE, GROUPS, comparison
from fdsweep.orchestrator.studies.plan import make_cells
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import datasets, distillers

WATCH = datasets.find("watch").info


def test_by_default_every_method_stands_in_its_group_behind_the_baseline():
    rows = comparison().rows
    assert rows[0].name == BASELINE
    assert sorted(row.method for row in rows) == sorted(distillers.names())
    places = [GROUPS.index(row.group) for row in rows]
    assert places == sorted(places)
    assert {row.group for row in rows} == {"Uni", "Logit", "Feature", "Cross"}


def test_every_line_of_the_papers_table_is_linked_to_its_number():
    from fdsweep.results.compute.provenance.published import look_up

    sweep = comparison()
    linked = {row.name: row.paper for row in sweep.rows if row.paper}
    found = {
        name: look_up(sweep.paper_table, where, "crema-d", "audio").value
        for name, where in linked.items()
    }
    assert found == {
        "none": 62.4, "kd": 61.7, "dist": 62.2, "dkd": 61.0, "feat": 60.9, "pkd": 60.4,
        "c2kd": 57.5, "fd-cmkd": 64.1,
    }  # fmt: skip


def test_chosen_methods_keep_the_baseline_and_may_be_added_up():
    rows = comparison(" feat, kd+fd-cmkd ").rows
    assert [row.name for row in rows] == ["none", "feat", "kd+fd-cmkd"]
    assert [row.group for row in rows] == ["Uni", "Feature", "Combined"]


@pytest.mark.parametrize("pairing", ["paired", "same-class", "unpaired"])
def test_the_pairing_reaches_every_row_with_a_teacher_and_no_other(pairing):
    cells = make_cells(comparison(pairing=pairing), WATCH)
    for cell in cells:
        expected = pairing if cell.config.teachers else "paired"
        assert cell.config.pairing == expected
    taught = [cell for cell in cells if cell.config.teachers]
    assert len(taught) == 2 * (len(distillers.names()) - 1)


def test_a_composition_has_the_options_of_its_parts_in_its_key():
    (cell, *_) = make_cells(comparison("kd+feat"), WATCH)[1:]
    assert set(cell.config.options) == {
        "kd.weight", "kd.temperature", "feat.weight", "feat.reduction",
    }  # fmt: skip
    assert cell.config.method_version == sum(distillers.version(x) for x in ("kd", "feat"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"methods": "kd,kd"}, "'kd' stands twice"),
        ({"methods": "kd,"}, "unknown method ''"),
        ({"methods": "kd+kdd"}, "unknown method 'kdd'. Choose from: "),
        ({"methods": "kd", "pairing": "loose"}, "'loose'"),
    ],
)
def test_a_wrong_choice_is_answered_in_a_sentence(words, message):
    with pytest.raises(ConfigError) as caught:
        comparison(**words)
    assert message in str(caught.value)


def test_the_list_tells_what_each_method_is():
    table = {one["method"]: one for one in methods.overview()}
    assert tuple(table) == distillers.names()
    assert [name for name, one in table.items() if one["moves_teacher"]] == ["c2kd"]
    assert [name for name, one in table.items() if not one["needs_pairs"]] == ["none", "unpaired"]
    assert [name for name, one in table.items() if not one["needs_teacher"]] == ["none"]
    assert table["kd"]["trains"] == []
    assert table["feat"]["trains_if_widths_differ"] == ["project"]
    assert table["fd-cmkd"]["trains"] == ["classifiers", "band_heads"]
    text = methods.to_text(list(table.values()))
    for name, one in table.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} ")]
        assert one["paper"] in line
        assert one["level"] in line
