"""Kept students listed, found by name, exported and sized up, without training any."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import INFO, small_trial
from PIL import Image

from fdsweep.orchestrator.models.export import card, export
from fdsweep.orchestrator.models.overview import find, overview, to_text
from fdsweep.orchestrator.models.predict import save_masks
from fdsweep.orchestrator.models.size import keeping
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import backbones
from fdsweep.trainers.loop import Chosen
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.students.keeping import describe, keep
from fdsweep.trainers.students.model import Prediction


@pytest.fixture
def storage(tmp_path):
    """Two seeds of kd and one of none are kept."""
    root = str(tmp_path / "runs")
    Store.create(root)
    for method, seed, score in (("kd", 0, 0.5), ("kd", 1, 0.75), ("none", 0, 0.25)):
        trial = replace(small_trial(root, method=method), keep="all")
        history = History(
            "accuracy", best_epoch=0, best_head="logits",
            best_score=score, val_score=score, test_score=score,
        )  # fmt: skip
        info = replace(INFO, licence="CC0")
        keep(root, describe(trial, seed, info, history, {}), Chosen({"x": torch.zeros(2)}, {}))
    return root


def test_the_list_is_by_direction_and_score(storage):
    models = overview(storage)
    assert [(model.title, model.record.seed) for model in models] == [
        ("kd, left->right", 1), ("kd, left->right", 0), ("none, right", 0),
    ]  # fmt: skip
    lines = to_text(models).splitlines()
    assert len(lines) == 5
    assert [cell.strip() for cell in lines[2].split("|")[3:8]] == [
        "small", "1", "accuracy", "75.0", "75.0",
    ]  # fmt: skip


def test_the_card_of_a_student_of_pairs_asks_for_embeddings(storage, tmp_path):
    model = overview(storage)[0]
    assert "predict" in card(model, [], tmp_path)
    text = card(replace(model, record=model.record.replace(task="retrieval")), [], tmp_path)
    assert "| gives | embeddings of 3 |" in text
    assert 'student.embed(["a-raw-file"])' in text
    assert "predict" not in text.replace("head that predicts", "")


def test_a_model_is_found_by_its_row_or_the_beginning_of_its_name(storage):
    models = overview(storage)
    assert find(models, "kd, left->right").record.seed == 1
    assert find(models, models[1].record.name).record.seed == 0
    assert find(models, models[0].record.key[:6]).record.seed == 1
    with pytest.raises(ConfigError, match="2 models are called so"):
        find([replace(one, rows=("same",)) for one in models], "same")
    with pytest.raises(ConfigError, match=r"unknown model 'dkd'. Choose from: kd, left->right"):
        find(models, "dkd")
    with pytest.raises(ConfigError, match="no student is kept here"):
        find([], "kd")


def test_an_export_tells_what_is_known_and_spares_other_folders(storage, tmp_path):
    model, folder = find(overview(storage), "none, right"), tmp_path / "student"
    for _ in range(2):
        told = export(Store.open(storage), model, folder)
    assert told["files"] == ["README.md", "config.json", "model.safetensors"]
    card = (folder / "README.md").read_text()
    for needle in ("| licence of the data | CC0 |", "25.0 %", "a, b, c", 'load("student")'):
        assert needle in card
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("precious")
    with pytest.raises(ConfigError, match="holds other files"):
        export(Store.open(storage), model, other)
    assert [file.name for file in other.iterdir()] == ["thesis.txt"]


def test_what_keeping_takes_is_the_networks_bytes():
    trials = [replace(small_trial("."), seeds=seeds) for seeds in ((0, 1), (2,))]
    network = backbones.build("cnn1d", channels=3, num_classes=3)
    size = sum(x.nbytes for x in network.state_dict().values())
    found = {which: keeping(trials, INFO, which) for which in ("best", "all", "none")}
    assert {which: (one.students, one.nbytes) for which, one in found.items()} == {
        "best": (1, size), "all": (3, 3 * size), "none": (0, 0),
    }  # fmt: skip
    assert "every seed, 3 in about 1.2 MB" in str(found["all"])


def test_masks_are_pictures_with_the_numbers_of_the_classes(tmp_path):
    mask = np.array([[0, 1], [2, 1]], np.uint8)
    one = Prediction("rooms/x.jpg", "b", {"a": 0.25, "b": 0.5, "c": 0.25}, mask)
    save_masks([one], tmp_path / "masks")
    with Image.open(tmp_path / "masks" / "x.jpg.png") as picture:
        assert np.array_equal(np.asarray(picture), mask)
    with pytest.raises(ConfigError, match="predicts whole samples"):
        save_masks([replace(one, mask=None)], tmp_path)
    with pytest.raises(ConfigError, match="two files have the same name"):
        save_masks([one, one], tmp_path)
