import shutil
import sys
from collections import Counter

import h5py
import numpy as np
import pytest
import torch
from miniature import nyu_depth_v2 as mini
from PIL import Image
from scipy.io import savemat

from fdsweep.orchestrator.data.plan import make_plan
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.trials import Loading
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import DataLocation
from fdsweep.trainers.datasets.nyu_depth_v2 import CLASSES, NYUDepthV2, NYUDepthV2HHA, matlab
from fdsweep.trainers.modalities.base import DRAWS
from fdsweep.trainers.modalities.crops import MEAN, STD
from fdsweep.trainers.preparation.catalog import Damaged, Options
from fdsweep.trainers.preparation.decoding import find_outcome, make_shard
from fdsweep.trainers.preparation.manifest import make_manifest, save_manifest

IGNORE = 255


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("matlab")
    mini.build(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    mini.build_folders(folder)
    return folder


@pytest.fixture(scope="module")
def catalog(raw):
    return NYUDepthV2().catalog(raw, Options())


def prepare(dataset, raw, storage):
    """As `fdsweep prepare` does, in this process; the manifest."""
    catalog = dataset.catalog(raw, Options())
    job, parts = make_plan(dataset, raw, str(storage), Options(), catalog, shard_mb=0.005)
    for part in parts:
        make_shard(job, part)
    outcomes = [find_outcome(job, part) for part in parts]
    manifest = make_manifest(
        dataset.name, catalog, job.payloads, outcomes, folder=job.folder,
        version=dataset.version, decoders={}, options={},
    )  # fmt: skip
    save_manifest(str(storage), manifest)
    return manifest


@pytest.fixture(scope="module")
def prepared(raw, tmp_path_factory):
    storage = tmp_path_factory.mktemp("storage")
    return storage, prepare(NYUDepthV2(), raw, storage)


def by_number(catalog):
    return {int(item.sample_id): item for item in catalog.items}


def test_the_lists_count_from_one_and_scenes_are_read_by_reference(catalog):
    items = by_number(catalog)
    assert set(items) == {*mini.train(), *mini.TEST}
    assert {n for n, item in items.items() if item.split == "test"} == set(mini.TEST)
    assert [(s.sample_id, s.reason) for s in catalog.missing] == [("0028", "not one of 27 frames")]
    for number, item in items.items():
        assert item.group == mini.scene(number)
        assert item.group.startswith(catalog.classes[item.label])
    assert catalog.classes == tuple(sorted(mini.KINDS))
    assert catalog.split == "lists of 18 train and 9 test frames"
    assert any("on neither list: 1 frames" in note for note in catalog.notes)


def test_validation_is_of_places_of_its_own(catalog):
    places = {}
    for item in catalog.items:
        places.setdefault(item.group, set()).add(item.split)
    assert all(len(splits) == 1 for splits in places.values())
    assert Counter(item.split for item in catalog.items)["val"] >= 2


def test_a_frame_stands_upright_and_is_cut_to_its_valid_part(raw, catalog):
    decoded = NYUDepthV2().decode(raw, by_number(catalog)[12], catalog.assets)
    rgb, depth, classes = decoded["rgb"], decoded["depth"], decoded["label_map"]
    assert rgb.shape == (53, 70, 3)
    assert rgb[10, 20].tolist() == [4 * 16, 3 * 25, 6 * mini.classes(12)[16, 25]]
    assert np.array_equal(rgb, mini.pixels(12)[mini.ROWS, mini.COLUMNS])
    assert depth[10, 20] == 1000 + 20 * 16 + 10 * 25
    assert np.array_equal(depth, mini.millimetres()[mini.ROWS, mini.COLUMNS])
    truth = mini.classes(12)[mini.ROWS, mini.COLUMNS]
    assert set(classes[truth == 0]) == {IGNORE}
    assert np.array_equal(classes[truth > 0], truth[truth > 0] - 1)
    assert classes[truth > 0].max() < len(CLASSES) == 40


def test_the_valid_part_of_the_real_size():
    """Rows 45 to 471 and columns 41 to 601 as MATLAB counts, both ends included."""
    rows, columns = matlab.valid(480, 640)
    assert np.arange(1, 481)[rows][[0, -1]].tolist() == [45, 471]
    assert np.arange(1, 641)[columns][[0, -1]].tolist() == [41, 601]


def test_one_frame_is_read_and_not_the_file(raw, catalog, monkeypatch):
    asked = []
    read = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset, "__getitem__", lambda self, at: asked.append(at) or read(self, at)
    )
    NYUDepthV2().decode(raw, by_number(catalog)[12], catalog.assets)
    assert asked == [11, 11, 11]


@pytest.mark.parametrize(
    ("number", "reason"), [(mini.UNREADABLE, "cannot be read"), (mini.VOID, "no pixel has a class")]
)
def test_a_damaged_frame_is_told_of(raw, catalog, number, reason):
    with pytest.raises(Damaged, match=reason):
        NYUDepthV2().decode(raw, by_number(catalog)[number], catalog.assets)


@pytest.mark.parametrize("value", [np.nan, -1.0, 0.0])
def test_depth_that_is_no_distance_is_damage(value):
    with pytest.raises(Damaged, match="no distance"):
        matlab._millimetres(np.full((2, 3), value, np.float32))


def test_the_other_files_may_lie_in_the_split_dir(raw, catalog, tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / matlab.FILE).symlink_to(raw / matlab.FILE)
    with pytest.raises(DataError, match=r"lacks splits.mat. Put it beside the data, or name --spl"):
        NYUDepthV2().catalog(tmp_path / "raw", Options())
    assert NYUDepthV2().catalog(tmp_path / "raw", Options(split_dir=raw)) == catalog


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("splits.mat", b"no MATLAB", "splits.mat: has no trainNdxs and testNdxs that can be read"),
        ("splits.mat", {"trainNdxs": [[1], [2]], "testNdxs": [[2]]}, "0002 is in both lists"),
        ("splits.mat", {"trainNdxs": [[1]], "testNdxs": [[]]}, "lists no frame to test on"),
        ("classMapping40.mat", {"mapClass": [[1, 2, 3]]}, "maps 3 classes to 1 to 3, not 894 to 1"),
        ("classMapping40.mat", {"map": [[1]]}, "has no mapClass"),
        (matlab.FILE, b"cut off", "is no HDF5 file that can be read"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_what_it_should_be(raw, tmp_path, file, content, told):
    for path in raw.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / file).unlink()
    if isinstance(content, bytes):
        (tmp_path / file).write_bytes(content)
    else:
        savemat(tmp_path / file, content)
    with pytest.raises(DataError, match=told):
        NYUDepthV2().catalog(tmp_path, Options())


def test_arrays_that_do_not_fit_are_refused(raw, tmp_path):
    for lacking, told in [("depths", "holds no depths"), (None, "arrays do not fit")]:
        with h5py.File(tmp_path / matlab.FILE, "w") as file:
            shapes = {"images": (4, 3, 8, 6), "depths": (4, 8, 6), "labels": (4, 6, 8)}
            for name in ("images", "depths", "labels", "scenes", "names"):
                if name != lacking:
                    file[name] = np.zeros(shapes.get(name, (1, 4)))
        with pytest.raises(DataError, match=told):
            NYUDepthV2().catalog(tmp_path, Options(split_dir=raw))


def test_without_h5py_a_sentence_says_what_to_type(raw, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ConfigError, match=r"h5py.* not installed. Type: pip install 'fdsweep\[nyu"):
        NYUDepthV2().catalog(raw, Options())


def test_extracted_folders_are_read(folders):
    catalog = NYUDepthV2().catalog(folders, Options())
    items = by_number(catalog)
    assert set(items) == {*mini.train(), *mini.TEST} - {mini.NO_DEPTH}
    assert {n for n, item in items.items() if item.split == "test"} == set(mini.TEST)
    assert [(s.sample_id, s.reason) for s in catalog.missing] == [("3", "no Depth/3")]
    assert catalog.classes == ("room",)
    for number in (12, 13):  # void is 0 in one, 255 in the other
        decoded = NYUDepthV2().decode(folders, items[number], {})
        near = np.abs(decoded["rgb"].astype(int) - mini.pixels(number)) <= 12  # a JPEG
        assert near[mini.ROWS, mini.COLUMNS].mean() > 0.95
        assert np.array_equal(decoded["depth"], mini.millimetres())
        for name in ("rgb", "depth"):
            (alone,) = NYUDepthV2().read_file(name, folders / items[number].parts[name], {})
            assert np.array_equal(alone, decoded[name])
        truth = np.where(mini.classes(number) == 0, IGNORE + 1, mini.classes(number))
        assert np.array_equal(decoded["label_map"], truth - 1)
    for number, reason in [(mini.UNREADABLE, "cannot be decoded"), (mini.VOID, "no pixel has")]:
        with pytest.raises(Damaged, match=reason):
            NYUDepthV2().decode(folders, items[number], {})


def test_a_picture_of_another_size_is_damage(folders, tmp_path):
    item = by_number(NYUDepthV2().catalog(folders, Options()))[12]
    shutil.copytree(folders, tmp_path, dirs_exist_ok=True)
    Image.fromarray(mini.millimetres()[:, 1:]).save(tmp_path / "Depth/12.png")
    with pytest.raises(Damaged, match="depth of 60 x 79, not 60 x 80"):
        NYUDepthV2().decode(tmp_path, item, {})
    Image.fromarray(np.full((60, 80), 41, np.uint8)).save(tmp_path / "Label/12.png")
    with pytest.raises(Damaged, match="labels from 41 to 41, not 1 to 40"):
        NYUDepthV2().decode(tmp_path, item, {})


def test_depth_of_eight_bits_is_said_to_have_no_unit(folders, tmp_path):
    shutil.copytree(folders, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "Depth").iterdir():
        Image.fromarray(np.full((60, 80), 51, np.uint8)).save(path)
    catalog = NYUDepthV2().catalog(tmp_path, Options())
    assert any("no unit: 255 is taken for 10 m" in note for note in catalog.notes)
    depth = NYUDepthV2().decode(tmp_path, by_number(catalog)[12], {})["depth"]
    assert set(depth.ravel()) == {2000}


def test_hha_is_a_data_set_of_its_own(folders, raw, tmp_path):
    own, hha = NYUDepthV2(), NYUDepthV2HHA()
    assert [m.channels for m in own.modalities] == [3, 1]
    assert [m.channels for m in hha.modalities] == [3, 3]
    assert datasets.with_variant("nyu-depth-v2", "hha") == hha.name
    mini.build_folders(tmp_path, "HHA")
    catalog = hha.catalog(tmp_path, Options())
    assert [skipped.reason for skipped in catalog.missing] == ["no HHA/3"]
    decoded = hha.decode(tmp_path, by_number(catalog)[12], {})
    assert np.array_equal(decoded["depth"], mini.hha())
    with pytest.raises(DataError, match="holds no HHA/. Type: fdsweep prepare nyu-depth-v2 RAW_D"):
        hha.catalog(folders, Options())
    with pytest.raises(DataError, match="holds no Depth/. Type: .* --variant hha"):
        own.catalog(tmp_path, Options())
    with pytest.raises(DataError, match="RGB/, HHA/ and Label/ was looked for"):
        hha.catalog(raw, Options())


def test_one_bad_frame_does_not_stop_the_rest(prepared):
    _, manifest = prepared
    assert {s.sample_id for s in manifest.damaged} == {f"{mini.UNREADABLE:04d}", f"{mini.VOID:04d}"}
    assert manifest.rows == 24
    assert len(manifest.shards) > 2
    assert sum(manifest.counts["test"].values()) == 8
    assert set(manifest.counts["train"]) == set(mini.KINDS)


def test_the_same_files_give_the_same_bytes(prepared, raw, tmp_path):
    storage, manifest = prepared
    assert prepare(NYUDepthV2(), raw, tmp_path) == manifest
    shards = sorted(storage.rglob("*.parquet"))
    assert len(shards) == len(manifest.shards)
    for path in shards:
        assert path.read_bytes() == (tmp_path / path.relative_to(storage)).read_bytes()


def test_pixels_have_forty_classes_and_samples_their_kind_of_room(prepared):
    info = NYUDepthV2(DataLocation(str(prepared[0]))).info
    assert (info.task, info.classes, info.scenes) == (
        "segmentation", CLASSES, tuple(sorted(mini.KINDS)),
    )  # fmt: skip
    assert info.sample_classes == info.scenes
    assert info.split == "lists of 18 train and 9 test frames"
    assert info.optim.epochs * 50 == 40_000  # 795 frames are 50 batches of 16


@pytest.mark.parametrize("training", [False, True])
def test_batches_from_memory_are_those_from_shards_to_the_bit(prepared, training):
    held, streamed = (
        NYUDepthV2(DataLocation(str(prepared[0]), Loading(mode=mode))).folds()(0)
        for mode in ("resident", "streaming")
    )
    order = [torch.tensor([23, 0, 13]), torch.tensor([5, 5])]
    stream = torch.Generator().manual_seed(1)
    draws = [torch.rand(len(part), DRAWS, generator=stream) for part in order]
    for name in ("rgb", "depth", "label_map"):
        batches = [
            (fold.label_maps if name == "label_map" else fold.inputs[name]).batches(
                order, draws if training else None
            )
            for fold in (held, streamed)
        ]
        for mine, theirs in zip(*batches, strict=True):
            assert mine.dtype == (torch.int64 if name == "label_map" else torch.float32)
            assert torch.equal(mine, theirs)


def test_what_is_seen_of_a_sample_fits_its_labels(prepared):
    """Blue is the class, so the picture of any view says which label each pixel should have."""
    fold = NYUDepthV2(DataLocation(str(prepared[0]))).folds(["rgb"])(0)
    assert set(fold.inputs) == {"rgb"}
    assert fold.num_classes == 40
    order = [torch.arange(24)]
    draws = [torch.rand(24, DRAWS, generator=torch.Generator().manual_seed(2))]
    for given in (None, draws):
        (views,) = fold.inputs["rgb"].batches(order, given)
        (labels,) = fold.label_maps.batches(order, given)
        blue = (views[:, 2] * STD[2] + MEAN[2]) * 255 / 6 - 1
        known = labels != IGNORE
        assert known.any()
        near = (blue - labels).abs()[known] < 0.1
        # Blocks of 12 x 16 pixels: between two of them a bilinear view has neither's colour.
        assert near.float().mean() > (0.999 if given is None else 0.85)
