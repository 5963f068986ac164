"""Kept students at work on files: no training, networks as they are drawn."""

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from conftest import DENSE, dense_trial, small_trial

from fdsweep.orchestrator.models.predict import to_text
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers import backbones, tasks
from fdsweep.trainers.datasets import DatasetInfo, Scaling
from fdsweep.trainers.datasets.watch import Watch
from fdsweep.trainers.loop import Chosen
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.students import load
from fdsweep.trainers.students.keeping import describe, keep
from fdsweep.trainers.students.model import load_kept
from fdsweep.trainers.students.record import CONFIG, WEIGHTS, records

SIGNAL = np.random.default_rng(0).normal(size=(230, 6))


def kept(storage, info: DatasetInfo, trial, scaling=None):
    """The record of a student of `info` that was never trained."""
    network = trial.config.network
    channels = info.modality(network.modality).channels
    outputs = tasks.find(network.task).num_outputs(info)
    fresh = backbones.build(network.backbone, channels=channels, num_classes=outputs)
    history = History("accuracy", best_epoch=0, best_head="logits", best_score=0.5)
    record = describe(replace(trial, keep="best"), 0, info, history, {})
    keep(storage, record, Chosen(fresh.state_dict(), {}), scaling)
    return records(Storage(storage), trial.key)[0]


def watch_trial(storage):
    trial = small_trial(storage, method="none")
    network = replace(trial.config.network, dataset="watch", modality="gyroscope")
    return replace(trial, config=replace(trial.config, network=network))


@pytest.fixture
def student(tmp_path):
    scaling = Scaling(torch.tensor([[1.0], [2], [3]]), torch.tensor([[2.0], [4], [8]]))
    record = kept(str(tmp_path), Watch.info, watch_trial(str(tmp_path)), scaling)
    return load_kept(str(tmp_path), record)


def test_recordings_are_cut_standardised_and_classified(student, tmp_path):
    np.save(tmp_path / "x.npy", SIGNAL)
    found = student.predict([tmp_path / "x.npy"])
    assert [one.name for one in found] == [f"{tmp_path}/x.npy#{i}" for i in range(3)]
    windows = np.stack([SIGNAL[i : i + 100, 3:].T for i in (0, 50, 100)]).astype(np.float32)
    views = (torch.from_numpy(windows) - student.scaling.mean) / student.scaling.std
    shares = student.logits(views).softmax(dim=1)
    assert [list(one.shares.values()) for one in found] == shares.tolist()
    assert [one.label for one in found] == [Watch.info.classes[i] for i in shares.argmax(dim=1)]


def test_all_forms_of_a_recording_are_the_same(student, tmp_path):
    own = SIGNAL[:100, 3:]
    np.save(tmp_path / "a.npy", own)
    np.savetxt(tmp_path / "b.csv", own, delimiter=",")
    np.savetxt(tmp_path / "c.csv", own, delimiter=",", header="x,y,z", comments="")
    pq.write_table(pa.table(dict(zip("xyz", own.T, strict=True))), tmp_path / "d.parquet")
    names = ("a.npy", "b.csv", "c.csv", "d.parquet")
    found = student.predict([tmp_path / name for name in names])
    assert len(found) == 4
    assert all(one.shares == found[0].shares for one in found)


BAD = {
    "gone.npy": "no table of numbers",
    "short.npy": "10 rows, too few for a window of 100",
    "wide.npy": "100 x 4 numbers",
    "words.csv": "no table of numbers",
    "x.txt": "no .npy, .csv or .parquet file",
    "broken.parquet": "no table of numbers",
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_of_no_use_is_a_sentence(student, tmp_path, name):
    np.save(tmp_path / "short.npy", np.zeros((10, 3)))
    np.save(tmp_path / "wide.npy", np.zeros((100, 4)))
    for text in ("words.csv", "broken.parquet"):
        (tmp_path / text).write_text("x,y\nno,numbers\n")
    with pytest.raises(DataError, match=f"{name}: cannot be used: {BAD[name]}"):
        student.predict([tmp_path / name])


def test_of_several_labels_all_that_are_likely_are_named(tmp_path):
    info = replace(Watch.info, task="multilabel")
    trial = watch_trial(str(tmp_path))
    network = replace(trial.config.network, task="multilabel")
    record = kept(
        str(tmp_path), info, replace(trial, config=replace(trial.config, network=network))
    )
    student = load_kept(str(tmp_path), record)
    np.save(tmp_path / "x.npy", 9 * SIGNAL)
    found = student.predict([tmp_path / "x.npy"])
    windows = np.stack([9 * SIGNAL[i : i + 100, 3:].T for i in (0, 50, 100)]).astype(np.float32)
    shares = student.logits(torch.from_numpy(windows)).sigmoid()
    assert [list(one.shares.values()) for one in found] == shares.tolist()
    for one, own in zip(found, shares, strict=True):
        names = [Watch.info.classes[i] for i in np.flatnonzero(own > 0.5)]
        assert one.label == (";".join(names) or "(none)")
        line = to_text([one]).removeprefix(one.name).strip()
        parts = (f"{name}  {100 * one.shares[name]:.1f} %" for name in names)
        assert line == (", ".join(parts) or "(none)")


def test_a_student_of_pairs_gives_embeddings_alone(tmp_path):
    trial = watch_trial(str(tmp_path))
    network = replace(trial.config.network, task="retrieval")
    of_pairs = replace(trial, config=replace(trial.config, network=network))
    info = replace(Watch.info, task="retrieval", classes=("all",))
    student = load_kept(str(tmp_path), kept(str(tmp_path), info, of_pairs))
    np.save(tmp_path / "x.npy", SIGNAL)
    found = student.embed([tmp_path / "x.npy"])
    windows = np.stack([SIGNAL[i : i + 100, 3:].T for i in (0, 50, 100)]).astype(np.float32)
    logits = student.logits(torch.from_numpy(windows))
    torch.testing.assert_close(found, logits / logits.norm(dim=1, keepdim=True))
    assert student.embed([]).shape == (0, 128)
    with pytest.raises(DataError, match="it gives embeddings and knows no classes"):
        student.predict([tmp_path / "x.npy"])


def test_pixels_become_masks(tmp_path):
    """A data set that says nothing of raw files takes arrays."""
    info = replace(DENSE, name="rooms")
    record = kept(str(tmp_path), info, dense_trial(str(tmp_path)))
    student = load_kept(str(tmp_path), record)
    view = np.random.default_rng(0).normal(size=(3, 8, 12)).astype(np.float32)
    np.save(tmp_path / "x.npy", view)
    (found,) = student.predict([tmp_path / "x.npy"])
    assert found.mask.shape == (8, 12)
    assert sum(found.shares.values()) == pytest.approx(1)
    counts = np.bincount(found.mask.ravel(), minlength=4)
    assert found.label == info.classes[counts.argmax()]
    with pytest.raises(DataError, match="read from NumPy arrays"):
        student.predict([tmp_path / "x.png"])


@pytest.mark.parametrize(
    ("harm", "needle"),
    [
        ("nothing", "holds no student"),
        ("backbone", "version 9 of the backbone cnn1d, and this is 1"),
        ("weights", "is no whole safetensors"),
        ("other", "the weights are those of another network"),
        ("record", "is no student that can be read"),
    ],
)
def test_a_folder_that_cannot_be_used_is_a_sentence(student, tmp_path, harm, needle):
    told = student.record
    folder = tmp_path / "exported"
    folder.mkdir()
    weights = (tmp_path / layout.student_weights(told.key, 0)).read_bytes()
    config = json.loads((tmp_path / layout.student_record(told.key, 0)).read_text())
    match harm:
        case "backbone":
            config["network"]["version"] = 9
        case "weights":
            weights = weights[:-1]
        case "other":
            config["network"]["outputs"] = 5
        case "record":
            del config["task"]
    if harm != "nothing":
        (folder / CONFIG).write_text(json.dumps(config))
        (folder / WEIGHTS).write_bytes(weights)
    with pytest.raises(DataError, match=needle):
        load(folder)
