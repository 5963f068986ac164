"""What Ray Train left of a trial, damaged in every way, without Ray running."""

import json

import pytest
import torch

from fdsweep.orchestrator.execution import checkpoints
from fdsweep.orchestrator.execution.ray_compat import trainer
from fdsweep.search_spaces.storage import Storage

NAME = "student-aa-0-1b2c3d"
SNAPSHOT, STATE = f"ray/train/{NAME}/{trainer.SNAPSHOT}", "ray/train/{}/one/replicates.pt"


@pytest.fixture
def storage(tmp_path):
    """The checkpoints "one" of two trials, as Ray Train leaves them."""
    kept = Storage(str(tmp_path))
    result = {"checkpoint_dir_name": "one", "metrics": {}}
    state = {name: [] for name in trainer._CheckpointManagerState.model_fields}
    state |= {
        "ray_version": "2",
        "checkpoint_results": [result],
        "latest_checkpoint_result": result,
    }
    state |= {"checkpoint_report_indices": [1], "current_report_index": 1}
    for name in (NAME, "other"):
        kept.make_folder(f"ray/train/{name}/one")
        torch.save({"key": "aa"}, kept.local(STATE.format(name)))
        kept.write_text(f"ray/train/{name}/{trainer.SNAPSHOT}", json.dumps(state))
    return kept


def is_kept(storage, name):
    return storage.exists(f"ray/train/{name}")


def test_whole_checkpoints_stay(storage, capsys):
    checkpoints.drop_damaged(storage.root, NAME)
    checkpoints.drop_damaged(storage.root, "never begun")
    assert is_kept(storage, NAME)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("place", [SNAPSHOT, STATE.format(NAME)])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", "cut off"])
def test_a_trial_starts_anew_where_a_file_is_damaged(storage, place, content, capsys):
    content = storage.read(place)[:-10] if content == "cut off" else content
    storage.write(place, content)
    checkpoints.drop_damaged(storage.root, NAME)
    assert not is_kept(storage, NAME)
    assert is_kept(storage, "other")
    assert storage.read(f"damaged/{place}.damaged") == content
    (line,) = capsys.readouterr().err.splitlines()
    assert "training starts again" in line


def test_a_trial_starts_anew_where_its_checkpoint_is_gone(storage, capsys):
    storage.delete_folder(f"ray/train/{NAME}/one")
    checkpoints.drop_damaged(storage.root, NAME)
    assert not is_kept(storage, NAME)
    assert "names a checkpoint that is gone" in capsys.readouterr().err


def test_a_list_that_another_ray_wrote_is_of_no_use(storage):
    fields = {**json.loads(storage.read_text(SNAPSHOT)), "checkpoint_results": "elsewhere"}
    storage.write_text(SNAPSHOT, json.dumps(fields))
    checkpoints.drop_damaged(storage.root, NAME)
    assert not is_kept(storage, NAME)
