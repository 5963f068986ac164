import shutil
from collections import Counter

import pytest
from miniature import crisismmd as mini

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers.datasets.crisismmd import (
    FIVE,
    HUMANITARIAN,
    TOKENIZER,
    CrisisMMD,
    CrisisMMDC2KD,
    near_duplicates,
)
from fdsweep.trainers.preparation import text
from fdsweep.trainers.preparation.catalog import Damaged, Options

SPLIT = {"train": "train", "dev": "val", "test": "test"}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crisismmd")
    mini.build(folder)
    return folder


@pytest.fixture(scope="module")
def catalog(raw):
    return CrisisMMD().catalog(raw, Options())


def test_a_picture_is_a_sample_and_its_tweet_the_group(catalog):
    listed = {row["image_id"]: row for row in mini.rows()}
    missing = mini.rows()[mini.MISSING]["image_id"]
    assert [item.sample_id for item in catalog.items] == sorted(listed.keys() - {missing})
    assert [(s.sample_id, s.reason) for s in catalog.missing] == [
        (missing, "its picture is not on disk")
    ]
    for item in catalog.items:
        row = listed[item.sample_id]
        assert (item.group, catalog.classes[item.label]) == (row["tweet_id"], row["label"])
    assert max(Counter(item.group for item in catalog.items).values()) == 2


def test_splits_are_the_published_ones(catalog):
    assert catalog.split == "lists of 36 train, 12 val and 12 test pictures"
    parts = [SPLIT[part] for part, size in mini.SIZES.items() for _ in range(size)]
    listed = {row["image_id"]: part for row, part in zip(mini.rows(), parts, strict=True)}
    assert {i.sample_id: i.split for i in catalog.items}.items() <= listed.items()


def test_the_default_task_has_five_classes_and_the_notes_say_so(catalog):
    assert catalog.classes == FIVE == tuple(sorted(mini.LABELS))
    assert catalog.notes[0].startswith("The task is humanitarian, 5 classes; which one the FD-CMKD")
    assert "Tweets in which doubly encoded UTF-8 is put right: 57." in catalog.notes


def test_other_tasks(raw):
    eight = CrisisMMD().catalog(raw, Options(task="humanitarian-all"))
    assert eight.classes == HUMANITARIAN
    assert "injured_or_dead_people" in {eight.classes[item.label] for item in eight.items}
    damage = CrisisMMD().catalog(raw, Options(task="damage"))
    assert damage.classes == ("little_or_no_damage", "mild_damage", "severe_damage")
    assert len(damage.items) + len(damage.missing) == 45
    assert any("left out: dont_know_or_cant_judge (15)." in note for note in damage.notes)
    with pytest.raises(ConfigError, match="unknown task 'weather'"):
        CrisisMMD().catalog(raw, Options(task="weather"))
    with pytest.raises(DataError, match="task_informative_text_img_train.tsv was looked for|_test"):
        CrisisMMD().catalog(raw, Options(task="informative-all"))


def test_eight_labels_in_agreed_files_are_merged(raw, tmp_path):
    for part in mini.SIZES:
        shutil.copy(
            raw / "crisismmd_datasplit_all" / f"task_humanitarian_text_img_{part}.tsv",
            tmp_path / f"task_humanitarian_text_img_agreed_lab_{part}.tsv",
        )
    catalog = CrisisMMD().catalog(raw, Options(split_dir=tmp_path))
    assert catalog.classes == FIVE
    assert any(note.startswith("Labels of the eight that are merged") for note in catalog.notes)


def test_tweets_are_cleaned_and_encoded(raw, catalog):
    item = catalog.items[0]
    payload = CrisisMMD().decode(raw, item, catalog.assets)
    words = mini.LABELS[catalog.classes[item.label]]
    assert payload["clean_text"] == f'"{words}" don’t miss it 🌊'
    tokenizer = text.load_tokenizer(catalog.assets[TOKENIZER])
    ids = payload["text"]
    assert (ids[0], ids[-1]) == (tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]"))
    assert tokenizer.token_to_id("[UNK]") not in ids
    (picture,) = payload["visual"]
    assert picture.size == (120, 80)


def test_single_files_are_read_as_those_of_the_tree(raw, catalog, tmp_path):
    item, dataset = catalog.items[0], CrisisMMD()
    decoded = dataset.decode(raw, item, catalog.assets)
    (tmp_path / "tweet.txt").write_text(f"{decoded['clean_text']} https://t.co/x\n", "utf-8")
    assert dataset.read_file("text", tmp_path / "tweet.txt", catalog.assets) == [decoded["text"]]
    (pictures,) = dataset.read_file("visual", raw / item.parts["visual"], catalog.assets)
    assert pictures == decoded["visual"]
    (tmp_path / "tweet.txt").write_bytes(b"\xff")
    with pytest.raises(Damaged, match="no text in UTF-8"):
        dataset.read_file("text", tmp_path / "tweet.txt", catalog.assets)


def test_the_vocabulary_is_that_of_the_training_tweets_alone(raw, catalog, tmp_path):
    agreed = "crisismmd_datasplit_agreed_label"
    shutil.copytree(raw / agreed, tmp_path / agreed)
    path = tmp_path / agreed / "task_humanitarian_text_img_agreed_lab_test.tsv"
    path.write_text(path.read_text().replace("don", "xylophone"))
    other = CrisisMMD().catalog(raw, Options(split_dir=tmp_path))
    assert other.assets == catalog.assets
    path = tmp_path / agreed / "task_humanitarian_text_img_agreed_lab_train.tsv"
    path.write_text(path.read_text().replace("don", "xylophone"))
    assert CrisisMMD().catalog(raw, Options(split_dir=tmp_path)).assets != catalog.assets


def test_a_checkpoints_vocabulary_is_taken_or_refused(raw, catalog, tmp_path, monkeypatch):
    (tmp_path / "tokenizer.json").write_bytes(catalog.assets[TOKENIZER])
    taken = CrisisMMD().catalog(raw, Options(tokenizer=str(tmp_path)))
    assert taken.assets == catalog.assets
    assert any(f"is that of {tmp_path}" in note for note in taken.notes)
    with pytest.raises(DataError, match="there is no such folder"):
        CrisisMMD().catalog(raw, Options(tokenizer=str(tmp_path / "gone")))
    monkeypatch.setattr("fdsweep.trainers.datasets.crisismmd.MAX_VOCABULARY", 10)
    with pytest.raises(DataError, match="word pieces, more than the 10"):
        CrisisMMD().catalog(raw, Options(tokenizer=str(tmp_path)))


def test_c2kd_reads_tweets_for_bert_base(raw, catalog, tmp_path, monkeypatch):
    (tmp_path / "tokenizer.json").write_bytes(catalog.assets[TOKENIZER])
    dataset = CrisisMMDC2KD()
    given = dataset.catalog(raw, Options(tokenizer=str(tmp_path)))
    assert given.items == catalog.items
    assert [modality.backbone for modality in dataset.modalities] == ["bert-base", "resnet18"]

    def offline(*_args, **_how):
        raise OSError("nobody answers")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(DataError, match="--tokenizer bert-base-uncased: cannot be fetched"):
        dataset.catalog(raw, Options())


def test_damaged_pictures_are_named(raw, catalog):
    by_id = {item.sample_id: item for item in catalog.items}
    for number in (mini.EMPTY, mini.CUT):
        with pytest.raises(Damaged):
            CrisisMMD().decode(raw, by_id[mini.rows()[number]["image_id"]], catalog.assets)


def test_near_duplicates_across_splits_are_counted(raw, catalog):
    alike = near_duplicates(raw, catalog)
    copy = mini.rows()[mini.COPIED[0]]["image_id"]
    assert alike == {("test", "train"): [copy], ("test", "val"): [], ("val", "train"): []}
    notes = CrisisMMD().finish(raw, catalog)
    assert notes[0].startswith("Pictures of test that nearly repeat one of train")
    assert notes[0].endswith(": 1.")


def test_spoiled_lists_are_explained(raw, tmp_path):
    agreed = raw / "crisismmd_datasplit_agreed_label"
    options = Options(split_dir=tmp_path)
    shutil.copytree(agreed, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "task_humanitarian_text_img_agreed_lab_train.tsv"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([lines[0], lines[1], "hurricane_irma\t12\t12_0"]))
    with pytest.raises(DataError, match=r"train.tsv:3: has 3 columns, too few for a label"):
        CrisisMMD().catalog(raw, options)
    path.write_text(lines[0].replace("\tlabel\t", "\tclass\t"))
    with pytest.raises(DataError, match="has no column label"):
        CrisisMMD().catalog(raw, options)


def test_another_tree_is_explained(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="the folder data_image was looked for") as caught:
        CrisisMMD().catalog(tmp_path, Options())
    assert "only: images/" in str(caught.value)
