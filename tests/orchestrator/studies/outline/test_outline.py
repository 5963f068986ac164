import pytest

from fdsweep.orchestrator.studies import outline as outlines
from fdsweep.orchestrator.studies.outline import outline_of
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.code import code_key
from fdsweep.search_spaces.presets import every_component, load_preset
from fdsweep.search_spaces.sweep import Row, override, with_aa
from fdsweep.trainers import datasets

WATCH = datasets.find("watch").info


@pytest.fixture
def store(tmp_path):
    return Store.create(str(tmp_path))


@pytest.fixture
def made(monkeypatch):
    """Counts how often cells are made."""
    calls, make = [], outlines.make_cells
    monkeypatch.setattr(outlines, "make_cells", lambda *given: calls.append(1) or make(*given))
    return calls


@pytest.mark.parametrize("name", ["components", "losses", "cutoffs", "controls"])
def test_a_kept_outline_is_the_one_that_was_made(name, store, made):
    sweep = with_aa(load_preset(name))
    first = outline_of(sweep, WATCH, {}, store)
    again = outline_of(sweep, WATCH, {}, store)
    assert len(made) == 1
    assert again == first
    assert [cell.config for cell in again.cells] == [cell.config for cell in first.cells]
    assert [cell.key for cell in again.cells] == [row.key for row in first.manifest.rows]
    values = [v for cell in again.cells for v in cell.config.options.values()]
    assert [type(v) for cell in first.cells for v in cell.config.options.values()] == [
        type(value) for value in values
    ]


def test_whatever_decides_it_makes_it_anew(store, made, monkeypatch):
    sweep = load_preset("losses")
    outline_of(sweep, WATCH, {}, store)
    outline_of(override(sweep, epochs=3), WATCH, {}, store)
    outline_of(override(sweep, seeds=(0, 1)), WATCH, {}, store)
    started = override(sweep, pretrained={"gyroscope": "checkpoint"})
    for digest in ("one", "other"):
        outline_of(started, WATCH, {"gyroscope": digest}, store)
    assert len(made) == 5
    for info in (datasets.DatasetInfo(**{**fields(WATCH), "fingerprint": "other"}), WATCH):
        assert {c.config.network.data_fingerprint for c in outline_of(sweep, info, {}, store).cells}
    assert len(made) == 7
    monkeypatch.setattr(outlines, "code_key", lambda: "newer")
    outline_of(sweep, WATCH, {}, store)
    assert len(made) == 8


def fields(info):
    return {name: getattr(info, name) for name in info.__dataclass_fields__}


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": "fdsweep.outline/1"}', b"\xff"])
def test_a_damaged_one_is_made_again(store, made, content, capsys):
    sweep = load_preset("losses")
    first = outline_of(sweep, WATCH, {}, store)
    (place,) = store.listing("cache/outlines")
    store.write(place, content)
    assert outline_of(sweep, WATCH, {}, store) == first
    assert len(made) == 2
    assert f"{place} is damaged (no outline: " in capsys.readouterr().err
    assert outline_of(sweep, WATCH, {}, store) == first
    assert len(made) == 2


def test_nothing_is_kept_of_what_others_registered(store, made):
    from fdsweep.trainers.distillers import registry

    registry._entries["theirs"] = registry.get("kd")
    try:
        rows = (Row(name="both", method="kd+theirs"),)
        sweep = load_preset("losses").model_copy(update={"rows": rows})
        for _ in range(2):
            outline_of(sweep, WATCH, {}, store)
    finally:
        del registry._entries["theirs"]
    assert len(made) == 2
    assert not store.listing("cache")


def test_a_storage_that_cannot_be_written_goes_without(store, made, monkeypatch):
    store.write(layout.outline("x").rpartition("/")[0], b"a file where a folder should be")
    for _ in range(2):
        assert outline_of(every_component(), WATCH, {}, store).cells
    assert len(made) == 2


def test_the_key_of_the_code_is_that_of_all_its_modules(tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "one.py").write_text("1")
    monkeypatch.setattr("fdsweep.__path__", [str(tmp_path)])
    keys = [code_key()]
    (tmp_path / "room" / "one.py").write_text("2")
    keys.append(code_key())
    (tmp_path / "room" / "two.py").write_text("")
    keys.append(code_key())
    (tmp_path / "room" / "notes.txt").write_text("no module")
    assert len(set(keys)) == 3
    assert code_key() == keys[-1]
