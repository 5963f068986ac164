"""A task of another package, in one file, trains through the real loop."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import INFO, small_trial

from fdsweep.trainers import tasks, teachers
from fdsweep.trainers.replicate import run_replicate

CODE = '''
"""The class is an amount: C - 1 logits say whether it is above each threshold."""

import torch
import torch.nn.functional as F

from fdsweep.trainers.tasks import Task, registry


@registry.register("ordinal", version=3)
class Ordinal(Task):
    metric = "close"

    def num_outputs(self, info):
        return len(info.classes) - 1

    def loss(self, student, labels):
        return F.binary_cross_entropy_with_logits(student.logits, above(labels, student.logits))

    def predict(self, logits, labels):
        amount = (logits > 0).sum(dim=1)
        return torch.stack((amount, (amount - labels).abs()), dim=1)

    def measure(self, predictions, labels):
        error = float((predictions[:, 0] - labels).abs().float().mean())
        return {"error": error, "close": 1 - error / 2}

    def keep(self, predictions, fold):
        amount, off = predictions.T.tolist()
        return {"sample_id": [fold.sample_ids[i] for i in fold.test], "amount": amount, "off": off}


def above(labels, logits):
    return (labels[:, None] > torch.arange(logits.shape[1])).to(logits.dtype)
'''


@pytest.fixture
def ordinal(install, monkeypatch):
    for name in tasks.registry.names():  # ours are registered once, when they are imported
        tasks.find(name)
    monkeypatch.setattr(tasks.registry, "_entries", dict(tasks.registry._entries))
    install("ordinal-task", "ordinal_task", "ordinal", CODE, "fdsweep.tasks")
    return "ordinal"


def of_task(trial, task):
    """`trial` with networks, the teachers' too, that learn `task`."""
    config = trial.config
    return replace(
        trial,
        config=replace(
            config,
            network=replace(config.network, task=task),
            teachers=tuple(replace(teacher, task=task) for teacher in config.teachers),
        ),
    )


@pytest.mark.parametrize("method", ["none", "feat", "fd-cmkd"])
def test_it_trains_is_scored_and_is_kept(ordinal, fold, tmp_path, method):
    options = {"band_heads": False, "align": False} if method == "fd-cmkd" else {}
    trial = of_task(small_trial(str(tmp_path), method=method, options=options, epochs=6), ordinal)
    outcome = json.loads(json.dumps(run_replicate(trial, INFO, fold, 0)))
    assert outcome["metric"] == "close"
    val = {(e, m): v for e, split, m, v in outcome["curves"] if split == "val"}
    scores = [val[epoch, "close"] for epoch in range(6)]
    assert {name for _, name in val} == {"error", "close"}
    assert (outcome["val_score"], outcome["best_epoch"]) == (max(scores), np.argmax(scores))
    losses = [v for _, _, m, v in outcome["curves"] if m == "loss_task"]
    assert losses[-1] < 0.9 * losses[0]

    kept = outcome["kept"]
    assert list(kept) == ["sample_id", "amount", "off"]
    labels = fold.labels[fold.test].numpy()
    off = np.abs(np.array(kept["amount"]) - labels)
    assert kept["off"] == off.tolist()
    assert outcome["test_score"] == pytest.approx(1 - off.mean() / 2)
    assert tasks.version(ordinal) == 3


def test_its_networks_have_its_outputs_and_a_teacher_is_kept_with_its_score(
    ordinal, fold, tmp_path
):
    trial = of_task(small_trial(str(tmp_path), kind="teacher", method="none"), ordinal)
    outcome = run_replicate(trial, INFO, fold, 0)
    record = json.loads((tmp_path / "teachers" / trial.key / "0.json").read_text())
    facts = ("epochs", "best_epoch", "metric", "val_score", "test_score")
    assert record == {name: outcome[name] for name in facts}
    assert record["metric"] == "close"
    network = teachers.build(trial.config.network, INFO, 0, "teacher-init", str(tmp_path))
    assert network.classifier.out_features == 2


def test_its_own_loss_is_what_is_lowered(ordinal, fold, tmp_path, monkeypatch):
    """Without the task's loss nothing trains the networks at all."""
    entry = tasks.registry.get(ordinal)
    monkeypatch.setattr(
        entry.factory, "loss", lambda self, student, labels: student.logits.sum() * 0
    )
    trial = of_task(small_trial(str(tmp_path), method="none"), ordinal)
    outcome = run_replicate(trial, INFO, fold, 0)
    losses = {v for _, _, m, v in outcome["curves"] if m.startswith("loss_")}
    assert losses == {0.0}


def test_keys_tell_tasks_and_their_versions_apart(tmp_path):
    network = small_trial(str(tmp_path)).config.network
    others = [replace(network, task="ordinal"), replace(network, task_version=2)]
    assert len({one.teacher_key for one in (network, *others)}) == 3


def test_torch_draws_nothing_for_it(ordinal, fold, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run_replicate(of_task(small_trial(str(tmp_path), method="none"), ordinal), INFO, fold, 0)
    assert torch.equal(torch.rand(3), expected)
