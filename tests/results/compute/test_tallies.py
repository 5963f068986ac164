import numpy as np
import pandas as pd
import pytest

from fdsweep.results.compute.predictions import overlaps, tally
from fdsweep.results.compute.statistics import DRAWS
from fdsweep.results.compute.tallies import people_differences
from fdsweep.results.records.schema import PREDICTIONS, REGIONS

PEOPLE = [f"p{index:02d}" for index in range(12)]


def predict(key: str, seed: int, skill: float, people: list[str], each: int = 8) -> pd.DataFrame:
    """Predictions of `each` samples per person, of three classes, right with chance `skill`."""
    generator = np.random.default_rng([seed, len(key), int(1000 * skill)])
    group = np.repeat(people, each)
    label = np.arange(len(group)) % 3
    right = generator.random(len(group)) < skill
    return pd.DataFrame(
        {
            "key": key,
            "seed": seed,
            "sample_id": [f"s{index}" for index in range(len(group))],
            "group": group,
            "label": label,
            "prediction": np.where(right, label, (label + 1) % 3),
        }
    )[PREDICTIONS.names]


@pytest.fixture
def predictions() -> pd.DataFrame:
    parts = [predict("base", s, 0.5, PEOPLE) for s in range(4)]
    parts += [predict("row", s, 0.7, PEOPLE) for s in range(4)]
    return pd.concat(parts, ignore_index=True)


def accuracy(rows: pd.DataFrame) -> float:
    return float((rows["label"] == rows["prediction"]).mean())


@pytest.mark.parametrize("categorical", [False, True])
def test_counts_agree_with_pandas(predictions: pd.DataFrame, categorical: bool) -> None:
    if categorical:
        texts = ["key", "group"]
        predictions[texts] = predictions[texts].astype("category")
    counted = tally(predictions.sample(frac=1, random_state=0))
    assert sorted(counted) == ["base", "row"]
    row = counted["row"]
    assert (row.seeds, row.people) == ((0, 1, 2, 3), tuple(PEOPLE))
    own = predictions[predictions["key"] == "row"]
    right = own["label"] == own["prediction"]
    for place, seed in enumerate(row.seeds):
        for column, person in enumerate(row.people):
            here = (own["seed"] == seed) & (own["group"] == person)
            counts = row.samples[place, column], row.hits[place, column]
            assert counts == (8, (here & right).sum())
        for label in range(3):
            here = (own["seed"] == seed) & (own["label"] == label)
            assert row.class_samples[place, label] == row.class_labelled[place, label] == here.sum()
            assert row.class_hits[place, label] == (here & right).sum()


def test_the_interval_is_that_of_a_loop_over_samples(predictions: pd.DataFrame) -> None:
    (found,) = people_differences(tally(predictions), [("row", "base", range(4))])
    assert found is not None
    by_key = dict(list(predictions.groupby("key")))
    means = [
        accuracy(by_key["row"].query("seed == @s")) - accuracy(by_key["base"].query("seed == @s"))
        for s in range(4)
    ]
    assert found.delta == pytest.approx(np.mean(means))

    generator = np.random.default_rng(1)
    right = {
        key: (own["label"] == own["prediction"]).to_numpy().reshape(4, 12, 8).mean(axis=2)
        for key, own in by_key.items()
    }
    draws = []
    for _ in range(DRAWS):
        people = generator.integers(12, size=12)
        draws.append(np.mean(right["row"][:, people] - right["base"][:, people]))
    assert found.interval == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.01)


def test_the_same_people_give_the_same_numbers_in_any_order(predictions: pd.DataFrame) -> None:
    pairs = [("row", "base", range(4)), ("row", "base", [0, 1])]
    shuffled = predictions.sample(frac=1, random_state=3)
    assert people_differences(tally(predictions), pairs) == people_differences(
        tally(shuffled), pairs
    )
    alone = people_differences(tally(predictions), pairs[1:])
    assert people_differences(tally(predictions), pairs)[1] == alone[0]


def test_a_row_that_is_its_baseline_does_not_differ_for_any_people(
    predictions: pd.DataFrame,
) -> None:
    (same,) = people_differences(tally(predictions), [("row", "row", range(4))])
    assert same is not None
    assert (same.delta, same.interval) == (0.0, (0.0, 0.0))


def test_seeds_that_test_other_people_are_pooled() -> None:
    turns = [PEOPLE[start : start + 3] for start in range(0, 12, 3)]
    sizes = [4, 8, 8, 20]
    rows = pd.concat(
        predict(key, seed, skill, people, each)
        for key, skill in (("base", 0.5), ("row", 0.8))
        for seed, (people, each) in enumerate(zip(turns, sizes, strict=True))
    )
    (found,) = people_differences(tally(rows), [("row", "base", range(4))])
    assert found is not None
    own = dict(list(rows.groupby("key")))
    assert found.delta == pytest.approx(accuracy(own["row"]) - accuracy(own["base"]))
    assert found.interval[0] < found.delta < found.interval[1]


def test_only_seeds_that_both_have_are_compared(predictions: pd.DataFrame) -> None:
    lacking = predictions[(predictions["key"] == "row") | (predictions["seed"] != 3)]
    pairs = [("row", "base", range(4)), ("row", "base", range(3))]
    wide, narrow = people_differences(tally(lacking), pairs)
    assert wide == narrow


def test_few_people_and_no_predictions_give_no_interval() -> None:
    for count, there in ((9, False), (10, True)):
        few = pd.concat([predict(key, 0, 0.6, PEOPLE[:count]) for key in ("base", "row")])
        (found,) = people_differences(tally(few), [("row", "base", [0])])
        assert (found is not None) == there
    assert people_differences({}, [("row", "base", [0])]) == [None]
    assert people_differences(tally(few), [("row", "base", [7])]) == [None]
    assert people_differences(tally(few), [("row", "other", [0])]) == [None]
    assert tally(few.iloc[:0]) == {}


def test_people_are_counted_by_the_seeds_that_tested_them() -> None:
    rows = pd.concat([predict("row", 0, 0.6, PEOPLE[:5]), predict("row", 1, 0.6, PEOPLE[3:9])])
    counted = tally(rows)["row"]
    assert [counted.count_people(seeds) for seeds in ([0], [1], [0, 1], [])] == [5, 6, 9, 0]


def segment(key: str, seed: int, skill: float, images: list[str], classes: int = 4) -> pd.DataFrame:
    """Regions of `images`, of which each lacks some classes, as their masks give them."""
    generator = np.random.default_rng([seed, len(key), int(1000 * skill)])
    rows = []
    for place, image in enumerate(images):
        labels = np.random.default_rng(place).integers(classes, size=60) * (place % 3 > 0)
        guess = np.where(generator.random(60) < skill, labels, generator.integers(classes, size=60))
        for one in range(classes):
            here, there = labels == one, guess == one
            if (here | there).any():
                counts = (here & there).sum(), (here | there).sum(), here.sum()
                rows.append([key, seed, image, image, one, *counts, None])
    return pd.DataFrame(rows, columns=REGIONS.names)


@pytest.fixture
def regions() -> pd.DataFrame:
    parts = [segment("base", s, 0.5, PEOPLE) for s in range(2)]
    parts += [segment("row", s, 0.7, PEOPLE) for s in range(2)]
    return pd.concat(parts, ignore_index=True)


def miou(rows: pd.DataFrame) -> float:
    sums = rows.groupby("label")[["intersection", "union"]].sum()
    return float((sums["intersection"] / sums["union"]).mean())


def test_images_are_drawn_for_the_miou_as_a_loop_draws_them(regions: pd.DataFrame) -> None:
    counted = overlaps(regions.sample(frac=1, random_state=0))
    (found,) = people_differences(counted, [("row", "base", range(2))])
    assert found is not None
    by_key = dict(list(regions.groupby("key")))
    assert found.delta == pytest.approx(miou(by_key["row"]) - miou(by_key["base"]))
    assert found.interval[0] < found.delta < found.interval[1]

    shown = {key: np.zeros((12, 4, 2)) for key in by_key}
    for one in regions.itertuples():
        shown[one.key][PEOPLE.index(one.group), one.label] += one.intersection, one.union
    generator = np.random.default_rng(1)
    draws = []
    for _ in range(500):
        drawn = generator.integers(12, size=12)
        row, base = (shown[key][drawn].sum(axis=0).T for key in ("row", "base"))
        draws.append(np.mean(row[0] / row[1]) - np.mean(base[0] / base[1]))
    assert found.interval == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.03)


def test_the_same_images_give_the_same_numbers_and_few_give_none(regions: pd.DataFrame) -> None:
    pairs = [("row", "base", range(2)), ("row", "row", range(2))]
    found = people_differences(overlaps(regions), pairs)
    assert found == people_differences(overlaps(regions.sample(frac=1, random_state=3)), pairs)
    assert found[1] is not None
    assert (found[1].delta, found[1].interval) == (0.0, (0.0, 0.0))
    few = regions[regions["group"].isin(PEOPLE[:9])]
    assert people_differences(overlaps(few), pairs) == [None, None]
    assert overlaps(few)["row"].count_people(range(2)) == 9


def test_one_part_is_an_accuracy(predictions: pd.DataFrame) -> None:
    """Where all pixels of an image are one class, and so are right or wrong, as samples are."""
    right = predictions["label"] == predictions["prediction"]
    whole = predictions.assign(
        label=0, intersection=right.astype(int), union=1, labelled=1, picture=None
    )
    pairs = [("row", "base", range(4))]
    assert people_differences(overlaps(whole), pairs) == people_differences(
        tally(predictions), pairs
    )
