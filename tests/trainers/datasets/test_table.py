"""A user's own table: what is read, how it is split, and how it comes back by its name."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from miniature import own_table
from miniature.media_files import numbered, write_jpeg, write_wav
from miniature.own_table import prepare
from PIL import Image

from fdsweep.orchestrator.data.overview import overview, to_text
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets.table.columns import make_column
from fdsweep.trainers.datasets.table.importer import read_table
from fdsweep.trainers.datasets.table.rows import read_rows
from fdsweep.trainers.preparation.catalog import Damaged, Options


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    return own_table.build(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def storage(described, tmp_path_factory):
    storage = tmp_path_factory.mktemp("runs")
    prepare(described, storage)
    return storage


def listed(described):
    table, raw = read_table(described, None, ".")
    return table.catalog(raw, Options())


def test_groups_stand_in_one_split_and_classes_keep_their_shares(described):
    items = listed(described).items
    assert [item.sample_id for item in items] == [row[0] for row in own_table.rows()]
    splits = {}
    for item in items:
        assert item.label == (0 if item.sample_id[-1] in "13579" else 1)  # rest before walk
        splits.setdefault(item.group, set()).add(item.split)
    assert all(len(own) == 1 for own in splits.values())
    for split in ("train", "val", "test"):
        labels = [item.label for item in items if item.split == split]
        assert labels
        assert sum(labels) * 2 == len(labels)


def test_the_same_table_in_another_order_is_split_alike(described, tmp_path):
    own_table.write_csv(tmp_path / "table.csv", own_table.HEADER, own_table.rows()[::-1])
    for path in described.parent.glob("*.npy"):
        (tmp_path / path.name).symlink_to(path)
    again = own_table.write_yaml(tmp_path / "steps.yaml", own_table.description())
    assert listed(again) == listed(described)


def test_a_prepared_table_is_a_data_set_like_others(storage, described):
    found = datasets.find("steps", datasets.DataLocation(str(storage)))
    info = found.info
    assert [(m.name, m.backbone) for m in info.modalities] == [
        ("text", "bert-small"),
        ("motion", "cnn1d"),
    ]
    assert info.classes == ("rest", "walk")
    assert (info.optim.epochs, info.optim.batch_size, info.task) == (2, 8, "classification")
    fold = found.folds()(0)
    assert len(fold.sample_ids) == 24
    assert {*fold.groups} == {f"p{i}" for i in range(6)}
    (text,) = fold.inputs["text"].batches([torch.arange(24)])
    assert text.shape == (24, 8)
    assert int(text.max()) < info.modality("text").channels
    (motion,) = fold.inputs["motion"].batches([torch.arange(24)])
    assert motion.shape == (24, own_table.CHANNELS, 21)  # the median of 20, 21 and 22
    raw = np.concatenate([own_table.signal(i) for i in fold.train.tolist()])
    for i in (0, 1, 2):
        values = (own_table.signal(i) - raw.mean(0)) / raw.std(0)
        expected = np.concatenate([values, values])[:21].T
        assert motion[i].numpy() == pytest.approx(expected, abs=1e-5)
    shown = found.samples_to_show(fold, "text", torch.tensor([1]))
    assert shown == ["a quiet evening at home, 1"]


def test_it_is_listed_with_the_others_and_named_where_another_was_asked_for(storage, tmp_path):
    one = {told["dataset"]: told for told in overview(str(storage))}["steps"]
    assert (one["ready"], one["classes"]) == (True, ["rest", "walk"])
    assert "steps: table.csv, a table of text and motion" in to_text([one])
    location = datasets.DataLocation(str(storage))
    with pytest.raises(ConfigError, match=r"unknown data set 'stepps'.*steps, vggsound"):
        datasets.find("stepps", location)
    with pytest.raises(ConfigError, match="unknown data set 'steps'"):
        datasets.find("steps", datasets.DataLocation(str(tmp_path)))
    with pytest.raises(ConfigError, match="unknown data set"):
        datasets.find("../steps", location)


def test_a_damaged_manifest_says_how_to_make_it_again(described, tmp_path):
    prepare(described, tmp_path)
    manifest = tmp_path / "data/steps/manifest.json"
    manifest.write_text(manifest.read_text()[:100])
    with pytest.raises(DataError, match=r"Type: fdsweep prepare steps.yaml"):
        datasets.find("steps", datasets.DataLocation(str(tmp_path)))


def test_settings_of_columns_are_of_the_key_and_defaults_of_training_are_not(
    storage, described, tmp_path
):
    before = json.loads((storage / "data/steps/manifest.json").read_text())
    said = own_table.description(training={"epochs": 9}, licence="CC0")
    described = own_table.write_yaml(described.parent / "steps.yml", said)
    manifest = prepare(described, tmp_path)
    assert (manifest.declared.optim.epochs, manifest.declared.licence) == (9, "CC0")
    assert (manifest.fingerprint, manifest.folder) == (before["fingerprint"], before["folder"])
    said["modalities"]["motion"]["length"] = 20
    changed = prepare(own_table.write_yaml(described, said), tmp_path)
    assert changed.fingerprint != manifest.fingerprint
    assert changed.folder != manifest.folder


def test_parquet_and_other_separators_are_the_same_table(tmp_path):
    header, cells = ("id", "n", "text"), [["a", "1", "x; y"], ["b", "", "z"]]
    semicolons = 'id;n;text\n\na;1;"x; y"\nb; ;z\n'
    (tmp_path / "t.csv").write_text("\ufeff" + semicolons, encoding="utf-8")
    columns = {"id": ["a", "b"], "n": [1.0, None], "text": ["x; y", "z"]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    expected = dict(zip(header, map(list, zip(*cells, strict=True)), strict=True))
    assert read_rows(tmp_path / "t.csv").columns == expected
    assert read_rows(tmp_path / "t.parquet").columns == expected
    assert read_rows(tmp_path / "t.csv").place(1).endswith("t.csv, line 4")


def test_splits_of_the_table_are_taken_and_validation_is_carved(described):
    cells = [[*row, "test" if row[2] == "p0" else "training"] for row in own_table.rows()]
    own_table.write_csv(described.parent / "split.csv", (*own_table.HEADER, "split"), cells)
    said = own_table.description(table="split.csv")
    catalog = listed(own_table.write_yaml(described.parent / "split.yaml", said))
    assert {item.group for item in catalog.items if item.split == "test"} == {"p0"}
    assert any(item.split == "val" for item in catalog.items)
    assert catalog.split == "lists of 20 train and 4 test samples"


def test_folds_rotate_with_the_seed(storage, described, tmp_path):
    said = own_table.description(folds=3)
    manifest = prepare(own_table.write_yaml(described.parent / "steps.yml", said), tmp_path)
    before = json.loads((storage / "data/steps/manifest.json").read_text())
    assert manifest.fingerprint != before["fingerprint"]
    assert manifest.split == "3 folds that rotate with the seed"
    found = datasets.find("steps", datasets.DataLocation(str(tmp_path)))
    assert any("are learnt from all samples" in note for note in found.info.notes)
    fold_of = found.folds(["motion"])
    folds = [fold_of(seed) for seed in range(4)]
    for fold in folds:
        groups = [{fold.groups[i] for i in part} for part in (fold.train, fold.val, fold.test)]
        assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]
        assert [len(part) for part in (fold.train, fold.val, fold.test)] == [8, 8, 8]
        assert fold.labels[fold.test].sum() == 4
    tests = [set(fold.test.tolist()) for fold in folds]
    assert set.union(*tests[:3]) == set(range(24))
    assert tests[3] == tests[0] != tests[1] == set(folds[0].val.tolist())
    assert manifest.counts["test"] == {"rest": 4, "walk": 4}


def test_raw_files_are_read_with_the_assets_alone(storage, described, tmp_path):
    info = datasets.find("steps", datasets.DataLocation(str(storage))).info
    (folder,) = (path.parent for path in storage.glob("data/steps/*/columns.json"))
    assets = {name: (folder / name).read_bytes() for name in info.assets}
    assert {*assets} == {"columns.json", "text.learnt.json", "motion.learnt.json"}
    reader = datasets.find_reader("steps", assets)
    table, raw = read_table(described, None, ".")
    decoded = table.decode(raw, table.listed.items[3], table.listed.assets)
    (motion,) = reader.read_file("motion", raw / "3.npy", assets)
    assert np.array_equal(motion, decoded["motion"])
    (tmp_path / "note.txt").write_text(own_table.rows()[3][3] + "\n")
    assert reader.read_file("text", tmp_path / "note.txt", assets) == [decoded["text"]]
    with pytest.raises(Damaged, match="cannot be read"):
        reader.read_file("text", tmp_path / "gone.txt", assets)
    with pytest.raises(ConfigError, match="unknown data set 'steps'"):
        datasets.find_reader("steps", {})


def test_what_is_missing_is_left_out_and_told(described):
    cells = own_table.rows()
    cells[3][4], cells[5][3] = "gone.npy", ""
    own_table.write_csv(described.parent / "holes.csv", own_table.HEADER, cells)
    said = own_table.description(table="holes.csv")
    catalog = listed(own_table.write_yaml(described.parent / "holes.yaml", said))
    missing = {skipped.sample_id: skipped.reason for skipped in catalog.missing}
    assert missing == {"s03": "no gone.npy", "s05": "no text"}
    assert len(catalog.items) == 22


def test_sound_and_pictures_become_what_the_importers_make_of_them(tmp_path):
    write_wav(tmp_path / "a.wav", np.sin(np.arange(8000) / 9), 8000)
    write_jpeg(tmp_path / "a.jpg", numbered(5))
    audio = make_column({"kind": "audio", "window": 256, "step": 128}, "here")
    audio, _ = audio.settled({"a": "a.wav"}, tmp_path, "here")
    assert (audio.rate, audio.seconds) == (8000, 1.0)
    spectrogram = audio.decode(tmp_path, "a.wav", None)
    assert spectrogram.shape == audio.payload.shape == (129, 61)
    wave, learnt = make_column({"kind": "wave"}, "here").settled({"a": "a.wav"}, tmp_path, "here")
    assert (wave.rate, wave.seconds, learnt) == (8000, 1.0, None)
    heard = wave.decode(tmp_path, "a.wav", None)
    assert (heard.shape, heard.dtype) == (wave.payload.shape, np.float32) == ((1, 8000), np.float32)
    assert (heard.mean(), heard.std()) == pytest.approx((0, 1), abs=1e-4)
    (whole,) = make_column({"kind": "picture"}, "here").decode(tmp_path, "a.jpg", None)
    assert whole.size == (64, 48)
    small = make_column({"kind": "picture", "size": 16}, "here")
    pixels = small.decode(tmp_path, "a.jpg", None)
    assert pixels.shape == small.payload.shape == (3, 16, 16)
    assert -1 <= pixels.min() < -0.5 < 0.5 < pixels.max() <= 1
    with pytest.raises(Damaged, match="cannot be decoded"):
        small.decode(tmp_path, "a.wav", None)


def test_a_mask_gives_every_pixel_a_class(tmp_path):
    for i in range(6):
        pixels = np.full((8, 12, 3), 20 * i, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        Image.fromarray(np.full((8, 12), 1000 + i, np.uint16)).save(tmp_path / f"d{i}.png")
        mask = np.full((8, 12), i % 2, np.uint8)
        mask[:2] = 255
        Image.fromarray(mask).save(tmp_path / f"m{i}.png")
    cells = [[f"s{i}", f"{i}.png", f"d{i}.png", f"m{i}.png"] for i in range(6)]
    own_table.write_csv(tmp_path / "t.csv", ("sample_id", "rgb", "depth", "mask"), cells)
    said = {
        "name": "floors", "table": "t.csv", "mask": "mask", "classes": ["floor", "wall"],
        "modalities": {"rgb": {"kind": "scene", "backbone": "unet"}, "depth": {"kind": "depth"}},
    }  # fmt: skip
    described = own_table.write_yaml(tmp_path / "floors.yaml", said)
    manifest = prepare(described, tmp_path / "runs")
    assert manifest.rows == 6
    found = datasets.find("floors", datasets.DataLocation(str(tmp_path / "runs")))
    assert (found.info.task, found.info.classes) == ("segmentation", ("floor", "wall"))
    fold = found.folds()(0)
    (maps,) = fold.label_maps.batches([torch.arange(6)])
    assert maps.shape == (6, 8, 12)
    assert maps[:, 3, 0].tolist() == [0, 1, 0, 1, 0, 1]
    Image.fromarray(np.full((8, 12), 7, np.uint8)).save(tmp_path / "m0.png")
    table, raw = read_table(described, None, ".")
    item = table.catalog(raw, Options()).items[0]
    with pytest.raises(Damaged, match="mask: numbers from 7 to 7, not 0 to 1"):
        table.decode(raw, item, {})
