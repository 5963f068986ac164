import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fdsweep.results.records import searches
from fdsweep.results.records.searches import Dimension, Search, SearchTrial, load, save
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import StorageError

PLACE = "reports/mine/searches.json"


def trial(number: int, value: float | None = None, **changes: Any) -> SearchTrial:
    plain: dict[str, Any] = {
        "number": number,
        "state": "pruned" if value is None else "complete",
        "values": () if value is None else (value,),
        "reached": 0.5 if value is None else value,
        "params": {"cutoff": 0.5},
        "epochs": 3,
        "seconds": 1.5,
        "source": "trained",
    }
    return SearchTrial(**{**plain, **changes})


def search(*trials: SearchTrial, **changes: Any) -> Search:
    plain: dict[str, Any] = {
        "name": "fd-cmkd-1a2b",
        "space": "cutoffs",
        "method": "fd-cmkd",
        "dataset": "watch",
        "directions": ("a->b",),
        "objectives": ("accuracy",),
        "sampler": "TPE",
        "prunes": True,
        "seeds": (1000, 1001),
        "epochs": 9,
        "asked": 10,
        "dimensions": (Dimension(name="cutoff", low=0.05, high=0.95, log=False, choices=()),),
        "importances": {"weight": 0.25, "cutoff": 0.75},
        "trials": trials,
        "chosen": None,
        "front": (),
        "infeasible": 2,
    }
    return Search(**{**plain, **changes})


def test_searches_come_back_as_they_were(store: Store) -> None:
    mixed = (True, 1, 1.0, "mean", None)
    options = {"freq": True, "levels": 1, "cutoff": 1.0, "reduction": "mean", "high_loss": None}
    one = search(
        trial(0, 0.7, params=options, source="results", epochs=0),
        trial(2, state="failed", reached=None, error="the loss is no longer finite"),
        trial(3, state="running"),
        dimensions=(Dimension(name="freq", low=None, high=None, log=False, choices=mixed),),
        notes=("A note.",),
        chosen=0,
    )
    other = search(
        trial(0, 0.7, values=(0.7, 1.2)),
        objectives=("accuracy", "cost"),
        directions=("a->b", "b->a"),
        front=(0,),
        default=None,
    )
    save(store, "mine", [one, other])
    back = load(store, "mine")
    assert back == (one, other)
    assert store.exists(PLACE)
    assert list(map(type, back[0].dimensions[0].choices)) == [bool, int, float, str, type(None)]
    assert list(map(type, back[0].trials[0].params.values())) == list(map(type, mixed))
    assert list(back[0].importances) == ["weight", "cutoff"]


def test_a_search_that_went_on_takes_the_place_of_what_it_was(store: Store) -> None:
    save(store, "mine", [search(trial(0, 0.7)), search()])
    longer = search(trial(0, 0.7), trial(1, 0.8))
    save(store, "mine", [longer])
    assert load(store, "mine") == (longer,)


def test_a_sweep_that_is_from_no_search_has_none(store: Store) -> None:
    save(store, "other", [search()])
    assert load(store, "mine") == ()


def damage(change: Callable[[dict[str, Any]], object]) -> str:
    content = {"schema": "fdsweep.searches/1", "searches": [searches.plain(search(trial(0, 0.7)))]}
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        damage(lambda all_: all_["searches"][0].pop("front")),
        damage(lambda all_: all_["searches"][0]["trials"][0].update(state="done")),
        damage(lambda all_: all_["searches"][0]["trials"][0].update(values=[float("nan")])),
    ],
)
def test_a_damaged_record_is_a_missing_one(store: Store, text: str) -> None:
    store.write_text(PLACE, text)
    assert load(store, "mine") == ()
    assert not store.exists(PLACE)
    assert store.read_text(f"damaged/{PLACE}.damaged") == text


@pytest.mark.parametrize(
    "text",
    [
        damage(lambda all_: all_.update(schema="fdsweep.searches/2")),
        damage(lambda all_: all_["searches"][0].update(unheard=1)),
    ],
)
def test_a_record_of_another_version_is_named(store: Store, text: str) -> None:
    store.write_text(PLACE, text)
    with pytest.raises(StorageError, match=r"searches\.json: is no record of searches of this"):
        load(store, "mine")
    assert store.read_text(PLACE) == text


def test_the_record_that_is_damaged_in_the_test_above_is_whole_without_damage(
    store: Store,
) -> None:
    store.write_text(PLACE, damage(lambda all_: None))
    assert load(store, "mine") == (search(trial(0, 0.7)),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": "complete"}, "trial 4 is complete"),
        ({"values": (0.7,)}, "trial 4 is pruned"),
        ({"state": "done"}, "state\n.*should be 'complete'"),
        ({"source": "guessed"}, "source\n.*should be 'trained'"),
        ({"reached": float("nan")}, "trial 4 has a number that is not finite"),
        ({"seconds": float("inf")}, "trial 4 has a number that is not finite"),
    ],
)
def test_a_trial_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trial(4, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"objectives": ()},
        {"objectives": ("cost", "accuracy"), "trials": ()},
        {"objectives": ("accuracy", "cost")},
        {"trials": (trial(0, 0.7), trial(0))},
    ],
)
def test_a_search_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    whole = search(trial(0, 0.7))
    with pytest.raises(ValueError):
        whole.replace(**changes)


def test_what_was_spent_is_added_up() -> None:
    made = search(
        trial(0, 0.7, source="results", epochs=0, seconds=0.0),
        trial(1),
        trial(3, state="failed", epochs=1, seconds=0.25),
        trial(4, 0.6, epochs=9),
        trial(5, 0.6, source="repeated", epochs=0, seconds=0.0),
    )
    assert list(searches.counts(made).items()) == [("complete", 3), ("pruned", 1), ("failed", 1)]
    assert searches.answered(made) == 2
    assert searches.epochs_trained(made) == 13
    assert searches.full_epochs(made) == 45
    assert searches.seconds_trained(made) == 3.25


def test_the_best_so_far_is_a_running_maximum_over_the_complete_trials() -> None:
    generator = np.random.default_rng(0)
    values = generator.uniform(0.5, 0.9, 30)
    trials = [trial(2 * number, float(value)) for number, value in enumerate(values)]
    trials += [trial(2 * number + 1, reached=0.99) for number in range(30)]
    shuffled = [trials[place] for place in generator.permutation(60)]
    best = searches.best_so_far(search(*shuffled))
    assert list(best) == list(range(0, 60, 2))
    assert list(best.values()) == np.maximum.accumulate(values).tolist()


def test_the_default_is_a_complete_trial_with_known_parameters() -> None:
    made = search(trial(0, 0.6), trial(1, 0.7))
    assert searches.default_trial(made) is made.trials[0]
    assert searches.find(made, 1) is made.trials[1]
    assert searches.find(made, 7) is None
    assert searches.find(made, None) is None
    assert searches.default_trial(search(trial(0))) is None
    assert searches.default_trial(search(trial(0, 0.6, params={}))) is None
    assert searches.default_trial(search(trial(0, 0.6), default=None)) is None
