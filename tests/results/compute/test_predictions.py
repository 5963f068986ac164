import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from fdsweep.results.compute.predictions import (
    confusion,
    count_classes,
    item_level,
    overlaps,
    tally,
)
from fdsweep.results.records.schema import REGIONS


def test_the_confusion_matrix_by_hand() -> None:
    rows = pd.DataFrame({"label": [0, 0, 1, 2, 2, 2], "prediction": [0, 1, 1, 2, 2, 0]})
    assert confusion(rows).tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert count_classes(rows) == 3
    assert confusion(rows.iloc[:0]).shape == (0, 0)


def test_overlaps_are_added_up_by_image_and_class() -> None:
    rows = pd.DataFrame(
        [
            ("k", 3, "i1", "i1", 0, 2, 5, 4, "png"),
            ("k", 3, "i1", "i1", 2, 1, 1, 1, None),
            ("k", 3, "i2", "i2", 0, 3, 3, 3, None),
            ("k", 7, "i2", "i2", 1, 0, 2, 0, None),
        ],
        columns=REGIONS.names,
    )
    counted = overlaps(rows)["k"]
    assert (counted.seeds, counted.people) == ((3, 7), ("i1", "i2"))
    assert counted.samples.tolist() == [[[5, 0, 1], [3, 0, 0]], [[0, 0, 0], [0, 2, 0]]]
    assert counted.hits.tolist() == [[[2, 0, 1], [3, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    assert counted.class_samples.tolist() == [[8, 0, 1], [0, 2, 0]]
    assert counted.class_hits.tolist() == [[5, 0, 1], [0, 0, 0]]
    assert counted.class_labelled.tolist() == [[7, 0, 1], [0, 0, 0]]
    assert counted.class_taken.tolist() == [[6, 0, 1], [0, 2, 0]]
    assert counted.macro_f1([3]) == pytest.approx([np.mean([2 * 5 / (7 + 6), 1.0])])
    assert counted.tested([3, 9]).tolist() == [True, False]
    assert [counted.count_people(seeds) for seeds in ([3], [7], [])] == [2, 1, 0]


@pytest.mark.parametrize("absent", ["nothing", "a label", "a guess", "a class"])
def test_scores_in_which_classes_weigh_the_same_are_scikit_learns(absent: str) -> None:
    rng = np.random.default_rng(5)
    labels, guesses = rng.choice(4, 60, p=[0.7, 0.2, 0.07, 0.03]), rng.integers(4, size=60)
    if absent in ("a label", "a class"):
        labels[labels == 2] = 0
    if absent in ("a guess", "a class"):
        guesses[guesses == 2] = 1
    rows = {"key": "k", "seed": 3, "group": "g", "label": labels, "prediction": guesses}
    counted = tally(pd.DataFrame(rows))["k"]
    with warnings.catch_warnings(action="ignore"):  # of a guess at a class that does not occur
        balanced = metrics.balanced_accuracy_score(labels, guesses)
    f1 = metrics.f1_score(labels, guesses, average="macro", zero_division=0)
    assert (*counted.macro_recall([3]), *counted.macro_f1([3])) == pytest.approx((balanced, f1))
    assert counted.macro_recall([4]).shape == counted.macro_f1([4]).shape == (0,)


@pytest.mark.parametrize(
    ("task", "chance"), [("classification", 50.0), ("segmentation", None), ("counting", None)]
)
def test_the_chance_level_is_that_of_equal_classes_if_there_is_one(
    task: str, chance: float | None
) -> None:
    columns = {name: np.zeros(3, dtype=np.int64) for name in ("intersection", "union", "labelled")}
    rows = pd.DataFrame(
        {"key": "k", "seed": 0, "group": "g", "label": [0, 1, 1], "prediction": 0, **columns}
    )
    known = item_level(task, rows)
    assert known.chance == chance
    assert set(known.tallies) == (set() if task == "counting" else {"k"})
    assert not item_level(task, rows.iloc[:0]).tallies
    assert tally(rows.iloc[:0]) == overlaps(rows.iloc[:0]) == {}
