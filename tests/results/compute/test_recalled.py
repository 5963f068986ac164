"""Rows of a retrieval: recalls from the ranks that are kept, beside plain numpy."""

import numpy as np
import pandas as pd
import pytest

from fdsweep.results.compute.predictions import item_level
from fdsweep.results.compute.tallies import people_differences
from fdsweep.results.compute.words import of_metric
from fdsweep.results.records.schema import RANKS, RETRIEVAL
from fdsweep.search_spaces.ranking.retrieval import RECALLS

PEOPLE, EACH = 12, 5


def ranks(key: str, seed: int, worst: int) -> pd.DataFrame:
    n = PEOPLE * EACH
    drawn = np.random.default_rng([seed, worst]).integers(1, worst, (2, n))
    return pd.DataFrame(
        {
            "key": key,
            "seed": seed,
            "sample_id": [f"s{i}" for i in range(n)],
            "group": np.repeat([f"p{i:02d}" for i in range(PEOPLE)], EACH),
            "rank": drawn[0],
            "rank_back": drawn[1],
        }
    )[RANKS.names]


@pytest.fixture
def predictions() -> pd.DataFrame:
    asked = [("base", 0, 30), ("base", 1, 30), ("row", 0, 12), ("row", 1, 12)]
    return pd.concat([ranks(*one) for one in asked], ignore_index=True)


def test_recalls_are_those_of_the_ranks(predictions: pd.DataFrame) -> None:
    items = item_level(RETRIEVAL, predictions)
    n = PEOPLE * EACH
    assert items.chance == pytest.approx(100 * np.mean([1 / n, 5 / n, 10 / n]))
    row = predictions[predictions["key"] == "row"]
    expected = [100 * (row[way] <= k).mean() for way in ("rank", "rank_back") for k in (1, 5, 10)]
    assert items.tallies["row"].class_scores([0, 1]) == pytest.approx(expected)
    assert len(RECALLS) == len(expected)
    assert item_level(RETRIEVAL, predictions[:0]).tallies == {}
    assert of_metric("mean_recall").per == "depth and way"


def test_a_difference_over_people_is_that_of_mean_recalls(predictions: pd.DataFrame) -> None:
    tallies = item_level(RETRIEVAL, predictions).tallies
    (found,) = people_differences(tallies, [("row", "base", [0, 1])])
    means = {}
    for key, own in predictions.groupby("key"):
        both = own[["rank", "rank_back"]].to_numpy()
        means[key] = np.mean([both <= k for k in (1, 5, 10)])
    assert found is not None
    assert found.delta == pytest.approx(means["row"] - means["base"])
    assert found.interval[0] < found.delta < found.interval[1]
