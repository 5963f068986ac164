import shutil
from collections import Counter

import numpy as np
import pytest
from miniature import ravdess as mini
from miniature.media_files import read_number

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers.datasets.ravdess import CLASSES, Ravdess
from fdsweep.trainers.preparation.catalog import Damaged, Options
from fdsweep.trainers.preparation.splits import shared_groups


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ravdess")
    mini.build(folder)
    return folder


@pytest.fixture(scope="module")
def catalog(raw):
    return Ravdess().catalog(raw, Options())


def test_every_complete_trial_is_listed_once(catalog):
    ids = [item.sample_id for item in catalog.items]
    everything = {f"03-{mini.trial(e, a)}" for e in mini.EMOTIONS for a in mini.ACTORS}
    assert ids == sorted(everything - {mini.NO_VIDEO})
    assert [(s.sample_id, s.reason) for s in catalog.missing] == [
        (mini.NO_VIDEO, "no video (02- or 01-) beside its sound")
    ]
    assert any("48 trials were found" in note for note in catalog.notes)


def test_labels_and_groups_are_the_codes_of_the_names(catalog):
    for item in catalog.items:
        _, _, emotion, _, _, _, actor = item.sample_id.split("-")
        assert (item.label, item.group) == (int(emotion) - 1, actor)
    assert catalog.classes[catalog.items[0].label] == "neutral"
    assert catalog.classes == CLASSES


def test_actors_stand_in_one_split_and_the_sexes_in_all(catalog):
    splits = [item.split for item in catalog.items]
    groups = [item.group for item in catalog.items]
    assert set(shared_groups(splits, groups).values()) == {0}
    actors = dict(zip(groups, splits, strict=True))
    assert Counter((split, int(actor) % 2) for actor, split in actors.items()) == {
        ("train", 0): 2, ("train", 1): 2, ("val", 0): 1, ("val", 1): 1, ("test", 0): 1,
        ("test", 1): 1,
    }  # fmt: skip


def test_sound_and_picture_are_those_of_the_trial(raw, catalog):
    for item in catalog.items[::11]:
        payload = Ravdess().decode(raw, item, catalog.assets)
        assert payload["audio"].shape == (257, 299)
        assert payload["audio"].dtype == np.float16
        bin_width = 16000 / 512
        peak = payload["audio"].astype(float).mean(axis=1).argmax()
        assert peak == pytest.approx(400 * (item.label + 1) / bin_width, abs=1)
        assert len(payload["visual"]) >= 3
        for frame in payload["visual"]:
            pixels = np.asarray(frame)
            assert pixels.shape == (36, 64, 3)
            assert read_number(pixels) == item.label + 1 + 16 * int(item.group)


def test_single_files_are_read_as_those_of_the_tree(raw, catalog):
    item = catalog.items[0]
    decoded = Ravdess().decode(raw, item, {})
    (sound,) = Ravdess().read_file("audio", raw / item.parts["audio"], {})
    assert np.array_equal(sound, decoded["audio"])
    assert Ravdess().read_file("visual", raw / item.parts["visual"], {}) == [decoded["visual"]]


def test_damaged_files_are_named(raw, catalog):
    by_id = {item.sample_id: item for item in catalog.items}
    for name in (mini.EMPTY_WAV, mini.CUT_VIDEO):
        with pytest.raises(Damaged):
            Ravdess().decode(raw, by_id[name], {})


def test_songs_are_taken_when_asked_for(raw, tmp_path):
    catalog = Ravdess().catalog(raw, Options(task="all"))
    assert "03-02-04-01-01-01-01" in {skipped.sample_id for skipped in catalog.missing}
    with pytest.raises(ConfigError, match="unknown task 'dance'. Choose from: all, song, speech"):
        Ravdess().catalog(raw, Options(task="dance"))


def test_a_tree_that_is_there_twice_counts_once(raw, catalog, tmp_path):
    shutil.copytree(raw, tmp_path / "once")
    shutil.copytree(raw / "Audio_Speech_Actors_01-24", tmp_path / "once" / "speech" / "again")
    twice = Ravdess().catalog(tmp_path / "once", Options())
    assert twice.items == catalog.items
    assert any("lie in two folders, of which the first is taken: 48" in n for n in twice.notes)


def test_another_tree_is_explained(tmp_path):
    (tmp_path / "AudioWAV").mkdir()
    with pytest.raises(DataError, match=r"03-....wav \(sound of speech\) was looked for") as caught:
        Ravdess().catalog(tmp_path, Options())
    assert "only: AudioWAV/" in str(caught.value)
    assert "Actor_01/03-01-01-01-01-01-01.wav" in str(caught.value)
