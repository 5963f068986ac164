from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import INFO, small_fold, small_roles, small_trial
from sklearn.metrics import average_precision_score, f1_score
from sklearn.utils.class_weight import compute_class_weight

from fdsweep.trainers import tasks
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.replicate import run_replicate

TASK = tasks.find("multilabel")


def fold_of_sets():
    """Each sample of the small fold has its own class and, every other one, the next one too."""
    fold = small_fold()
    sets = torch.nn.functional.one_hot(fold.labels, 3).float()
    sets[::2] += sets.roll(1, dims=1)[::2]
    sets[::15] = 0
    _, numbers = sets.unique(dim=0, return_inverse=True)
    return replace(fold, label_sets=sets, labels=numbers)


def of_sets(trial, **changes):
    def told(network):
        return replace(network, task="multilabel", **changes)

    config = trial.config
    teachers = tuple(map(told, config.teachers))
    return replace(trial, config=replace(config, network=told(config.network), teachers=teachers))


def test_the_loss_is_the_mean_binary_cross_entropy():
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(5, 3)), rng.integers(0, 2, (5, 3)).astype(float)
    p = 1 / (1 + np.exp(-z))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
    outputs = Outputs(torch.zeros(5, 2), torch.from_numpy(z))
    assert TASK.loss(outputs, torch.from_numpy(y)).item() == pytest.approx(expected)


@pytest.mark.parametrize("absent", [False, True])
def test_scores_are_scikit_learns(absent):
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(30, 4)).astype(np.float32), rng.random((30, 4)) < 0.3
    y[:, 3] &= not absent
    z[:, 3] -= 9 * absent  # and that class is never predicted
    known = torch.from_numpy(y).float()
    found = TASK.measure(TASK.predict(torch.from_numpy(z), known), torch.zeros(30))
    there = slice(3 if absent else 4)
    p = 1 / (1 + np.exp(-z.astype(float)))
    guess = {"y_true": y[:, there], "y_pred": p[:, there] > 0.5}
    assert found == {
        "map": pytest.approx(average_precision_score(y[:, there], p[:, there], average="macro")),
        "macro_f1": pytest.approx(f1_score(**guess, average="macro")),
        "micro_f1": pytest.approx(f1_score(**guess, average="micro")),
    }
    assert TASK.metric == "map"


def test_balanced_both_sides_of_a_class_weigh_the_same():
    fold = fold_of_sets()
    z = torch.randn(120, 3, generator=torch.Generator().manual_seed(0))
    known = fold.label_sets[fold.train].numpy()
    sides = [
        compute_class_weight("balanced", classes=np.array([0, 1]), y=column) for column in known.T
    ]
    y = fold.label_sets.numpy()
    weights = np.stack([side[column.astype(int)] for side, column in zip(sides, y.T, strict=True)])
    errors = torch.nn.functional.binary_cross_entropy_with_logits(
        z, fold.label_sets, reduction="none"
    )
    expected = (weights.T * errors.numpy()).mean()
    loss = TASK.balanced_loss(fold)
    assert loss(Outputs(z, z), fold.label_sets).item() == pytest.approx(expected, rel=1e-6)
    assert weights.T[fold.train].mean() == pytest.approx(1)


def test_it_trains_is_scored_and_is_kept(tmp_path):
    fold = fold_of_sets()
    trial = of_sets(small_trial(str(tmp_path), method="fd-cmkd", epochs=2))
    outcome = run_replicate(trial, INFO, fold, 0)
    losses = [v for _, _, name, v in outcome["curves"] if name == "loss_total"]
    assert losses[-1] < losses[0]
    kept = outcome["kept"]
    assert list(kept) == ["sample_id", "group", "labels", "scores"]
    truths = fold.label_sets[fold.test].numpy()
    assert kept["labels"] == [np.flatnonzero(row).tolist() for row in truths]
    expected = average_precision_score(truths, np.array(kept["scores"]), average="macro")
    assert (outcome["metric"], outcome["test_score"]) == ("map", pytest.approx(expected))
    val = [v for _, split, name, v in outcome["curves"] if (split, name) == ("val", "map")]
    assert outcome["best_epoch"] == val.index(max(val))
    weighted = of_sets(trial, class_weights="balanced")
    assert [small_roles(one, fold).balanced is None for one in (trial, weighted)] == [True, False]
