from fdsweep.search_spaces.presets import every_component, load_preset, presets


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
