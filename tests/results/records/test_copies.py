"""What is read from copies is what the files themselves give."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store, cache, files
from fdsweep.results.records.store.compaction import Compaction
from fdsweep.search_spaces.layout import PREDICTIONS_CACHE, WHOLE_CACHE
from fdsweep.search_spaces.storage import Storage

Make = Callable[..., Replicate]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache is kept from three files on."""
    monkeypatch.setattr("fdsweep.results.records.store.cache.MIN_NEW", 3)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files of predictions that are read, and those whose ends are."""
    places: list[str] = []
    read, read_end = files.content, Store.read_end

    def content(storage: Storage, folder: str, name: str) -> Any:
        places.append(f"{folder}/{name}")
        return read(storage, folder, name)

    def end(self: Store, place: str, size: int) -> bytes:
        places.append(f"end of {place}")
        return read_end(self, place, size)

    monkeypatch.setattr(files, "content", content)
    monkeypatch.setattr(Store, "read_end", end)
    return places


def put(store: Store, replicate: Replicate) -> None:
    """Its people are others for each key, and met in another order for each seed."""
    people = [f"{replicate.key}{(i + replicate.seed) % 3}" for i in range(6)]
    kept = [
        {"sample_id": f"{who}/{i}", "group": who, "label": i % 3, "prediction": replicate.seed}
        for i, who in enumerate(people)
    ]
    curve = {"epoch": 0, "split": "val", "metric": "accuracy", "value": 0.5}
    store.put(replicate, [curve], kept)


def is_as_read(store: Store, keys: set[str] | None = None) -> bool:
    """Whether `predictions` are, to the order of their categories, what they are without copies."""
    found = store.predictions(keys)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Store, "exists", lambda self, place="": False)
        patched.setattr(cache, "keep", lambda storage, place, content: None)
        pd.testing.assert_frame_equal(store.predictions(keys), found)
    return True


def test_copied_predictions_are_those_of_the_files(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    for key in ("c", "b"):
        for seed in (0, 1):
            put(store, replicate(key=key, seed=seed))
    first = store.predictions()
    assert store.exists(PREDICTIONS_CACHE)
    opened.clear()
    pd.testing.assert_frame_equal(store.predictions(), first)
    assert len(store.predictions({"b"})) == 12
    assert opened == []
    assert is_as_read(store, {"b"})
    assert is_as_read(store, {"c"})
    assert is_as_read(store, {"none"})

    put(store, replicate(key="a"))
    opened.clear()
    assert len(store.predictions()) == 30
    assert opened == ["predictions/a-0.parquet"]
    assert is_as_read(store)
    for seed in (1, 2):
        put(store, replicate(key="a", seed=seed))
    store.predictions()  # worth new copies
    opened.clear()
    assert len(store.predictions()) == 42
    assert opened == []
    assert is_as_read(store)


def test_a_copy_counts_only_while_its_file_is_as_it_was(store: Store, replicate: Make) -> None:
    for seed in range(4):
        put(store, replicate(seed=seed))
    store.predictions()
    store.delete_file("predictions/aa-0.parquet")
    store.write("predictions/aa-1.parquet", b"garbage")
    store.write("predictions/aa-2.parquet", store.read("predictions/aa-2.parquet"))
    assert is_as_read(store)
    assert set(store.predictions()["seed"]) == {2, 3}


def test_ends_that_were_seen_are_not_read_again(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    assert len(store.finished()) == 3
    assert store.exists(WHOLE_CACHE)
    opened.clear()
    assert len(store.finished()) == 3
    assert not [place for place in opened if place.startswith("end of")]

    store.write("curves/aa-1.parquet", b"cut off")
    store.delete_file("predictions/aa-2.parquet")
    opened.clear()
    assert store.finished() == {("aa", 0)}
    assert [place for place in opened if place.startswith("end of")] == [
        "end of curves/aa-1.parquet"
    ]
    assert store.finished() == {("aa", 0)}


@pytest.mark.parametrize("place", [PREDICTIONS_CACHE, WHOLE_CACHE])
@pytest.mark.parametrize("content", [b"", b"garbage", b"[1]", b'{"x": 1}'])
def test_a_damaged_cache_is_made_anew(
    store: Store, replicate: Make, place: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    whole, done = store.predictions(), store.finished()
    store.write(place, content)
    pd.testing.assert_frame_equal(store.predictions(), whole)
    assert store.finished() == done
    assert capsys.readouterr().err.count(f"{place} is damaged") == 1
    assert store.read(place) != content


def test_the_copies_of_what_a_driver_stores_are_renewed_as_it_goes(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    compaction = Compaction(store, {"a"}, "classification", known=0)
    for seed in range(7):
        put(store, replicate(key="a", seed=seed))
        compaction.count()
    opened.clear()
    assert store.finished() == {("a", seed) for seed in range(7)}
    assert len(store.predictions()) == 42
    # six are in the copies: three at a time were worth it
    assert {place.rpartition("-")[2] for place in opened} == {"6.parquet"}
    assert is_as_read(store)
