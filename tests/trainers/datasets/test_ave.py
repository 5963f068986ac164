import shutil
from collections import Counter

import numpy as np
import pytest
from miniature import ave as mini
from miniature.media_files import read_number
from scipy.signal import spectrogram

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.ave import AVE, AveC2KD
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged, Options


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ave")
    mini.build(folder)
    return folder


@pytest.fixture(scope="module")
def catalog(raw):
    return AVE().catalog(raw, Options())


def test_an_event_is_a_sample_and_its_video_the_group(catalog):
    listed = Counter((video, start, end) for _, video, start, end in mini.events())
    found = Counter((i.group, *map(int, i.sample_id[12:].split("_")[:2])) for i in catalog.items)
    missing = mini.events()[mini.MISSING]
    assert listed - found == Counter([missing[1:]])
    assert not found - listed
    assert [s.sample_id for s in catalog.missing] == ["{}_{}_{}".format(*missing[1:])]
    ids = [item.sample_id for item in catalog.items]
    assert ids == sorted(set(ids))


def test_classes_are_in_the_order_of_the_test_list(catalog):
    first = dict.fromkeys(line.split("&")[0] for line in mini.lists()["testSet.txt"])
    assert catalog.classes == tuple(first)
    assert catalog.classes != tuple(sorted(first))
    trained = dict.fromkeys(line.split("&")[0] for line in mini.lists()["trainSet.txt"])
    assert catalog.classes != tuple(trained)
    categories = {(v, s, e, c) for c, v, s, e in mini.events()}
    for item in catalog.items:
        start, end = map(int, item.sample_id[12:].split("_")[:2])
        assert (item.group, start, end, catalog.classes[item.label]) in categories


def test_splits_are_the_published_ones(catalog):
    assert catalog.split == "lists of {} train, {} val and {} test events".format(
        *(len(mini.lists()[name]) for name in ("trainSet.txt", "valSet.txt", "testSet.txt"))
    )
    for item in catalog.items:
        name = {"train": "trainSet.txt", "val": "valSet.txt", "test": "testSet.txt"}[item.split]
        assert any(item.group in line for line in mini.lists()[name])
    assert Counter(item.split for item in catalog.items) == {"train": 28, "val": 7, "test": 12}


def test_two_events_at_one_time_and_repeated_lines(catalog):
    video = mini.events()[6][1]
    both = [item for item in catalog.items if item.group == video]
    assert [item.sample_id for item in both] == [f"{video}_2_9", f"{video}_2_9_{both[1].label}"]
    assert both[0].label != both[1].label
    assert any("repeat another, of which test keeps its own: 1" in n for n in catalog.notes)


def test_sound_and_frames_are_those_of_the_event(raw, catalog):
    bin_width = 16000 / 512
    video = mini.events()[mini.TWICE[0]][1]
    starts = {}
    for item in [i for i in catalog.items if i.group == video]:
        payload = AVE().decode(raw, item, catalog.assets)
        assert payload["audio"].shape == (257, 1004)
        assert payload["audio"].dtype == np.float16
        numbers = [read_number(np.asarray(frame)) for frame in payload["visual"]]
        starts[item.parts["start"]] = numbers
    assert starts == {0: [0, 1, 2, 3], 5: [5, 6, 7, 8, 9]}
    item = next(i for i in catalog.items if catalog.classes[i.label] == "Bark")
    spectrum = AVE().decode(raw, item, {})["audio"].astype(float).mean(axis=1)
    expected = 500 * (1 + mini.CATEGORIES.index("Bark")) / bin_width
    assert spectrum.argmax() == pytest.approx(expected, abs=1)


def test_a_video_is_a_sample_where_c2kd_reads_it(raw, catalog):
    other = AveC2KD().catalog(raw, Options())
    assert [item.sample_id for item in other.items] == sorted({i.group for i in catalog.items})
    assert (other.classes, other.split) == (catalog.classes, catalog.split)
    first = mini.events()[mini.TWICE[0]]
    (item,) = [item for item in other.items if item.group == first[1]]
    assert (other.classes[item.label], item.parts["start"], item.parts["end"]) == (
        first[0], *first[2:],
    )  # fmt: skip
    assert {item.split for item in other.items} == {"train", "val", "test"}
    assert "Further events of a video are left out: 2." in other.notes
    assert "a sample is a video" in other.notes[0]


def test_sound_and_frames_are_what_c2kd_makes_of_an_event(raw):
    item = next(i for i in AveC2KD().catalog(raw, Options()).items if i.parts["end"] == 4)
    payload = AveC2KD().decode(raw, item, {})
    numbers = [read_number(np.asarray(frame)) for frame in payload["visual"]]
    assert numbers == [0, 1, 2, 3, 4]  # the second at which it ends, too
    signal = media.audio(raw / item.parts["video"], end=4.0)
    _, _, power = spectrogram(np.tile(signal, 3)[:160000], fs=16000, nperseg=512, noverlap=353)
    log = np.log(power + 1e-7)
    flat = ((log - log.mean()) / log.std()).ravel()
    assert payload["audio"].shape == (257, 1024)
    assert payload["audio"].dtype == np.float16
    for row, column in ((0, 0), (0, 1023), (1, 0), (128, 500), (256, 1023)):
        expected = flat[(1024 * row + column) % (257 * 1004)]
        assert payload["audio"][row, column] == pytest.approx(expected, abs=0.01)


def test_an_event_without_length_takes_the_whole_video(catalog):
    video = mini.events()[mini.UNTIMED][1]
    (item,) = [item for item in catalog.items if item.group == video]
    assert item.sample_id == f"{video}_0_0"
    assert (item.parts["start"], item.parts["end"]) == (0, 10)
    assert any("end where they start" in note for note in catalog.notes)


def test_of_a_single_video_the_first_seconds_are_the_event(raw, catalog):
    dataset, item = AVE(), next(i for i in catalog.items if i.sample_id.endswith("_0_0"))
    decoded = dataset.decode(raw, item, {})
    (sound,) = dataset.read_file("audio", raw / item.parts["video"], {})
    assert np.array_equal(sound, decoded["audio"])
    assert dataset.read_file("visual", raw / item.parts["video"], {}) == [decoded["visual"]]


def test_damaged_videos_are_named(raw, catalog):
    for number in (mini.EMPTY, mini.CUT):
        video = mini.events()[number][1]
        (item,) = [item for item in catalog.items if item.group == video]
        with pytest.raises(Damaged):
            AVE().decode(raw, item, {})


def test_lists_may_lie_elsewhere_and_begin_with_a_mark(raw, catalog, tmp_path):
    for name in mini.SIZES:
        text = (raw / "AVE_Dataset" / name).read_text()
        (tmp_path / name).write_text("\ufeff" + text.replace("\n", "\r\n"))
    assert AVE().catalog(raw / "AVE_Dataset", Options(split_dir=tmp_path)).classes == (
        catalog.classes
    )
    (tmp_path / "valSet.txt").write_text("Bark&abc&good&0\n")
    with pytest.raises(DataError, match=r"valSet.txt:1: 'Bark&abc&good&0' is not category&id"):
        AVE().catalog(raw, Options(split_dir=tmp_path))
    (tmp_path / "valSet.txt").unlink()
    with pytest.raises(DataError, match="valSet.txt was looked for"):
        AVE().catalog(raw, Options(split_dir=tmp_path))


def test_another_tree_is_explained(tmp_path):
    shutil.copy(__file__, tmp_path / "trainSet.txt")
    with pytest.raises(DataError, match="the folder AVE was looked for and not found") as caught:
        AVE().catalog(tmp_path, Options())
    assert "only: trainSet.txt" in str(caught.value)
    assert "AVE/<youtube id>.mp4" in str(caught.value)
