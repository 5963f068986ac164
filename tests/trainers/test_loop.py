import copy
import json
import math
from dataclasses import replace

import pytest
import torch
from conftest import INFO, small_fold, small_roles, small_trial

from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.trainers import distillers
from fdsweep.trainers.loop import epoch_batches, train_epoch
from fdsweep.trainers.replicate import run_replicate


def results(outcome):
    return {name: value for name, value in outcome.items() if name != "seconds"}


@pytest.mark.parametrize("method", ["none", "fd-cmkd", "c2kd", "unpaired", "kd+fd-cmkd"])
def test_the_same_seed_gives_identical_metrics(fold, tmp_path, method):
    trial = small_trial(str(tmp_path), method=method)
    first, second, other = (results(run_replicate(trial, INFO, fold, seed)) for seed in (0, 0, 1))
    assert first == second
    assert first["curves"] != other["curves"]


@pytest.mark.parametrize("method", [name for name in distillers.names() if name != "none"])
def test_the_teacher_moves_where_the_method_says_and_nowhere_else(fold, tmp_path, method):
    trial = small_trial(str(tmp_path), method=method)
    roles = small_roles(trial, fold)
    (teacher,) = roles.teachers
    before = next(teacher.teach(fold.train[None, :8], 0))
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.05)
    train_epoch(trial.config, 0, 0, fold, roles, optimizer)
    after = next(teacher.teach(fold.train[None, :8], 0))
    moved = not torch.equal(before.features, after.features)
    assert moved == roles.distiller.moves_teacher == (teacher.moving is not None)


@pytest.mark.parametrize("pairing", ["same-class", "unpaired"])
@pytest.mark.parametrize("method", ["feat", "c2kd", "afd", "unpaired"])
def test_every_method_trains_beside_other_samples(fold, tmp_path, method, pairing):
    """The pairing has its own stream: the student's batches stay, its numbers change."""
    paired, other = (
        run_replicate(small_trial(str(tmp_path), method=method, pairing=p), INFO, fold, 0)
        for p in ("paired", pairing)
    )
    assert paired["curves"] != other["curves"]


def test_rows_see_identical_batches(fold, tmp_path, monkeypatch):
    """Another method, drawing more random numbers, must not shift the student or its batches."""
    seen = {}

    def record(name):
        def spy(*args):
            batches = epoch_batches(*args)
            seen.setdefault(name, []).append(batches)
            return batches

        return spy

    starts = {}
    for name, method, options in [
        ("feat", "feat", {}),
        ("fd", "fd-cmkd", {}),
        ("random basis", "fd-cmkd", {"basis": "random"}),
    ]:
        monkeypatch.setattr("fdsweep.trainers.loop.epoch_batches", record(name))
        trial = small_trial(str(tmp_path), method=method, options=options)
        roles = small_roles(trial, fold)
        starts[name] = copy.deepcopy(roles.student.network.state_dict())
        run_replicate(trial, INFO, fold, 0)
    for name in ("fd", "random basis"):
        assert all(torch.equal(a, b) for a, b in zip(seen["feat"], seen[name], strict=True))
        assert all(torch.equal(starts["feat"][k], starts[name][k]) for k in starts["feat"])


def test_batches_depend_on_seed_and_epoch_and_leave_out_the_rest():
    train = torch.arange(100, 170)
    batches = epoch_batches(train, 16, 0, 0, 1)
    assert batches.shape == (4, 16)
    assert len(set(batches.flatten().tolist())) == 64
    assert set(batches.flatten().tolist()) <= set(train.tolist())
    assert not torch.equal(batches, epoch_batches(train, 16, 0, 1, 1))
    assert not torch.equal(batches, epoch_batches(train, 16, 1, 0, 1))
    assert epoch_batches(train[:5], 16, 0, 0, 1).shape == (1, 5)
    assert epoch_batches(train[:5], 16, 0, 0, 2).shape == (1, 4)


@pytest.mark.parametrize("method", ["fd-cmkd", "c2kd", "unpaired", "kd+fd-cmkd"])
def test_stopping_after_any_epoch_changes_nothing(fold, tmp_path, method):
    trial = small_trial(str(tmp_path), method=method, epochs=4)
    taken = {}

    def keep(history, snapshot):
        taken[history.epochs] = copy.deepcopy(snapshot())

    whole = results(run_replicate(trial, INFO, fold, 0, on_epoch=keep))
    for stop in (1, 3):
        again = results(run_replicate(trial, INFO, fold, 0, resume=taken[stop]))
        assert again == whole


def test_test_labels_never_choose(fold, tmp_path):
    """With poisoned test labels the same epoch, head and validation accuracy are chosen."""
    labels = fold.labels.clone()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    trial = small_trial(str(tmp_path))
    clean = run_replicate(trial, INFO, fold, 0)
    poisoned = run_replicate(trial, INFO, replace(fold, labels=labels), 0)
    for chosen in ("best_epoch", "best_head", "val_score"):
        assert clean[chosen] == poisoned[chosen]
    assert clean["kept"]["prediction"] == poisoned["kept"]["prediction"]
    assert clean["test_score"] != poisoned["test_score"]


def test_accuracy_agrees_with_counting(fold, tmp_path):
    outcome = run_replicate(small_trial(str(tmp_path)), INFO, fold, 0)
    kept = outcome["kept"]
    hits = [p == y for p, y in zip(kept["prediction"], kept["label"], strict=True)]
    assert outcome["metric"] == "accuracy"
    assert outcome["test_score"] == pytest.approx(sum(hits) / len(hits))
    assert list(kept) == ["sample_id", "group", "label", "prediction"]
    assert kept["label"] == fold.labels[fold.test].tolist()
    assert kept["sample_id"][0] == f"s{int(fold.test[0])}"
    assert kept["group"][0] == str(int(fold.test[0]) % 10)
    assert json.loads(json.dumps(outcome))["kept"] == kept


def test_a_loss_that_explodes_is_a_replicate_error(fold, tmp_path):
    trial = small_trial(str(tmp_path), method="feat", options={"weight": 1e30})
    with pytest.raises(ReplicateError, match="no longer finite in epoch"):
        run_replicate(trial, INFO, fold, 0)


def test_the_learning_rate_of_the_config_arrives(fold, tmp_path):
    """Published code ignored it; here it decides the weights and stands in the curves."""
    slow, fast = (
        run_replicate(small_trial(str(tmp_path), lr=lr), INFO, fold, 0) for lr in (0.001, 0.1)
    )
    assert next(v for _, _, m, v in slow["curves"] if m == "lr") == 0.001
    assert slow["curves"][-1] != fast["curves"][-1]


def test_training_lowers_the_loss_and_learns(tmp_path):
    trial = small_trial(str(tmp_path), epochs=6, lr=0.02)
    outcome = run_replicate(trial, INFO, small_fold(1), 0)
    losses = [v for _, _, m, v in outcome["curves"] if m == "loss_task"]
    assert losses[-1] < 0.7 * losses[0]
    assert outcome["test_score"] > 0.5


def test_a_step_is_one_sgd_step_on_the_total(fold, tmp_path):
    """One epoch of one batch against torch's own optimiser by hand."""
    trial = small_trial(str(tmp_path), method="none")
    part = replace(fold, train=fold.train[:16])
    roles = small_roles(trial, part)
    expected = copy.deepcopy(roles.student.network).train()
    optimizer = torch.optim.SGD(roles.student.network.parameters(), lr=0.1)
    inputs = part.inputs["right"].values
    losses = train_epoch(trial.config, 0, 0, part, roles, optimizer)

    order = epoch_batches(part.train, 16, 0, 0, 1)[0]
    loss = torch.nn.functional.cross_entropy(expected(inputs[order]).logits, part.labels[order])
    loss.backward()
    assert math.isclose(losses["task"], loss.item(), rel_tol=1e-6)
    for mine, theirs in zip(roles.student.network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.1 * theirs.grad)
