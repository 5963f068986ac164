"""Which students stay, and that a kept one predicts what was stored of it."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from conftest import INFO, small_roles, small_trial

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.loop import Chosen
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.students.keeping import describe, keep
from fdsweep.trainers.students.model import load_kept
from fdsweep.trainers.students.record import all_records, records

SCORES = {0: 0.5, 1: 0.7, 2: 0.7, 3: 0.6}


def put(storage, seed, keep_what="best"):
    """Keep a student of one number with the score of its seed."""
    trial = replace(small_trial(storage), keep=keep_what)
    history = History("accuracy", best_epoch=0, best_head="logits", best_score=SCORES[seed])
    chosen = Chosen({"x": torch.tensor([float(seed)])}, {})
    keep(storage, describe(trial, seed, INFO, history, {}), chosen)
    return trial.key


def kept_seeds(storage, key):
    return [record.seed for record in records(Storage(storage), key)]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)])
def test_the_best_seed_stays_whatever_the_order(tmp_path, order):
    for seed in order:
        key = put(str(tmp_path), seed)
    assert kept_seeds(str(tmp_path), key) == [1]
    assert len(list((tmp_path / layout.students(key)).iterdir())) == 2


def test_all_stay_if_they_are_asked_for_and_later_the_best_beside_them(tmp_path):
    storage = str(tmp_path)
    for seed in (0, 3):
        key = put(storage, seed, "all")
    put(storage, 2)
    put(storage, 1)
    assert kept_seeds(storage, key) == [0, 1, 3]
    assert [record.key for record in all_records(Storage(storage))] == [key] * 3


@pytest.mark.parametrize("harm", ["gone", "cut off", "no record", "garbage for a record"])
def test_a_damaged_student_is_none_and_does_not_bar_the_next(tmp_path, harm, capsys):
    storage = str(tmp_path)
    key = put(storage, 1)
    weights = tmp_path / layout.student_weights(key, 1)
    record = tmp_path / layout.student_record(key, 1)
    match harm:
        case "gone":
            weights.unlink()
        case "cut off":
            weights.write_bytes(weights.read_bytes()[:-1])
        case "no record":
            record.unlink()
        case _:
            record.write_bytes(b"\xff")
    put(storage, 0)
    assert kept_seeds(storage, key) == [0]
    assert ("damaged" in capsys.readouterr().err) == (harm != "no record")


def test_where_it_cannot_be_written_that_is_told_and_no_more(tmp_path, capsys):
    (tmp_path / layout.STUDENTS).write_text("in the way")
    put(str(tmp_path), 0)
    assert "is not kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "options", "head"),
    [
        ("none", {}, "logits"),
        ("kd+fd-cmkd", {"fd-cmkd.basis": "random"}, "fd-cmkd.high"),
    ],
)
def test_a_kept_student_predicts_what_was_stored(
    tmp_path, fold, monkeypatch, method, options, head
):
    """Also where the best epoch is not the last one, and training went on in between."""
    storage = str(tmp_path)
    trial = replace(
        small_trial(storage, method=method, options=options, epochs=2, batch_size=70), keep="best"
    )
    monkeypatch.setattr(History, "add", preferring(head, History.add))
    taken = []
    outcome = run_replicate(
        trial, INFO, fold, 0, on_epoch=lambda _, snapshot: taken.append(deepcopy(snapshot()))
    )
    assert outcome["best_epoch"] == 0
    assert outcome["best_head"] == head
    (record,) = records(Storage(storage), trial.key)
    assert record.val_score == outcome["val_score"]
    student = load_kept(storage, record)
    before = torch.random.get_rng_state()
    logits = student.logits(fold.inputs["right"].values[fold.test])
    assert logits.argmax(dim=1).tolist() == outcome["kept"]["prediction"]
    assert torch.equal(before, torch.random.get_rng_state())
    weights = tmp_path / layout.student_weights(trial.key, 0)
    content = weights.read_bytes()
    run_replicate(trial, INFO, fold, 0, resume=taken[0])
    assert weights.read_bytes() == content


def preferring(head, add):
    """`History.add` that sees `head` alone, and validation get worse with every epoch."""

    def only(self, measures, val, test):
        worse = replace(val, metrics={head: {"accuracy": 1 / (2 + self.epochs)}})
        return add(self, measures, worse, replace(test, metrics={head: test.metrics[head]}))

    return only


def test_logits_are_equal_to_the_bit(tmp_path, fold):
    """What a task stores hides rounding: here are the numbers themselves."""
    trial = replace(small_trial(str(tmp_path), options={"cutoff": "learn"}), keep="all")
    roles = small_roles(trial, fold)
    network, views = roles.student.network, fold.inputs["right"].values[fold.test]
    roles.distiller.epoch, roles.distiller.epochs = 2, 3
    history = History("accuracy", best_epoch=2, best_head="high", best_score=0.5)
    chosen = Chosen(network.state_dict(), roles.distiller.state_dict())
    keep(trial.storage, describe(trial, 0, INFO, history, roles.sizes), chosen)
    (record,) = records(Storage(trial.storage), trial.key)
    with torch.inference_mode():
        own = roles.distiller.heads(roles.student.network.eval()(views))["high"]
    assert torch.equal(load_kept(trial.storage, record).logits(views), own)
