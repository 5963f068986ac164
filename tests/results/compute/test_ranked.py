"""Rows whose test samples have sets of labels: their scores, and what other people would give."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, recall_score

from fdsweep.results.compute import ranked as module
from fdsweep.results.compute.predictions import item_level
from fdsweep.results.compute.tallies import people_differences
from fdsweep.results.records.schema import LABEL_SETS, MULTILABEL

PEOPLE, EACH, CLASSES = 12, 4, 3


def predict(key: str, seed: int, skill: float) -> pd.DataFrame:
    """Scores of test samples that tell their labels the better the higher the `skill`."""
    rng = np.random.default_rng([seed, int(100 * skill)])
    n = PEOPLE * EACH
    truths = np.random.default_rng(seed).random((n, CLASSES)) < 0.4
    scores = rng.random((n, CLASSES)) * (1 - skill) + skill * truths
    return pd.DataFrame(
        {
            "key": key,
            "seed": seed,
            "sample_id": [f"s{i}" for i in range(n)],
            "group": np.repeat([f"p{i:02d}" for i in range(PEOPLE)], EACH),
            "labels": [np.flatnonzero(row) for row in truths],
            "scores": list(scores.astype(np.float32)),
        }
    )[LABEL_SETS.names]


@pytest.fixture
def predictions() -> pd.DataFrame:
    return pd.concat([predict(*one, skill) for one, skill in [
        (("base", 0), 0.1), (("base", 1), 0.1), (("row", 0), 0.4), (("row", 1), 0.4),
    ]], ignore_index=True)  # fmt: skip


def arrays(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    truths = np.zeros((len(rows), CLASSES), bool)
    for i, labels in enumerate(rows["labels"]):
        truths[i, labels] = True
    return truths, np.stack(rows["scores"].to_list())


def test_scores_of_classes_are_scikit_learns(predictions: pd.DataFrame) -> None:
    tallies = item_level(MULTILABEL, predictions).tallies
    assert item_level(MULTILABEL, predictions).chance is None
    row = tallies["row"]
    assert (row.seeds, len(row.people), row.count_people([0, 1])) == ((0, 1), PEOPLE, PEOPLE)
    known = {}
    for seed in (0, 1):
        own = predictions[(predictions["key"] == "row") & (predictions["seed"] == seed)]
        truths, scores = arrays(own)
        guess = scores > 0.5
        f1, recall = (f(truths, guess, average="macro") for f in (f1_score, recall_score))
        assert (*row.macro_f1([seed]), *row.macro_recall([seed])) == pytest.approx((f1, recall))
        known[seed] = 100 * average_precision_score(truths, scores, average=None)
    assert row.class_scores([0]) == pytest.approx(known[0])
    assert row.class_scores([0, 1]) == pytest.approx((known[0] + known[1]) / 2)
    assert row.class_scores([]).size == 0


def test_the_difference_over_people_is_that_of_weighted_samples(
    predictions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each draw by scikit-learn, with how often its people were drawn as weights."""
    tallies = item_level(MULTILABEL, predictions.sample(frac=1, random_state=0)).tallies
    monkeypatch.setattr(module, "WORK", 1)
    monkeypatch.setattr(module, "MIN_DRAWS", 5)
    monkeypatch.setattr(module, "MAX_WORK", 10**5)
    drawn: list[np.ndarray] = []
    draw_people = module.draw_people

    def record(*args: object) -> np.ndarray:
        drawn.append(draw_people(*args))
        return drawn[-1]

    monkeypatch.setattr(module, "draw_people", record)
    (found,) = people_differences(tallies, [("row", "base", [0, 1])])
    assert np.array_equal(*drawn)  # the same for both sides
    times = np.concatenate([np.ones((1, PEOPLE)), drawn[0]])
    assert times.shape == (6, PEOPLE)

    def score(key: str, seed: int, own: np.ndarray) -> float:
        rows = predictions[(predictions["key"] == key) & (predictions["seed"] == seed)]
        weights = np.repeat(own, EACH)
        return average_precision_score(*arrays(rows), average="macro", sample_weight=weights)

    deltas = [
        np.mean([score("row", seed, own) - score("base", seed, own) for seed in (0, 1)])
        for own in times
    ]
    assert found is not None
    assert found.delta == pytest.approx(deltas[0])
    assert found.interval == pytest.approx(tuple(np.quantile(deltas[1:], [0.025, 0.975])))


def test_few_people_or_too_much_work_give_no_interval(
    predictions: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [("row", "base", [0, 1]), ("row", "base", []), ("row", "nobody", [0])]
    tallies = item_level(MULTILABEL, predictions).tallies
    found = people_differences(tallies, pairs)
    assert [one is None for one in found] == [False, True, True]
    assert found == people_differences(tallies, pairs)
    few = item_level(MULTILABEL, predictions[predictions["group"] < "p09"]).tallies
    assert people_differences(few, pairs[:1]) == [None]
    monkeypatch.setattr(module, "MAX_WORK", 1)
    assert people_differences(tallies, pairs[:1]) == [None]
