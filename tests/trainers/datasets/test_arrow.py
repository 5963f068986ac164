"""Data sets that Hugging Face's `datasets` saved, as tables."""

import json

import numpy as np
import pytest
import yaml
from miniature import saved
from PIL import Image

from fdsweep.orchestrator.data.draft import make_draft, to_yaml
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers.datasets.table.arrow import file_of, is_there
from fdsweep.trainers.datasets.table.importer import read_table
from fdsweep.trainers.datasets.table.rows import read_rows
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged

MODALITIES = {
    "sound": {"kind": "audio", "window": 256, "step": 256},
    "photo": {"kind": "picture", "size": 16},
    "motion": {"kind": "signal"},
    "words": {"kind": "text", "length": 8, "vocabulary": 100},
}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """24 samples in two Arrow files."""
    folder = tmp_path_factory.mktemp("one")
    return saved.save(folder / "birds", saved.rows(0, 24, folder), files=2)


def describe(path, **changes):
    said = {"table": "birds", "label": "species", "group": "who", "modalities": MODALITIES}
    whole = {**said, **changes}
    path.write_text(yaml.safe_dump({name: x for name, x in whole.items() if x is not None}))
    return path


def test_cells_are_values_names_of_classes_and_paths(one):
    rows = read_rows(one)
    assert (len(rows), rows.folder, rows.place(3)) == (24, one, f"{one}, row 4")
    assert rows.columns["species"] == saved.NAMES * 12
    assert rows.columns["heard"][:2] == ["robin", "wren;robin"]
    assert rows.columns["who"][13] == "p0"
    assert "boxes" not in rows.columns
    assert rows.columns["sound"][13] == "data-00001-of-00002.arrow/1/sound.8078.wav"
    assert rows.columns["motion"][13] == "data-00001-of-00002.arrow/1/motion.21.npy"
    assert all(is_there(one, cell) for cell in rows.columns["photo"])


def test_what_a_path_leads_to_is_what_was_saved(one):
    columns = read_rows(one).columns
    for i in (0, 13, 23):
        with file_of(one, columns["sound"][i]) as path:
            assert media.sound(path) == (8000, 0.5)
        assert not path.exists()
        with file_of(one, columns["photo"][i]) as path, Image.open(path) as picture:
            assert picture.getpixel((3, 3)) == (i, 0, 100)
        with file_of(one, columns["motion"][i]) as path:
            np.testing.assert_array_equal(np.load(path), saved.motion(i))


def test_every_kind_of_column_is_decoded(one):
    table, raw = read_table(describe(one.parent / "birds.yaml"), None, ".")
    assert raw == one
    items, assets = table.listed.items, table.listed.assets
    assert len(items) == 24
    decoded = table.decode(raw, items[7], assets)
    assert decoded["sound"].shape == table.payloads["sound"].shape
    assert decoded["photo"].shape == (3, 16, 16)
    scale = json.loads(assets["motion.learnt.json"])
    standard = (saved.motion(7) - scale["mean"]) / scale["std"]
    length = table.columns["motion"].length
    np.testing.assert_allclose(decoded["motion"][:, :20], standard.T[:, :length][:, :20], rtol=1e-5)
    assert decoded["clean_text"] == "robin in a garden"


def test_folders_of_splits_are_a_column(tmp_path):
    """Two people to train, one to validate, one to test, by folders that are called otherwise."""
    splits = {
        name: saved.rows(first, 4, tmp_path)
        for name, first in (("train", 0), ("validation", 4), ("test", 8))
    }
    saved.save_splits(tmp_path / "birds", splits)
    table, raw = read_table(describe(tmp_path / "birds.yaml"), None, ".")
    assert [item.split for item in table.listed.items] == ["train"] * 4 + ["val"] * 4 + ["test"] * 4
    with file_of(raw, str(table.listed.items[9].parts["motion"])) as path:
        np.testing.assert_array_equal(np.load(path), saved.motion(9))


def test_a_draft_knows_columns_by_what_they_hold(one):
    draft = make_draft(read_rows(one))
    assert draft.roles == {"label": "species"}
    kinds = {name: said["kind"] for name, said in draft.modalities.items()}
    assert kinds == {"sound": "audio", "photo": "picture", "motion": "signal", "words": "text"}
    assert draft.modalities["motion"]["channels"] == 2
    assert (draft.left_out, draft.remarks) == (["heard", "who"], [])
    assert "table: birds\n" in to_yaml(draft, one.parent)


def test_files_outside_and_cells_without_content(tmp_path):
    samples = saved.rows(0, 3, tmp_path)
    saved.write_wav(tmp_path / "far.wav", np.sin(np.arange(2000) / 9), 8000)
    samples[0]["sound"] = {"bytes": None, "path": str(tmp_path / "far.wav")}
    samples[1]["sound"] = samples[1]["motion"] = None
    samples[2]["species"] = -1
    folder = saved.save(tmp_path / "birds", samples)
    columns = read_rows(folder).columns
    assert columns["sound"][:2] == [str(tmp_path / "far.wav"), ""]
    assert is_there(folder, columns["sound"][0])
    assert columns["motion"][1] == ""
    assert columns["species"] == ["wren", "robin", ""]


def test_what_cannot_be_read_is_told(tmp_path):
    samples = saved.rows(0, 4, tmp_path)
    folder = saved.save(tmp_path / "birds", samples)
    file = folder / "data-00000-of-00001.arrow"
    cell = read_rows(folder).columns["motion"][0]
    with (
        pytest.raises(ConfigError, match="Leave this folder out"),
    ):
        read_table(describe(tmp_path / "birds.yaml"), tmp_path, ".")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match="arrow: cannot be read as an Arrow file"):
        read_rows(folder)
    with pytest.raises(Damaged, match="cannot be read from its Arrow file"), file_of(folder, cell):
        pass
    file.unlink()
    assert not is_there(folder, cell)
    with pytest.raises(DataError, match=r"Arrow file \(No such file"):
        read_rows(folder)
    (folder / "state.json").write_text("{}")
    with pytest.raises(DataError, match=r"state.json: names no Arrow files. Save it again"):
        read_rows(folder)
    (folder / "state.json").unlink()
    with pytest.raises(DataError, match="a folder without state.json, and so no data set"):
        read_rows(folder)
    (folder / "dataset_dict.json").write_text('{"splits": []}')
    with pytest.raises(DataError, match="names no splits"):
        read_rows(folder)


def test_several_classes_of_a_sample_are_its_labels(one):
    table, _ = read_table(
        describe(one.parent / "heard.yaml", label=None, labels="heard"), None, "."
    )
    assert table.declared.set_classes == ("robin", "wren")


def test_a_name_with_the_separator_in_it_is_refused(tmp_path):
    features = {"heard": {"feature": {"names": ["a;b", "c"], "_type": "ClassLabel"}}}
    folder = saved.save(tmp_path / "birds", saved.rows(0, 2, tmp_path))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    with pytest.raises(DataError, match="arrow, column heard: has 'a;b' in a list"):
        read_rows(folder)


def test_a_list_is_declared_in_either_way_and_a_class_has_a_name(tmp_path):
    folder = saved.save(tmp_path / "birds", saved.rows(0, 4, tmp_path))
    info = folder / "dataset_info.json"
    for declared in ([saved.CLASSES], {"feature": saved.CLASSES, "_type": "Sequence"}):
        info.write_text(json.dumps({"features": {"heard": declared}}))
        assert read_rows(folder).columns["heard"][:2] == ["robin", "wren;robin"]
    for feature in ({"names": ["wren"]}, [{"names": ["wren"]}]):
        info.write_text(json.dumps({"features": {"heard": feature, "species": feature}}))
        with pytest.raises(DataError, match="has the class 1 of 1, from 0"):
            read_rows(folder)


def test_uneven_lists_are_no_array(tmp_path):
    samples = saved.rows(0, 2, tmp_path)
    samples[0]["motion"] = [[1.0], [1.0, 2.0]]
    folder = saved.save(tmp_path / "birds", samples)
    cell = read_rows(folder).columns["motion"][0]
    with pytest.raises(Damaged, match="lists of several lengths"), file_of(folder, cell):
        pass
