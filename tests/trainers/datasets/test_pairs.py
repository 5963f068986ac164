"""A table whose samples have no labels: pairs for a retrieval."""

import pytest
from miniature import own_table

from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.trainers import datasets, tasks
from fdsweep.trainers.datasets.table.importer import read_table


def test_it_is_prepared_without_labels(tmp_path):
    manifest = own_table.prepare(own_table.build_pairs(tmp_path), tmp_path / "storage")
    found = datasets.find("steps", datasets.DataLocation(str(tmp_path / "storage")))
    info, fold = found.info, found.folds(["motion"])(0)
    assert (info.task, info.classes) == ("retrieval", ("all",))
    assert tasks.find(info.task).num_outputs(info) == 128
    assert not fold.labels.any()
    assert min(len(part) for part in (fold.train, fold.val, fold.test)) > 0
    assert not {fold.groups[i] for i in fold.train} & {fold.groups[i] for i in fold.test}
    assert manifest.declared.task == "retrieval"
    assert "Train, validation and test have different groups" in manifest.notes[0]
    assert "class" not in " ".join(manifest.notes)


def test_a_label_beside_it_and_none_without_it_are_refused(tmp_path):
    path = own_table.build_pairs(tmp_path)
    for role in ("label", "labels", "mask"):
        said = own_table.description(task="retrieval", **{role: "note"})
        own_table.write_yaml(path, said)
        with pytest.raises(FdsweepError, match=f"{role} and task: pairs are told by the row alone"):
            read_table(path, None, str(tmp_path))
    own_table.write_yaml(path, own_table.description() | {"label": None})
    with pytest.raises(FdsweepError, match="or give `task: retrieval` for pairs without labels"):
        read_table(path, None, str(tmp_path))
    own_table.write_yaml(path, own_table.description(task="retrieva"))
    with pytest.raises(FdsweepError, match="retrieva"):
        read_table(path, None, str(tmp_path))
