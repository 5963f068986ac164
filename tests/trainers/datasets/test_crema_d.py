"""CREMA-D from files in its true format."""

from pathlib import Path

import numpy as np
import pytest
from miniature import crema_d as miniature
from miniature.media_files import read_number, write_wav

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.crema_d import CLASSES, CremaD
from fdsweep.trainers.preparation.catalog import Damaged, Options


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return miniature.build(tmp_path_factory.mktemp("raw"))


def catalog(raw, **options):
    return CremaD().catalog(raw, Options(**options))


def touched(raw: Path, *clips: str) -> Path:
    """A tree of empty files: listing reads none."""
    for clip in clips:
        for folder, suffix in (("AudioWAV", ".wav"), ("VideoFlash", ".flv")):
            path = raw / folder / f"{clip}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return raw


def names(actors=12):
    return [f"{1001 + a}_DFA_{emotion}_XX" for a in range(actors) for emotion in sorted(CLASSES)]


def test_labels_and_speakers_are_those_of_the_names(tree):
    found = catalog(tree.raw)
    assert [item.sample_id for item in found.items] == sorted(set(tree.clips) - set(tree.missing))
    for item in found.items:
        actor, _, emotion, _ = item.sample_id.split("_")
        assert item.label == miniature.LABELS[emotion]
        assert found.classes[item.label] == emotion
        assert item.group == actor


def test_a_clip_without_its_partner_is_missing(tree):
    (missing,) = catalog(tree.raw).missing
    assert missing.sample_id == miniature.PARTNERLESS
    assert missing.reason == f"no VideoFlash/{miniature.PARTNERLESS}.flv"


def test_a_clip_that_only_the_summary_names_is_missing(tmp_path):
    raw = touched(tmp_path, *names())
    (raw / "processedResults").mkdir()
    (raw / "processedResults/summaryTable.csv").write_text(
        '\ufeff"","FileName"\n"1","1001_DFA_ANG_XX"\n"2","1091_WSI_SAD_HI"\n', encoding="utf-8"
    )
    (missing,) = catalog(raw).missing
    assert missing.sample_id == "1091_WSI_SAD_HI"
    assert missing.reason == "no AudioWAV/1091_WSI_SAD_HI.wav and no VideoFlash/1091_WSI_SAD_HI.flv"


def test_own_splits_have_different_speakers(tmp_path):
    found = catalog(touched(tmp_path, *names(actors=20)))
    speakers = {
        split: {item.group for item in found.items if item.split == split}
        for split in ("train", "val", "test")
    }
    assert {split: len(members) for split, members in speakers.items()} == {
        "train": 14,
        "val": 2,
        "test": 4,
    }
    assert not speakers["train"] & speakers["test"]
    assert not speakers["train"] & speakers["val"]
    assert not speakers["val"] & speakers["test"]
    assert found.split == "speakers apart"


def test_own_splits_do_not_depend_on_what_is_missing(tmp_path):
    whole = catalog(touched(tmp_path, *names()))
    for clip in names()[::7]:
        (tmp_path / f"VideoFlash/{clip}.flv").unlink()
    rest = catalog(tmp_path)
    splits = {item.sample_id: item.split for item in whole.items}
    assert len(rest.missing) == len(names()[::7])
    assert all(item.split == splits[item.sample_id] for item in rest.items)


def test_published_lists(tmp_path, tree):
    miniature.write_lists(tmp_path, tree.clips)
    test = {line.split(",")[0] for line in (tmp_path / "test.csv").read_text().splitlines()}
    found = catalog(tree.raw, split_dir=tmp_path)
    train = len((tmp_path / "train.csv").read_text().splitlines())
    assert found.split == f"lists of {train} train and {len(test)} test clips"
    for item in found.items:
        assert (item.split == "test") == (item.sample_id in test)
    assert {item.label for item in found.items if item.split == "val"} == set(range(6))
    trained = {item.group for item in found.items if item.split == "train"}
    validated = {item.group for item in found.items if item.split == "val"}
    assert f"share {len(trained & validated)} speakers" in found.notes[-1]


def test_clips_on_neither_list_are_left_out(tmp_path, tree):
    miniature.write_lists(tmp_path, tree.clips[:24])
    found = catalog(tree.raw, split_dir=tmp_path)
    assert {item.sample_id for item in found.items} <= set(tree.clips[:24])
    assert "24 clips on neither are left out" in found.notes[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1001_IEO_ANG_XX,HAP", "line 1: 1001_IEO_ANG_XX is called HAP"),
        ("1001_IEO_ANG,ANG", "no line such as"),
        ("1001_IEO_ANG_XX", "no line such as"),
    ],
)
def test_a_wrong_line_of_a_list(tmp_path, tree, line, message):
    miniature.write_lists(tmp_path, tree.clips)
    (tmp_path / "test.csv").write_text(line)
    with pytest.raises(DataError, match=message):
        catalog(tree.raw, split_dir=tmp_path)


def test_a_clip_on_both_lists(tmp_path, tree):
    miniature.write_lists(tmp_path, tree.clips)
    (tmp_path / "test.csv").write_bytes((tmp_path / "train.csv").read_bytes())
    with pytest.raises(DataError, match="is in the other list too"):
        catalog(tree.raw, split_dir=tmp_path)


def test_no_lists(tmp_path, tree):
    with pytest.raises(DataError, match=r"train.csv: cannot be read.*train.csv and test.csv"):
        catalog(tree.raw, split_dir=tmp_path)


def test_an_unknown_tree_says_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "Videos").mkdir()
    with pytest.raises(DataError) as error:
        catalog(tmp_path)
    for text in ("AudioWAV/*.wav", "only: Videos/", "VideoFlash/1001_DFA_ANG_XX.flv"):
        assert text in str(error.value)


def test_odd_names_are_told_of(tmp_path):
    found = catalog(touched(tmp_path, *names(), "1001_DFA_ANG_XX (1)", "1040_ITH_SAD_X"))
    assert "1040_ITH_SAD_X" in {item.sample_id for item in found.items}
    assert any("clip's name: 1, such as 1001_DFA_ANG_XX (1)" in note for note in found.notes)


def decode(tree, clip):
    (item,) = [item for item in catalog(tree.raw).items if item.sample_id == clip]
    return CremaD().decode(tree.raw, item, {})


def test_what_was_played_and_painted_comes_back(tree):
    for clip in tree.whole[:: len(tree.whole) // 7]:
        decoded = decode(tree, clip)
        assert decoded["audio"].shape == (257, 299)
        assert decoded["audio"].dtype == np.float16
        peak = np.bincount(decoded["audio"].argmax(axis=0)).argmax()
        assert peak == pytest.approx(miniature.tone(clip) * 512 / 16000, abs=0.5)
        pictures = [np.asarray(frame) for frame in decoded["visual"]]
        first = miniature.first_number(clip)
        assert [read_number(picture) for picture in pictures] == [first + i for i in (6, 19, 32)]
        assert all(picture.shape == (36, 48, 3) for picture in pictures)


def test_single_files_are_read_as_those_of_the_tree(tree):
    clip = tree.whole[0]
    decoded = decode(tree, clip)
    (sound,) = CremaD().read_file("audio", tree.raw / f"AudioWAV/{clip}.wav", {})
    (pictures,) = CremaD().read_file("visual", tree.raw / f"VideoFlash/{clip}.flv", {})
    assert np.array_equal(sound, decoded["audio"])
    assert pictures == decoded["visual"]


def test_damaged_clips_say_why(tree):
    with pytest.raises(Damaged, match="Git LFS pointer"):
        decode(tree, miniature.POINTED)
    with pytest.raises(Damaged, match="seconds can be decoded"):
        decode(tree, miniature.CUT_OFF)


def test_silence_is_damaged(tmp_path):
    touched(tmp_path, *names())
    write_wav(tmp_path / "AudioWAV/1001_DFA_ANG_XX.wav", np.zeros(16000), 16000)
    item = catalog(tmp_path).items[0]
    with pytest.raises(Damaged, match="silence"):
        CremaD().decode(tmp_path, item, {})
