import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from miniature import vggsound as mini
from miniature.media_files import read_number

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers import modalities
from fdsweep.trainers.datasets.vggsound import VGGSound, VGGSoundC2KD
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged, Options
from fdsweep.trainers.preparation.spectrogram import log_stft
from fdsweep.trainers.preparation.splits import shared_groups


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vggsound")
    mini.build(folder)
    return folder


@pytest.fixture(scope="module")
def catalog(raw):
    return VGGSound().catalog(raw, Options())


def test_listed_clips_are_found_and_the_others_reported(catalog):
    gone = {mini.stem(mini.GONE): "not on disk", mini.stem(mini.NO_VIDEO): "sound without a video"}
    assert {s.sample_id: s.reason for s in catalog.missing} == gone
    ids = [item.sample_id for item in catalog.items]
    assert ids == sorted({mini.stem(number) for number in range(mini.COUNT)} - gone.keys())


def test_labels_with_commas_and_groups_are_those_of_the_list(catalog):
    listed = {f"{v}_{s:06d}": (v, label) for v, s, label, _ in mini.clips()}
    for item in catalog.items:
        assert (item.group, catalog.classes[item.label]) == listed[item.sample_id]
    assert catalog.classes == tuple(sorted(mini.LABELS))


def test_validation_is_carved_from_training_by_whole_videos(catalog):
    listed = {f"{v}_{s:06d}": split for v, s, _, split in mini.clips()}
    for item in catalog.items:
        assert (item.split == "test") == (listed[item.sample_id] == "test")
    splits = [item.split for item in catalog.items]
    assert Counter(splits) == {"train": 30, "val": 4, "test": 12}
    groups = [item.group for item in catalog.items]
    assert set(shared_groups(splits, groups).values()) == {0}


def test_a_clip_keeps_its_split_whichever_others_are_missing(raw, catalog, tmp_path):
    shutil.copy(raw / "vggsound.csv", tmp_path)
    (tmp_path / "videos").mkdir()
    for item in catalog.items[::3]:
        (tmp_path / "videos" / f"{item.sample_id}.mp4").touch()
    fewer = VGGSound().catalog(tmp_path, Options())
    before = {item.sample_id: (item.split, item.label) for item in catalog.items}
    assert {i.sample_id: (i.split, i.label) for i in fewer.items} == {
        item.sample_id: before[item.sample_id] for item in catalog.items[::3]
    }
    assert len(fewer.missing) == mini.COUNT - len(fewer.items)


def test_sound_and_frames_are_those_of_the_clip(raw, catalog):
    by_id = {item.sample_id: item for item in catalog.items}
    for number in (0, 1, 2, mini.SOUND_APART[0]):
        item = by_id[mini.stem(number)]
        payload = VGGSound().decode(raw, item, catalog.assets)
        assert payload["audio"].shape == (257, 1004)
        peak = payload["audio"].astype(float).mean(axis=1).argmax()
        expected = 500 * (1 + mini.LABELS.index(catalog.classes[item.label])) * 512 / 16000
        assert peak == pytest.approx(expected, abs=1)
        numbers = [read_number(np.asarray(frame)) for frame in payload["visual"]]
        assert numbers == list(range(10))
    assert str(by_id[mini.stem(mini.SOUND_APART[0])].parts["audio"]).endswith(".wav")


def test_five_seconds_are_heard_where_c2kd_reads_the_clip(raw, catalog):
    dataset = VGGSoundC2KD()
    assert dataset.catalog(raw, Options()) == catalog
    item = next(item for item in catalog.items if item.sample_id == mini.stem(0))
    heard = dataset.decode(raw, item, {})["audio"]
    kind = modalities.find(dataset.payloads["audio"])
    cells = [kind.encode(heard)]
    signal = media.audio(raw / str(item.parts["audio"]))
    for draw in (0.0, 0.3, 0.999):
        (decoded,) = kind.decode(cells, torch.tensor([[draw]]))
        start = int(draw * 626) * 128
        alone = log_stft(signal[start : start + 5 * 16000])
        assert decoded[0, 0].shape == alone.shape == (129, 626)
        inner = slice(1, -1)  # whose segments lie inside the window
        np.testing.assert_array_equal(decoded[0, 0][:, inner], alone[:, inner])
    (middle,) = kind.decode(cells, None)
    np.testing.assert_array_equal(middle[0, 0], heard[:, 312 : 312 + 626])


def test_damaged_videos_are_named(raw, catalog):
    by_id = {item.sample_id: item for item in catalog.items}
    for number in (mini.EMPTY, mini.CUT):
        with pytest.raises(Damaged):
            VGGSound().decode(raw, by_id[mini.stem(number)], {})


@pytest.mark.parametrize("form", ["{0}_{1}", "{0}_{2}_{3}"])
def test_other_names_of_files_are_known(raw, tmp_path, form):
    shutil.copy(raw / "vggsound.csv", tmp_path)
    for video, start, _, _ in mini.clips():
        name = form.format(video, start, 1000 * start, 1000 * start + 10000)
        (tmp_path / f"{name}.MP4").touch()
    catalog = VGGSound().catalog(tmp_path, Options())
    assert not catalog.missing
    assert catalog.items[0].sample_id.endswith(f"_{catalog.items[0].sample_id[-6:]}")
    assert len({item.parts["visual"] for item in catalog.items}) == mini.COUNT


def write_lists(folder, rows_of):
    for name, rows in rows_of.items():
        (folder / name).write_text("".join(f"{row}\n" for row in rows))
    return Options(split_dir=folder)


def test_smaller_lists_may_be_given(raw, tmp_path):
    rows = {
        f"{split}_tiny.csv": [
            f'{v},{s},"{label}",{split}' for v, s, label, in_ in mini.clips()
            if in_ == split and label != mini.LABELS[0]
        ]
        for split in ("train", "test")
    }  # fmt: skip
    rows["train_tiny.csv"].insert(0, "\ufeffid,start,label,split")
    catalog = VGGSound().catalog(raw, write_lists(tmp_path, rows))
    assert catalog.classes == tuple(sorted(mini.LABELS[1:]))
    assert len(catalog.items) + len(catalog.missing) == 32
    train = len(rows["train_tiny.csv"]) - 1
    assert catalog.split == f"lists of {train} train and {32 - train} test clips"
    assert {item.split for item in catalog.items} == {"train", "val", "test"}


def test_the_two_columns_of_the_authors_repository_are_known(raw, catalog, tmp_path):
    rows = {
        f"{split}.csv": [
            f'{v}_{s:06d}.mp4,"{label}"' for v, s, label, in_ in mini.clips() if in_ == split
        ]
        for split in ("train", "test")
    }
    rows["stat.csv"] = ["playing banjo,500,50"]
    assert VGGSound().catalog(raw, write_lists(tmp_path, rows)).items == catalog.items


def test_lists_that_overlap_are_refused_unless_one_is_the_test(raw, tmp_path):
    row = ",".join(map(str, mini.clips()[0]))
    both = {"train.csv": [row], "train_tiny.csv": [row]}
    with pytest.raises(ConfigError, match=r"train.csv and train_tiny.csv both list -LQr.*_000000"):
        VGGSound().catalog(raw, write_lists(tmp_path, both))
    rows = [f"{v},{s},a,train" for v, s, _, _ in mini.clips()]
    tested = rows[5].replace("train", "test")
    lists = {"train.csv": rows, "train_tiny.csv": [], "test.csv": [tested]}
    catalog = VGGSound().catalog(raw, write_lists(tmp_path, lists))
    (item,) = [item for item in catalog.items if item.split == "test"]
    assert item.sample_id == mini.stem(5)
    assert any("of which test keeps its own: 1" in note for note in catalog.notes)


def test_a_strange_line_is_named(raw, tmp_path):
    options = write_lists(tmp_path, {"train.csv": ["abc,1,a,train", "abc,2,heart sounds, train"]})
    assert options.split_dir is not None
    (tmp_path / "train.csv").write_text("abc,1,a,train\nabc,2,heart sounds, heartbeat,train\n")
    with pytest.raises(DataError, match=r"train.csv:2: 'abc,2,heart.* is neither id,start,label"):
        VGGSound().catalog(raw, options)


def test_another_tree_is_explained(raw, tmp_path):
    with pytest.raises(DataError, match=r"vggsound.csv was looked for and not found") as caught:
        VGGSound().catalog(tmp_path, Options())
    assert "only: nothing" in str(caught.value)
    shutil.copy(raw / "vggsound.csv", tmp_path)
    with pytest.raises(DataError, match=r"<youtube id>_<start>.mp4 was looked for"):
        VGGSound().catalog(tmp_path, Options())
