"""Tables and descriptions that cannot be used: each ends in one sentence and exit code 2."""

import re
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from miniature import own_table
from miniature.media_files import write_wav
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.trainers.datasets.table.importer import read_table


def put(column, *values, start=0):
    """Other `values` in the cells of `column`, from row `start` on."""

    def change(cells, said, folder):
        for row, value in enumerate(values, start):
            cells[row][own_table.HEADER.index(column)] = value

    return change


def text(content):
    """Another table file altogether."""
    return lambda cells, said, folder: (folder / "table.csv").write_bytes(content)


def say(**fields):
    """Other fields in the description."""
    return lambda cells, said, folder: said.update(fields)


def modality(name, **fields):
    """Another modality `name` in the description."""
    return lambda cells, said, folder: said["modalities"].update({name: fields})


def with_splits(*splits):
    """A column `split`, its values in turn for one person after the other."""

    def change(cells, said, folder):
        for row in cells:
            row.append(splits[int(row[2][1:]) % len(splits)])

    return change


def both_splits(cells, said, folder):
    with_splits("train", "test", "train")(cells, said, folder)
    cells[0][-1] = "test"


def half_a_sensor(cells, said, folder):
    np.save(folder / "4.npy", np.zeros((20, 2)))


def swapped(cells, said, folder):
    for i in range(len(cells)):
        np.save(folder / f"{i}.npy", own_table.signal(i).T)


def of_two_rates(cells, said, folder):
    for i, row in enumerate(cells):
        name = f"{i % 5}.wav"
        write_wav(folder / name, np.sin(np.arange(2000) / 9), 8000 if i % 5 else 16000)
        row[3] = name
    said["modalities"]["text"] = {"kind": "audio", "column": "note"}


def broken_files(cells, said, folder):
    for i in range(len(cells)):
        (folder / f"{i}.npy").write_bytes(b"not an array")


def blank_files(cells, said, folder):
    (folder / "blank.txt").write_text(" \n")
    put("note", *["blank.txt"] * len(cells))(cells, said, folder)
    said["modalities"]["text"] = {"kind": "text-file", "column": "note"}


def nested(cells, said, folder):
    columns = dict(zip(own_table.HEADER, map(list, zip(*cells, strict=True)), strict=True))
    table = pa.table({**columns, "motion": [[1.0, 2.0]] * len(cells)})
    pq.write_table(table, folder / "table.parquet")
    said["table"] = "table.parquet"


def another_folder(cells, said, folder):
    (folder / "saved").mkdir()
    said["table"] = "saved"


def without_arrow_files(cells, said, folder):
    another_folder(cells, said, folder)
    (folder / "saved/state.json").write_text('{"_data_files": [{"filename": "data.arrow"}]}')
    (folder / "saved/dataset_info.json").write_text("{}")


BROKEN = {
    "no table": (say(table="other.csv"), r"other.csv: cannot be read as a table \(No such file"),
    "no rows": (text(b"sample_id,label,person,note,motion\n"), "has no rows"),
    "an empty file": (text(b""), "has no header of several names"),
    "a header alone of one name": (text(b"sample_id\na\n"), "has no header of several names"),
    "no UTF-8": (text("sample_id,läbel\na,b\n".encode("latin-1")), "cannot be read as a table"),
    "an open quote": (text(b'sample_id,label\na,"b\n'), "cannot be read as a table"),
    "a comma too many": (text(b"id,note\na,b, c\n"), "line 2: has 3 cells, while the header has 2"),
    "a column twice": (text(b"label,label\na,b\n"), "has two columns 'label'"),
    "lists in Parquet": (nested, r"holds list<element: double> in column 'motion'"),
    "a folder of something else": (another_folder, "saved: is a folder without state.json"),
    "an Arrow file missing": (without_arrow_files, r"data.arrow: cannot be read as an Arrow file"),
    "no such column": (modality("motion", kind="signal", column="mtion"), "no column 'mtion'"),
    "no such label": (say(label="labels"), "no column 'labels' for the label"),
    "no such group": (say(group="persons"), "no column 'persons' for the group"),
    "a label missing": (put("label", ""), "table.csv, line 2: has no label"),
    "one label": (put("label", *["walk"] * 24), "all samples have the label 'walk'"),
    "a label too few": (put("label", "fall", "fall"), "the class 'fall' has 1 group, too few"),
    "a misspelt label": (
        lambda *given: (say(classes=["walk", "rest"])(*given), put("label", "wlak")(*given)),
        "line 2: has the label 'wlak', which is none of the classes",
    ),
    "a class of nobody": (say(classes=["walk", "rest", "run"]), "no sample is of the class 'run'"),
    "an id missing": (put("sample_id", "", start=3), "line 5: has no sample id"),
    "an id twice": (put("sample_id", "s05", start=7), "line 9: names 's05' again, as line 7 does"),
    "a group missing": (put("person", "", start=3), "line 5: has no group"),
    "a group in two splits": (both_splits, "group 'p0' stands in both train and test"),
    "no such split": (with_splits("train", "tets"), "'tets' is no split. Write train, val or test"),
    "a split missing": (with_splits("train", "test", ""), "has no split"),
    "nobody to test": (with_splits("train", "val"), "no sample is in the test split"),
    "a class never trained": (
        lambda *given: (
            put("label", "fall", "fall")(*given),
            with_splits("test", "train", "train")(*given),
        ),
        "no training sample is of the class 'fall'",
    ),
    "too few groups": (put("person", *["p0"] * 24), "has 1 group, too few to train"),
    "more folds than groups": (say(folds=7), "6 groups cannot fill 7 folds"),
    "missing files": (
        put("motion", *["x.npy"] * 24),
        r"not one of 24 samples has all its files \(s00: no x.npy",
    ),
    "broken files": (broken_files, "not one of 24 samples can be decoded.*motion: cannot be read"),
    "mixed rates": (of_two_rates, r"sound of 8,000 Hz \(\d+ files\) and of 16,000 Hz \(\d+\)"),
    "another sensor": (half_a_sensor, "1 of 16 signals have not 3 channels, such as s04 with 2"),
    "times and channels swapped": (swapped, "signals of 3 times and 20 channels"),
    "no words": (blank_files, "column note: there is no text to train a vocabulary on"),
}

UNUSABLE = {
    "one modality": (say(modalities={"text": {"kind": "text"}}), "one modality is too few"),
    "no kind": (modality("text", column="note"), "modalities.text: says no kind"),
    "another kind": (modality("text", kind="smell"), "unknown kind 'smell'. Choose from: audio"),
    "a field of another kind": (modality("text", kind="text", rate=3), "unknown field 'rate'"),
    "a rate in words": (modality("motion", kind="audio", rate="8 kHz"), "valid integer"),
    "too short for a segment": (
        modality("motion", kind="audio", rate=8000, seconds=0.01),
        "0.01 s at 8,000 Hz hold no segments of 512 samples",
    ),
    "no such network": (modality("text", kind="text", backbone="bart"), "unknown backbone 'bart'"),
    "a network for pixels": (
        modality("text", kind="text", backbone="unet"),
        "unet predicts a class of every pixel",
    ),
    "no such optimiser": (say(training={"optimizer": "adma"}), "unknown optimizer 'adma'"),
    "folds and splits": (say(folds=5, split="label"), "split and folds: both are given"),
    "a misspelt field": (say(lable="label"), "unknown field 'lable'"),
    "a name that is taken": (say(name="watch"), "watch is the name of another data set"),
    "a name that is none": (say(name="My Data"), "String should match pattern"),
    "a modality's name": (modality("a+b", kind="text"), r"'a\+b' cannot be a modality's name"),
    "a scene without a mask": (modality("rgb", kind="scene"), "is for tables with a `mask`"),
    "a mask without a scene": (say(mask="m", classes=["a"]), "text is for tables without a `mask`"),
}


IN_FILES = {
    *("missing files", "broken files", "mixed rates", "another sensor", "no words"),
    *("times and channels swapped", "lists in Parquet"),
}
"""Those for which files are looked at, which takes longer."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    own_table.build(folder)
    return folder


def broken(name, folder):
    """The description of a table in `folder` that is broken as `name` says, and what is said."""
    change, message = {**BROKEN, **UNUSABLE}[name]
    cells, said = own_table.rows(), own_table.description()
    change(cells, said, folder)
    if not (folder / "table.csv").exists():
        header = (*own_table.HEADER, *["split"] * (len(cells[0]) > len(own_table.HEADER)))
        own_table.write_csv(folder / "table.csv", header, cells)
    return own_table.write_yaml(folder / "steps.yaml", said), message


def test_each_is_refused_with_its_place(folder, tmp_path):
    for name in {**BROKEN, **UNUSABLE}.keys() - IN_FILES:
        place = tmp_path / name
        place.mkdir()
        described, message = broken(name, place)
        with pytest.raises(FdsweepError) as error:
            read_table(described, folder, str(tmp_path / "runs"))
        assert re.search(message, str(error.value)), (name, str(error.value))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BROKEN, *UNUSABLE])
def test_the_command_ends_in_one_sentence(name, folder, tmp_path):
    for path in folder.glob("*.npy"):
        shutil.copyfile(path, tmp_path / path.name)
    described, message = broken(name, tmp_path)
    done = CliRunner().invoke(app, ["prepare", str(described), "--storage", str(tmp_path / "runs")])
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    (sentence,) = (line for line in done.stderr.splitlines() if not line.startswith("steps: "))
    assert sentence.startswith("fdsweep: ")
    assert re.search(message, sentence), sentence
    assert not (tmp_path / "runs/data").exists()
