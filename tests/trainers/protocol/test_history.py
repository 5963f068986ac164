import pytest
import torch

from fdsweep.trainers.protocol.history import Evaluation, History


def evaluation(**accuracies):
    guesses = {name: torch.tensor([int(100 * x)]) for name, x in accuracies.items()}
    metrics = {name: {"accuracy": x, "other": 1 - x} for name, x in accuracies.items()}
    return Evaluation(guesses, metrics)


def test_the_epoch_and_head_are_those_of_the_best_validation():
    history = History("accuracy")
    epochs = [
        (evaluation(logits=0.5, low=0.6), evaluation(logits=0.9, low=0.1)),
        (evaluation(logits=0.7, low=0.2), evaluation(logits=0.3, low=0.8)),
        (evaluation(logits=0.1, low=0.7), evaluation(logits=0.2, low=0.4)),
    ]
    better = [history.add({"lr": 0.1, "loss_total": 1.0}, val, test) for val, test in epochs]
    assert better == [True, True, False]  # a tie stays with the earlier epoch
    assert (history.best_epoch, history.best_head) == (1, "logits")
    assert (history.val_score, history.test_score) == (0.7, 0.3)
    assert history.test_score_last == 0.4
    assert history.test_score_best == 0.9
    assert (1, "test", "accuracy_low", 0.8) in history.curves


def test_every_metric_has_a_curve_and_every_head_where_there_are_several():
    one, several = History("accuracy"), History("accuracy")
    one.add({"lr": 0.1}, evaluation(logits=0.75), evaluation(logits=0.25))
    assert one.curves == [
        (0, "train", "lr", 0.1),
        (0, "val", "accuracy", 0.75),
        (0, "val", "other", 0.25),
        (0, "test", "accuracy", 0.25),
        (0, "test", "other", 0.75),
    ]
    several.add({}, evaluation(logits=0.25, low=0.75), None)
    assert several.curves == [
        (0, "val", "accuracy", 0.75),
        (0, "val", "accuracy_logits", 0.25),
        (0, "val", "accuracy_low", 0.75),
        (0, "val", "other", 0.25),
        (0, "val", "other_logits", 0.75),
        (0, "val", "other_low", 0.25),
    ]


def test_without_validation_test_chooses_epoch_and_head():
    history = History("accuracy")
    for logits, low in [(0.5, 0.6), (0.4, 0.9), (0.8, 0.1)]:
        history.add({}, None, evaluation(logits=logits, low=low))
    assert (history.best_epoch, history.best_head) == (1, "low")
    assert history.test_score == history.test_score_best == history.best_score == 0.9
    assert (history.val_score, history.test_score_last) == (None, 0.8)
    assert {split for _, split, _, _ in history.curves} == {"test"}


@pytest.mark.parametrize("metric", ["accuracy", "other"])
def test_the_metric_decides(metric):
    history = History(metric)
    for logits in (0.25, 0.75):
        history.add({}, evaluation(logits=logits), None)
    assert history.best_epoch == (1 if metric == "accuracy" else 0)
