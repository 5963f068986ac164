import numpy as np
import pytest
import torch
from conftest import INFO, small_fold

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import tasks
from fdsweep.trainers.features.outputs import Outputs

TASK = tasks.find("classification")


def test_the_loss_is_the_mean_cross_entropy():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    labels = np.array([0, 2, 1, 1, 0])
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(shares[np.arange(5), labels]).mean()
    outputs = Outputs(torch.zeros(5, 2), torch.from_numpy(logits))
    assert TASK.loss(outputs, torch.from_numpy(labels)).item() == pytest.approx(expected)


def test_the_largest_logit_is_predicted_and_accuracy_counts_the_right_ones():
    logits = torch.tensor([[1.0, 2.0, 0.0], [5.0, 2.0, 0.0], [0.0, 2.0, 3.0], [1.0, 0.0, 0.0]])
    labels = torch.tensor([1, 1, 2, 0])
    guess = TASK.predict(logits, labels)
    assert guess.tolist() == [1, 0, 2, 0]
    assert TASK.measure(guess, labels) == {"accuracy": 0.75}
    assert TASK.metric == "accuracy"


def test_it_has_an_output_for_each_class_and_keeps_who_was_predicted():
    fold = small_fold()
    guess = torch.arange(len(fold.test)) % 3
    kept = TASK.keep(guess, fold)
    assert TASK.num_outputs(INFO) == 3
    assert kept == {
        "sample_id": [f"s{i}" for i in fold.test.tolist()],
        "group": [str(i % 10) for i in fold.test.tolist()],
        "label": [i % 3 for i in fold.test.tolist()],
        "prediction": guess.tolist(),
    }


def test_an_unknown_task_is_answered_in_a_sentence():
    assert (tasks.registry.names(), tasks.version("classification")) == (
        ("classification", "multilabel", "retrieval", "segmentation"),
        1,
    )
    with pytest.raises(ConfigError, match="unknown task 'regression'"):
        tasks.find("regression")
