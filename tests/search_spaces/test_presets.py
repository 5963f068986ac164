import pytest

from fdsweep.search_spaces.presets import SWITCHES, every_component, load_preset, presets
from fdsweep.search_spaces.sweep import AA


def test_the_presets_are_the_five_studies():
    assert presets() == ("components", "controls", "cutoffs", "losses", "teachers")
    for name in presets():
        assert load_preset(name).study == name


def test_components_are_the_seven_rows_of_table_2_and_the_band_heads():
    rows = load_preset("components").rows
    assert all(tuple(row.options) == tuple(SWITCHES) for row in rows)
    switches = [tuple(int(on) for on in row.options.values()) for row in rows]
    assert switches == [
        (0, 0, 0, 0, 0),
        (1, 0, 0, 0, 0),
        (0, 1, 0, 0, 0),
        (1, 1, 0, 0, 0),
        (1, 0, 1, 0, 0),
        (1, 1, 1, 0, 0),
        (1, 1, 1, 1, 0),
        (1, 1, 1, 1, 1),
    ]
    assert [row.paper["row"] for row in rows] == [*range(1, 8), 7]
    assert rows[-1].name == "+Heads"


@pytest.mark.parametrize("study", ["losses", "cutoffs", "controls", "teachers"])
def test_band_heads_come_along_with_nothing_but_the_published_method(study):
    rows = [row for row in load_preset(study).rows if row.method == "fd-cmkd" and not row.control]
    with_heads = [row.name for row in rows if row.options.get("band_heads", True)]
    assert with_heads == (["FD-CMKD"] if study == "controls" else [])


def test_the_controls_end_with_the_baseline_repeated():
    assert [row.name for row in load_preset("controls").rows if row.control] == [AA]


def test_every_valid_combination_stands_once():
    rows = every_component().rows
    settings = {tuple(row.options.values()) for row in rows}
    assert len(rows) == len(settings) == 20
    assert all(freq or not (logmse or heads) for freq, _, _, logmse, heads in settings)
    assert rows[0].name == "Feat"
    assert [row for row in rows if row.paper] == sorted(
        load_preset("components").rows, key=lambda row: sum(row.options.values())
    )
