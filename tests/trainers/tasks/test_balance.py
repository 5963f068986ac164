"""Class weights and balanced sampling, for classes of unequal sizes."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import INFO, dense_fold, small_fold, small_trial
from sklearn.utils.class_weight import compute_class_weight

from fdsweep.trainers import rng, tasks
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.protocol.balance import balanced
from fdsweep.trainers.replicate import run_replicate


def skewed_fold():
    """Of the small fold two of three samples of class 2 are of class 0 instead."""
    fold = small_fold()
    labels = fold.labels.clone()
    labels[(labels == 2) & (torch.arange(120) % 9 != 2)] = 0
    return replace(fold, labels=labels)


def test_weights_are_scikit_learns_and_1_on_average():
    labels = np.random.default_rng(0).choice([0, 1, 3], 50, p=[0.7, 0.2, 0.1])
    found = tasks.class_weights(torch.bincount(torch.from_numpy(labels), minlength=5))
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    assert found[[0, 1, 3]].numpy() == pytest.approx(expected)
    assert found[[2, 4]].tolist() == [0, 0]
    assert found[labels].mean().item() == pytest.approx(1)


def test_the_weighted_loss_of_samples_and_of_pixels_by_hand():
    fold = skewed_fold()
    weights = tasks.class_weights(torch.bincount(fold.labels[fold.train]))
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 2, 0, 0])
    found = tasks.find("classification").balanced_loss(fold)(Outputs(logits, logits), labels)
    errors = -logits.log_softmax(1)[range(6), labels]
    assert found.item() == pytest.approx((weights[labels] * errors).mean().item())

    dense = dense_fold()
    (maps,) = dense.label_maps.batches([dense.train])
    weights = tasks.class_weights(torch.bincount(maps[maps != IGNORE], minlength=4))
    logits = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(0))
    known = maps[:2] != IGNORE
    errors = -logits.log_softmax(1).movedim(1, -1)[known]
    labels = maps[:2][known]
    expected = (weights[labels] * errors[range(len(labels)), labels]).sum() / known.sum()
    found = tasks.find("segmentation").balanced_loss(dense)(Outputs(logits, logits), maps[:2])
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_every_class_is_drawn_as_often_and_its_samples_take_turns():
    fold = skewed_fold()
    drawn = balanced(fold.train, fold.labels, rng.generator(0, "turns"))
    assert len(drawn) == len(fold.train)
    assert {*drawn.tolist()} <= {*fold.train.tolist()}
    shares = Counter(fold.labels[drawn].tolist())
    assert max(shares.values()) - min(shares.values()) <= 1
    for label in range(3):
        members = fold.train[fold.labels[fold.train] == label].tolist()
        counts = Counter(drawn[fold.labels[drawn] == label].tolist())
        times = [counts[one] for one in members]
        assert max(times) - min(times) <= 1
    again = balanced(fold.train, fold.labels, rng.generator(0, "turns"))
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, balanced(fold.train, fold.labels, rng.generator(1, "turns")))


def test_what_is_already_balanced_is_shown_once_and_in_another_order():
    train = torch.arange(30)
    drawn = balanced(train, train % 3, rng.generator(0, "turns"))
    assert drawn.sort().values.tolist() == train.tolist()


@pytest.mark.parametrize(
    "change", [{"class_weights": "balanced"}, {"sampling": "balanced"}], ids=str
)
def test_each_way_trains_otherwise_and_leaves_evaluation_alone(change, tmp_path):
    """Of a student whose untrained teacher is the same."""
    trial = small_trial(str(tmp_path), method="feat", epochs=1)
    config = replace(trial.config, network=replace(trial.config.network, **change))
    fold = skewed_fold()
    losses, tested = [], []
    for one in (trial, replace(trial, config=config)):
        outcome = run_replicate(one, INFO, fold, 0)
        losses.append([v for _, _, name, v in outcome["curves"] if name == "loss_feat"])
        tested.append(outcome["kept"]["sample_id"])
    assert losses[0] != losses[1]
    assert tested[0] == tested[1] == [fold.sample_ids[i] for i in fold.test]
