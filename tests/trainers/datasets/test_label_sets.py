"""A table whose samples have any number of labels."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from miniature import own_table
from miniature.own_table import prepare

from fdsweep.orchestrator.data.draft import make_draft, to_yaml
from fdsweep.orchestrator.data.preview import samples_of_classes
from fdsweep.orchestrator.data.text import to_text
from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets.prepared import members, spell_set
from fdsweep.trainers.datasets.table.description import read_description
from fdsweep.trainers.datasets.table.importer import read_table
from fdsweep.trainers.datasets.table.labels import read_labels
from fdsweep.trainers.datasets.table.rows import read_rows

SETS = [own_table.label_sets(i) for i in range(24)]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    return own_table.build_with_sets(tmp_path_factory.mktemp("sets"))


def test_it_is_prepared_and_comes_back_with_its_sets(described, tmp_path):
    manifest = prepare(described, tmp_path)
    found = datasets.find("steps", datasets.DataLocation(str(tmp_path)))
    info, fold = found.info, found.folds(["motion"])(0)
    assert (info.task, info.classes) == ("multilabel", ("late", "walk"))
    assert info.scenes == ("(none)", "late", "late;walk", "walk")
    assert fold.label_sets.dtype == torch.float32
    assert fold.label_sets.tolist() == [["late" in s, "walk" in s] for s in SETS]
    assert [info.scenes[i] for i in fold.labels] == [spell_set(sorted(s)) for s in SETS]
    assert fold.to(torch.device("cpu")).known is fold.label_sets
    assert "A sample has up to 2 of 2 labels; 8 have none." in manifest.notes
    told = to_text(manifest)
    assert re.search(r"\nlate +4 +2 +2\nwalk +8 +2 +2\nsamples +16 +4 +4\n", told), told
    counts = samples_of_classes(fold)
    assert sum(counts.values()).tolist() == [8, 12]
    other = own_table.build_with_sets(described.parent, classes=["walk", "late"])
    assert prepare(other, tmp_path).fingerprint != manifest.fingerprint


def test_every_split_has_every_class(described):
    table, _ = read_table(described, None, ".")
    for split in ("train", "val", "test"):
        own = [set(SETS[int(x.sample_id[1:])]) for x in table.listed.items if x.split == split]
        assert set.union(*own) == {"walk", "late"}


def test_names_of_sets_are_read_as_they_are_spelt():
    assert [members(spell_set(one)) for one in ((), ("a",), ("a", "b"))] == [(), ("a",), ("a", "b")]


def test_lists_in_parquet_are_the_same_labels(described, tmp_path):
    cells = [[row[0], SETS[i], *row[2:]] for i, row in enumerate(own_table.rows())]
    columns = dict(
        zip(("sample_id", "labels", *own_table.HEADER[2:]), zip(*cells, strict=True), strict=True)
    )
    pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), tmp_path / "table.parquet")
    said = read_description(described)
    ours = read_labels(said, read_rows(described.parent / "table.csv"))
    assert read_labels(said, read_rows(tmp_path / "table.parquet")) == ours
    columns["labels"] = [["a;b"]] * 24
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    with pytest.raises(FdsweepError, match="column labels: has 'a;b' in a list"):
        read_rows(tmp_path / "table.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "labels"}, "label and labels: both are given"),
        ({"mask": "motion"}, "mask and labels: both are given"),
        ({"classes": ["walk"]}, "line 2: has the label 'late', which is none of the classes"),
        ({"classes": ["walk", "late", "x"]}, "no sample is of the class 'x'"),
        ({"labels": "tags"}, "has no column 'tags' for the labels"),
    ],
)
def test_what_cannot_be_is_refused(described, tmp_path, change, message):
    said = {**own_table.description(labels="labels"), **change}
    said["table"] = str(described.parent / "table.csv")
    with pytest.raises(FdsweepError, match=message):
        read_table(own_table.write_yaml(tmp_path / "steps.yaml", said), None, str(tmp_path))


def test_a_table_of_labels_is_drafted_as_one(described):
    draft = make_draft(read_rows(described.parent / "table.csv"))
    assert draft.roles["labels"] == "labels"
    assert "label" not in draft.roles
    text = to_yaml(draft, described.parent)
    assert "labels: labels" in text
    assert "# classes: [late, walk]" in text
    rows = read_rows(described.parent / "table.csv")
    named = make_draft(type(rows)(**{**{k: getattr(rows, k) for k in rows.__slots__}, "columns": {
        {"labels": "what"}.get(k, k): v for k, v in rows.columns.items()}}), "what")  # fmt: skip
    assert named.roles["labels"] == "what"
