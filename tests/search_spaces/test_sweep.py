import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.fields import parse_seeds
from fdsweep.search_spaces.presets import every_component, load_preset, presets
from fdsweep.search_spaces.sweep import load_sweep, override

GOOD = """
title: Mine
seeds: [0, 3]
rows:
  - {name: Feat, method: feat}
  - {name: FD, options: {cutoff: 0.25}, pairing: same-class}
"""


@pytest.mark.parametrize(
    ("text", "seeds"), [("1", (0,)), ("5", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), ("4,", None)]
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    if seeds is None:
        with pytest.raises(ConfigError, match="no count and no list"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "3,3", ""])
def test_bad_seeds_name_the_value_and_what_is_allowed(text):
    with pytest.raises(ConfigError, match="--seeds: .*Give a count of 1 or more") as caught:
        parse_seeds(text)
    assert len(str(caught.value).splitlines()) == 1


def test_the_presets_are_the_four_studies():
    assert presets() == ("components", "controls", "cutoffs", "losses")
    for name in presets():
        assert load_preset(name).study == name


def test_components_are_the_seven_rows_of_table_2():
    rows = load_preset("components").rows
    switches = [tuple(int(on) for on in row.options.values()) for row in rows]
    assert switches == [
        (0, 0, 0, 0),
        (1, 0, 0, 0),
        (0, 1, 0, 0),
        (1, 1, 0, 0),
        (1, 0, 1, 0),
        (1, 1, 1, 0),
        (1, 1, 1, 1),
    ]
    assert [row.paper["row"] for row in rows] == list(range(1, 8))


def test_every_valid_combination_stands_once():
    rows = every_component().rows
    settings = {tuple(row.options.values()) for row in rows}
    assert len(rows) == len(settings) == 12
    assert all(freq or not logmse for freq, _, _, logmse in settings)
    assert rows[0].name == "Feat"
    assert [row for row in rows if row.paper] == sorted(
        load_preset("components").rows, key=lambda row: sum(row.options.values())
    )


def test_a_users_sweep_is_read(tmp_path):
    path = tmp_path / "my_sweep.yaml"
    path.write_text(GOOD)
    sweep = load_sweep(path)
    assert (sweep.study, sweep.seeds, sweep.rows[1].pairing) == ("my-sweep", (0, 3), "same-class")
    assert override(sweep, epochs=4, dataset=None).epochs == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", "unknown field 'titel'. Choose from: .*title"),
        ("pairing:", "paring:", "rows.1.paring: unknown field 'paring'. Choose from: .*pairing"),
        ("same-class", "same", "'paired', 'shuffled', 'same-class' or 'unpaired', not 'same'"),
        ("[0, 3]", "[]", "seeds"),
        ("[0, 3]", "[3, 3]", "seeds must be different"),
        ("[0, 3]", "[0, -3]", "not negative"),
        ("name: FD", "name: Feat", "row 'Feat' stands twice"),
        ("seeds: [0, 3]", "epochs: many", "epochs: .*integer, not 'many'"),
        ("seeds: [0, 3]", "epochs: 0", "epochs: .*not 0"),
        ("rows:", "rows: [", "is not YAML"),
        (GOOD, "", "holds no fields"),
    ],
)
def test_a_fault_in_a_sweep_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep(path)
    assert "mine.yaml" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_sweep(tmp_path / "none.yaml")
