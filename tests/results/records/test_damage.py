"""A damaged file is a missing file: set aside once, said once, and its replicate done again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fdsweep.results.records import teachers
from fdsweep.results.records.schema import Replicate
from fdsweep.results.records.store import Store, files
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.layout import RESULTS_CACHE, teacher_record
from fdsweep.search_spaces.storage import Storage

Make = Callable[..., Replicate]
KEPT = {"curves": "value", "predictions": "prediction"}
CURVE = {"epoch": 0, "split": "val", "metric": "accuracy", "value": 0.5}
PREDICTED = {"sample_id": "a/1", "group": "s1", "label": 3, "prediction": 2}


def put(store: Store, replicate: Replicate, value: float = 0.5) -> bool:
    return store.put(replicate, [{**CURVE, "value": value}], [PREDICTED])


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def garble_the_middle(path: Path) -> None:
    """Its end is as it was, so that only who reads all of it notices."""
    content = path.read_bytes()
    path.write_bytes(b"\xff" * (len(content) - 8) + content[-8:])


@pytest.fixture
def two(store: Store, replicate: Make) -> Store:
    for seed in range(2):
        put(store, replicate(seed=seed))
    return store


@pytest.mark.parametrize("folder", KEPT)
@pytest.mark.parametrize("harm", [remove, truncate, empty, garble])
def test_a_replicate_that_lost_a_file_is_done_again(
    two: Store,
    replicate: Make,
    capsys: pytest.CaptureFixture[str],
    folder: str,
    harm: Callable[[Path], None],
) -> None:
    place = f"{folder}/aa-1.parquet"
    harm(two.local(place))
    assert two.finished(["aa"]) == {("aa", 0)}
    said = capsys.readouterr().err
    assert f"{place} is missing; running the sweep trains 1 replicate again." in said
    assert said.count(f"{place} is damaged") == two.exists(f"damaged/{place}.damaged")
    assert two.exists(f"damaged/{place}.damaged") == (harm is not remove)
    assert two.replicates()["seed"].tolist() == [0, 1]  # its scores hold
    assert two.curves()["seed"].tolist() == ([0] if folder == "curves" else [0, 1])

    assert not put(two, replicate(seed=1, status="failed"))  # costs nobody a score
    assert put(two, replicate(seed=1, test_score=0.61), 0.6)
    assert two.finished() == {("aa", 0), ("aa", 1)}
    assert two.replicates()["test_score"].tolist() == [0.6, 0.61]
    assert two.curves()["value"].tolist() == [0.5, 0.6]
    assert not put(two, replicate(seed=1, test_score=0.99))
    assert len(pd.read_parquet(two.uri(folder))) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("folder", KEPT)
def test_damage_within_a_file_is_noticed_by_who_reads_it(two: Store, folder: str) -> None:
    garble_the_middle(two.local(f"{folder}/aa-1.parquet"))
    assert len(two.finished()) == 2
    assert len(getattr(two, folder)()) == 1
    assert two.finished() == {("aa", 0)}


def test_what_a_row_does_not_name_never_was_there(
    two: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in docs/studies: a file for several replicates, and nothing kept of test samples."""
    names = [f"aa-{seed}.parquet" for seed in range(2)]
    for folder in ("results", "curves"):
        places = [two.uri(f"{folder}/{name}") for name in names]
        table = pa.concat_tables([pq.read_table(place) for place in places])
        if folder == "results":
            files = pa.array([["curves/aa-0.parquet"]] * 2, pa.list_(pa.string()))
            table = table.set_column(table.column_names.index("files"), "files", files)
        pq.write_table(table, places[0])
        two.delete_file(f"{folder}/aa-1.parquet")
    two.delete_folder("predictions")
    assert two.finished() == {("aa", 0), ("aa", 1)}
    assert capsys.readouterr().err == ""
    truncate(two.local("curves/aa-0.parquet"))
    assert two.finished() == set()
    said = capsys.readouterr().err
    assert "curves/aa-0.parquet is missing; running the sweep trains 2 replicates again." in said


@pytest.mark.parametrize("folder", ["results", *KEPT])
def test_a_copy_under_another_name_does_not_count_twice(
    two: Store, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = two.read(f"{folder}/aa-0.parquet")
    for name in ("aa-1", "aa-7", "bb-0", "aa-00"):
        two.write(f"{folder}/{name}.parquet", content)
    rows = two.replicates() if folder == "results" else getattr(two, folder)()
    assert rows["seed"].tolist() == [0]
    told = capsys.readouterr().err.count("it holds no rows of its replicate")
    assert told == (0 if folder == "results" else 4)


def test_a_table_of_another_kind_is_no_result(two: Store) -> None:
    two.write("results/aa-1.parquet", two.read("curves/aa-1.parquet").replace(b"seed", b"need"))
    assert two.finished() == {("aa", 0)}
    assert two.exists("damaged/results/aa-1.parquet.damaged")


def test_a_file_that_cannot_be_moved_is_spoken_of_once(
    two: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    truncate(two.local("results/aa-1.parquet"))
    two.local("damaged").write_text("no folder")
    for _ in range(2):
        assert two.finished() == {("aa", 0)}
    (line,) = capsys.readouterr().err.splitlines()
    assert "results/aa-1.parquet is damaged (no whole Parquet file)" in line
    assert "it cannot be moved" in line


def test_a_file_that_another_process_set_aside_is_missing(
    two: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stamps = files.stamps

    def late(storage: Storage, folder: str) -> Any:
        found = stamps(storage, folder)
        storage.local(f"{folder}/aa-1.parquet").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(files, "stamps", late)
    assert two.replicates()["seed"].tolist() == [0]
    assert two.finished() == {("aa", 0)}
    two.set_aside("results/aa-1.parquet", "anything")
    assert capsys.readouterr().err == ""


def test_a_damaged_cache_is_set_aside(two: Store, capsys: pytest.CaptureFixture[str]) -> None:
    two.write(RESULTS_CACHE, b"garbage")
    for _ in range(2):
        assert len(two.replicates()) == 2
    assert capsys.readouterr().err.count("cache/results.parquet is damaged") == 1


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"test_score": "?"}', "\udcff"])
def test_a_damaged_record_of_a_teacher_is_a_missing_one(
    store: Store, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = teacher_record("tt", 0)
    store.write(place, text.encode(errors="surrogateescape"))
    for _ in range(2):
        assert teachers.find_score(store, "tt", 0) is None
    with pytest.raises(StorageError, match="record is gone"):
        teachers.test_score(store, "tt", 0)
    assert capsys.readouterr().err.count("is damaged (no teacher's record") == 1
    store.write_text(place, '{"test_accuracy": 0.5}')
    assert teachers.find_score(store, "tt", 0) == 0.5
