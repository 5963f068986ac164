import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from fdsweep.results.records.schema import (
    CURVES,
    LABEL_SETS,
    PREDICTIONS,
    REGIONS,
    REPLICATES,
    Replicate,
)
from fdsweep.results.records.store import Store, files
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.layout import RESULTS_CACHE as CACHE
from fdsweep.search_spaces.storage import Storage

Make = Callable[..., Replicate]
CURVE = [{"epoch": 0, "split": "val", "metric": "accuracy", "value": 0.5}]
PREDICTED = [{"sample_id": "a/1", "group": "s1", "label": 3, "prediction": 2}]


def put(store: Store, replicate: Replicate) -> bool:
    return store.put(replicate, CURVE, PREDICTED)


def hidden_files(store: Store) -> list[str]:
    return [path for path in store.listing("") if path.split("/")[-1].startswith((".", "_"))]


def set_aside(store: Store) -> list[str]:
    return [
        path.removeprefix("damaged/").removesuffix(".damaged") for path in store.listing("damaged")
    ]


def test_what_is_put_comes_back(store: Store, replicate: Make) -> None:
    assert put(store, replicate(seed=3))

    row = store.replicates().iloc[0]
    assert (row["key"], row["seed"], row["test_score"], row["config"]) == ("aa", 3, 0.6, "{}")
    assert store.curves().to_dict("records") == [{"key": "aa", "seed": 3, **CURVE[0]}]
    assert store.predictions().to_dict("records") == [{"key": "aa", "seed": 3, **PREDICTED[0]}]
    assert store.finished() == {("aa", 3)}
    assert hidden_files(store) == []


def test_tables_are_taken_as_well_as_rows(store: Store, replicate: Make) -> None:
    curves = pa.Table.from_pylist(CURVE)
    predictions = pa.Table.from_pylist([{"key": "other", "seed": 9, **PREDICTED[0]}])
    store.put(replicate(), curves, predictions)

    assert pq.read_schema(store.uri("curves/aa-0.parquet")).equals(CURVES)
    assert pq.read_schema(store.uri("predictions/aa-0.parquet")).equals(PREDICTIONS)
    assert store.predictions()["key"].tolist() == ["aa"]


def test_a_row_without_a_column_is_refused(store: Store, replicate: Make) -> None:
    with pytest.raises(KeyError, match="metric"):
        store.put(replicate(), [{"epoch": 0, "split": "val", "value": 0.5}], [])
    assert store.finished() == set()


def test_pandas_reads_the_folder(store: Store, replicate: Make) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    put(store, replicate(seed=3, status="failed"))

    rows = pd.read_parquet(store.uri("results"))
    assert list(rows.columns) == REPLICATES.names
    assert sorted(zip(rows["key"], rows["seed"], strict=True)) == [("aa", i) for i in range(4)]
    assert rows["status"].tolist().count("failed") == 1


def test_an_empty_storage_has_the_columns(store: Store) -> None:
    assert list(store.replicates().columns) == REPLICATES.names
    assert len(store.replicates()) == len(store.curves()) == len(store.predictions()) == 0
    assert store.finished() == set()


def test_rows_come_by_key_and_seed_and_may_be_chosen(store: Store, replicate: Make) -> None:
    for key, seed in [("bb", 0), ("aa", 10), ("aa", 2)]:
        put(store, replicate(key=key, seed=seed))

    rows = store.replicates()
    assert list(zip(rows["key"], rows["seed"], strict=True)) == [("aa", 2), ("aa", 10), ("bb", 0)]
    assert store.replicates(["bb"])["key"].tolist() == ["bb"]
    assert store.curves(["aa"])["seed"].tolist() == [2, 10]
    assert store.predictions([]).empty


def test_a_done_replicate_is_never_overwritten(store: Store, replicate: Make) -> None:
    assert put(store, replicate(test_score=0.6))
    other = [{**CURVE[0], "value": 0.9}]
    assert not store.put(replicate(test_score=0.9), other, [])
    assert not store.put(replicate(status="failed"), other, [])

    assert store.replicates()["test_score"].tolist() == [0.6]
    assert store.curves()["value"].tolist() == [0.5]
    assert len(store.predictions()) == 1


def test_a_failed_replicate_is_superseded(store: Store, replicate: Make) -> None:
    assert store.put(replicate(status="failed"), [], [])
    assert store.finished() == set()
    assert store.replicates()["test_score"].isna().all()

    assert put(store, replicate())
    assert store.finished() == {("aa", 0)}
    assert store.replicates()["status"].tolist() == ["done"]


def test_two_writers_at_once_leave_one_whole_row(store: Store, replicate: Make) -> None:
    gate = threading.Barrier(8)
    errors: list[Exception] = []

    def write(number: int) -> None:
        other = Store.create(store.root)
        gate.wait()
        try:
            for seed in range(5):
                put(other, replicate(seed=seed, device=f"cpu{number}"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert store.finished() == {("aa", seed) for seed in range(5)}
    assert len(pd.read_parquet(store.uri("results"))) == 5
    assert hidden_files(store) == []


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_writer_that_dies_before_a_move_leaves_nothing_that_counts(
    store: Store, replicate: Make, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    class Killed(BaseException):
        pass

    class Mortal:
        def __init__(self, system: fs.FileSystem) -> None:
            self.system, self.moves = system, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self.system, name)

        def move(self, old: str, new: str) -> None:
            self.moves += 1
            if self.moves == dies_at:
                raise Killed
            self.system.move(old, new)

    put(store, replicate(seed=1))
    writer = Store.create(store.root)
    monkeypatch.setattr(writer, "system", Mortal(writer.system))
    with pytest.raises(Killed):
        put(writer, replicate())

    assert len(hidden_files(store)) == 1
    assert store.finished() == {("aa", 1)}
    assert len(pd.read_parquet(store.uri("results"))) == 1
    assert put(store, replicate())
    assert store.finished() == {("aa", 0), ("aa", 1)}
    assert len(store.curves()) == 2


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_file_is_left_out_named_and_done_again(
    store: Store, replicate: Make, kept: float
) -> None:
    put(store, replicate(seed=0))
    put(store, replicate(seed=1))
    assert set_aside(store) == []
    broken = Path(store.uri("results/aa-1.parquet"))
    content = broken.read_bytes()
    broken.write_bytes(content[: int(kept if kept >= 1 else kept * len(content))])

    assert store.replicates()["seed"].tolist() == [0]
    assert store.finished() == {("aa", 0)}
    assert set_aside(store) == ["results/aa-1.parquet"]

    assert put(store, replicate(seed=1))
    assert broken.read_bytes() == content


def test_files_of_others_are_left_alone(store: Store, replicate: Make) -> None:
    put(store, replicate())
    for name in ("_SUCCESS", ".aa-1.parquet.4f", "notes.txt", "aa-0 (copy).parquet"):
        Path(store.uri(f"results/{name}")).write_text("?")
    assert len(store.replicates()) == 1


def test_a_file_without_a_newer_column_is_read(store: Store, replicate: Make) -> None:
    put(store, replicate())
    path = store.uri("results/aa-0.parquet")
    pq.write_table(pq.read_table(path).drop_columns(["device"]), path)

    rows = store.replicates()
    assert list(rows.columns) == REPLICATES.names
    assert rows["device"].isna().tolist() == [True]
    assert rows["test_score"].tolist() == [0.6]


OLD = {
    "sweep": "components-watch",
    "study": "components",
    "row": "Feat",
    "method": "fd-cmkd",
    "dataset": "watch",
    "teacher_modality": "accelerometer",
    "student_modality": "gyroscope",
    "seed": 0,
    "key": "old",
    "teacher_key": "tt",
    "status": "done",
    "epochs": 3,
    "best_epoch": 2,
    "best_head": "logits",
    "val_accuracy": 0.7,
    "test_accuracy": 0.6,
    "test_accuracy_last": 0.5,
    "test_accuracy_best": 0.65,
    "wall_seconds": 1.5,
    "device": "cpu",
    "fdsweep_version": "0.1.0",
    "data_fingerprint": "dd",
    "config": "{}",
}
"""A row, and the columns, of the fdsweep that knew accuracies and one teacher."""


def older(store: Store, *rows: dict[str, Any]) -> None:
    for row in rows:
        types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
        schema = pa.schema([(name, types[type(value)]) for name, value in OLD.items()])
        place = store.uri(f"results/{row['key']}-{row['seed']}.parquet")
        pq.write_table(pa.Table.from_pylist([row], schema=schema), place)
        for folder, kept in (("curves", CURVES), ("predictions", PREDICTIONS)):
            pq.write_table(kept.empty_table(), place.replace("results", folder))


def test_rows_that_an_older_fdsweep_wrote_are_those_of_today(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    numbers = ("val_accuracy", "test_accuracy", "test_accuracy_last", "test_accuracy_best")
    failed = {**OLD, **dict.fromkeys(numbers), "seed": 2, "status": "failed", "best_epoch": None}
    older(store, OLD, {**OLD, "seed": 1, "teacher_key": ""}, failed, {**OLD, "seed": 3})
    put(store, replicate(key="new"))

    rows = store.replicates()
    assert list(rows.columns) == REPLICATES.names
    files = [[f"{folder}/new-0.parquet" for folder in ("curves", "predictions")]]
    files += [[place.replace("new-0", f"old-{seed}") for place in files[0]] for seed in range(4)]
    assert rows.pop("files").map(list).tolist() == files
    assert rows.pop("devices").isna().tolist() == [False, *[True] * 4]
    new, *old = rows.to_dict("records")
    assert {**old[0], "key": "new"} == {**new, "teacher_keys": old[0]["teacher_keys"]}
    keys = [list(row["teacher_keys"]) for row in (new, *old)]
    assert keys == [["tt"], ["tt"], [], ["tt"], ["tt"]]
    assert (old[0]["task"], old[0]["metric"]) == ("classification", "accuracy")
    assert rows["test_score"].isna().tolist() == [False, False, False, True, False]
    assert store.finished() == {("new", 0), ("old", 0), ("old", 1), ("old", 3)}
    assert not put(store, replicate(key="old"))
    assert put(store, replicate(key="old", seed=2))

    opened.clear()
    assert store.exists(CACHE)
    again = store.replicates()[:3]
    assert again["test_score"].tolist() == [0.6] * 3
    assert [list(keys) for keys in again["teacher_keys"]] == [["tt"], ["tt"], []]
    assert opened == ["old-2.parquet"]


def test_the_cache_of_an_older_fdsweep_is_made_anew(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    older(store, *({**OLD, "seed": seed} for seed in range(3)))
    info = [Path(store.uri(f"results/old-{seed}.parquet")).stat() for seed in range(3)]
    lying = [
        {
            "file": f"old-{seed}.parquet",
            "changed": info[seed].st_mtime_ns,
            "size": info[seed].st_size,
            **{**OLD, "seed": seed, "test_accuracy": 0.99},
        }
        for seed in range(3)
    ]
    store.make_folder("cache")
    pq.write_table(pa.Table.from_pylist(lying), store.uri(CACHE))
    assert store.replicates()["test_score"].tolist() == [0.6] * 3
    opened.clear()
    assert store.replicates()["test_score"].tolist() == [0.6] * 3
    assert opened == []


def test_another_task_keeps_other_columns_of_its_samples(store: Store, replicate: Make) -> None:
    kept = pa.table(
        {
            "sample_id": ["a", "b"],
            "group": ["s1", "s1"],
            "union": pa.array([[4, 0], [2, 3]], pa.list_(pa.int32())),
            "certain": [0.5, 0.25],
        }
    )
    one = replicate(key="seg", task="counting", metric="error")
    assert store.put(one, [], kept)
    assert store.put(one.replace(seed=1), [], [{"sample_id": "a", "group": "s", "certain": 1.0}])
    assert store.put(replicate(key="seg", seed=2, task="counting", status="failed"), [], [])

    stored = pq.read_table(store.uri("predictions/seg-0.parquet"))
    assert stored.column_names == ["key", "seed", "sample_id", "group", "union", "certain"]
    assert stored.drop_columns(["key", "seed"]).equals(kept)
    rows = store.predictions(["seg"])
    assert list(rows.columns) == stored.column_names
    assert rows["certain"].tolist() == [0.5, 0.25, 1.0]
    unions = [None if one is None else one.tolist() for one in rows["union"]]
    assert unions == [[4, 0], [2, 3], None]
    with pytest.raises(KeyError, match="group"):
        store.put(one.replace(seed=3), [], pa.table({"sample_id": ["a"]}))

    put(store, replicate())
    plain = {"key": "aa", "seed": 0, **PREDICTED[0]}
    assert store.predictions(["aa"]).to_dict("records") == [plain]
    assert len(store.predictions()) == 4


def test_sets_of_labels_are_kept_with_the_score_of_each_class(
    store: Store, replicate: Make
) -> None:
    one = replicate(key="sets", task="multilabel", metric="map")
    kept = {"sample_id": ["a", "b"], "group": ["g", "g"], "labels": [[0, 2], []]}
    scores = [[0.1, 0.2, 0.7], [0.0, 1.0, 0.5]]
    store.put(one, [], pa.table({**kept, "scores": scores}))
    stored = pq.read_table(store.uri("predictions/sets-0.parquet"))
    assert stored.schema.equals(LABEL_SETS)
    assert stored["scores"].to_pylist() == np.float32(scores).tolist()
    rows = store.predictions(["sets"])
    assert list(rows.columns) == LABEL_SETS.names
    assert [list(own) for own in rows["labels"]] == kept["labels"]


def test_a_segmentation_keeps_what_each_class_of_an_image_has(
    store: Store, replicate: Make
) -> None:
    one = replicate(key="seg", task="segmentation", metric="miou")
    regions = {
        "sample_id": ["a", "a", "b"],
        "group": ["a", "a", "b"],
        "label": [0, 2, 0],
        "intersection": [5, 0, 2**40],
        "union": [6, 3, 2**41],
        "labelled": [5, 3, 2**41],
    }
    store.put(one, [], pa.table({**regions, "picture": ["iVBO", None, None]}))
    store.put(one.replace(seed=1), [], pa.table({**regions, "picture": [None] * 3}))
    store.put(replicate(key="seg", seed=2, task="segmentation", status="failed"), [], [])

    for seed in range(3):
        assert pq.read_table(store.uri(f"predictions/seg-{seed}.parquet")).schema.equals(REGIONS)
    rows = store.predictions(["seg"])
    assert list(rows.columns) == REGIONS.names
    assert rows["union"].tolist() == regions["union"] * 2
    assert rows["picture"].dropna().tolist() == ["iVBO"]


def test_the_same_replicate_gives_the_same_bytes(tmp_path: Path, replicate: Make) -> None:
    contents = []
    for place in ("one", "two"):
        store = Store.create(str(tmp_path / place))
        put(store, replicate())
        contents.append({path: Path(store.uri(path)).read_bytes() for path in store.listing("")})
    assert len(contents[0]) == 3
    assert contents[0] == contents[1]


def test_a_relative_path_is_made_absolute(
    tmp_path: Path, replicate: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.create("runs")
    monkeypatch.chdir("/")
    put(store, replicate())
    assert store.root == str(tmp_path / "runs")
    assert store.uri("results/x") == str(tmp_path / "runs/results/x")
    assert (tmp_path / "runs/results/aa-0.parquet").is_file()


def test_a_file_uri_is_the_same_place(tmp_path: Path, replicate: Make) -> None:
    store = Store.create(f"file://{tmp_path}/runs")
    put(store, replicate())
    assert store.is_local
    assert store.root == f"{tmp_path}/runs"
    assert Store.open(str(tmp_path / "runs")).finished() == {("aa", 0)}


def test_a_remote_place_goes_the_same_way(replicate: Make) -> None:
    root = "fsspec+memory://bucket/runs"
    store = Store.create(root)
    assert not store.is_local
    assert store.uri("teachers/x") == f"{root}/teachers/x"

    assert put(store, replicate(status="failed"))
    assert put(store, replicate())
    assert not put(store, replicate())
    store.write_text("reports/a/sweep.json", "{}")
    again = Store.open(root)
    assert again.finished() == {("aa", 0)}
    assert len(again.curves()) == len(again.predictions()) == 1
    assert again.read_text("reports/a/sweep.json") == "{}"
    assert list(again.listing("reports")) == ["reports/a/sweep.json"]
    assert hidden_files(again) == []


def test_options_of_a_uri_stay_at_its_end() -> None:
    store = Store("s3://bucket/runs?region=eu-west-1&endpoint_override=localhost:9000")
    expected = "s3://bucket/runs/results?region=eu-west-1&endpoint_override=localhost:9000"
    assert store.uri("results") == expected


def test_texts_are_replaced_in_one_step(store: Store) -> None:
    assert not store.exists("reports/a/notes.md")
    store.write_text("reports/a/notes.md", "ä")
    store.write_text("reports/a/notes.md", "ö")
    assert store.read_text("reports/a/notes.md") == "ö"
    assert store.exists("reports/a/notes.md")
    assert list(store.listing("reports")) == ["reports/a/notes.md"]
    assert store.listing("nowhere") == {}
    with pytest.raises(StorageError, match=r"reports/b\.md: cannot be read"):
        store.read_text("reports/b.md")


@pytest.mark.parametrize("root", ["/proc/fdsweep", "{file}/below", "nothing://here"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    root = root.format(file=tmp_path / "file")
    with pytest.raises(StorageError) as caught:
        Store.create(root)
    assert str(caught.value).startswith(f"{root}: cannot be")
    assert "\n" not in str(caught.value)


def test_create_notices_a_place_that_has_folders_but_takes_no_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: str, content: bytes) -> None:
        raise StorageError("cannot be written (no space left)", path)

    monkeypatch.setattr(Store, "write", lambda self, path, content: full(path, content))
    with pytest.raises(StorageError, match="no space left"):
        Store.create(store.root)


def test_open_wants_a_storage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("nowhere", "file"):
        with pytest.raises(StorageError, match=f"{place}: there is no storage here"):
            Store.open(str(tmp_path / place))
    assert not (tmp_path / "nowhere").exists()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files of replicates that are read; the cache is kept from three rows on."""
    names: list[str] = []
    read = files.content

    def content(storage: Storage, folder: str, name: str) -> Any:
        names.append(name)
        return read(storage, folder, name)

    monkeypatch.setattr(files, "content", content)
    monkeypatch.setattr("fdsweep.results.records.store.cache.MIN_NEW", 3)
    return names


def test_a_row_that_was_read_is_not_read_again(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    for seed in range(4):
        put(store, replicate(seed=seed, test_score=seed / 10))
    first = store.replicates()
    assert store.exists(CACHE)
    opened.clear()
    again = store.replicates()
    assert opened == []
    pd.testing.assert_frame_equal(first, again)
    assert store.finished() == {("aa", seed) for seed in range(4)}

    put(store, replicate(key="a0"))
    opened.clear()
    rows = store.replicates()
    assert opened == ["a0-0.parquet"]
    assert list(zip(rows["key"], rows["seed"], strict=True))[:2] == [("a0", 0), ("aa", 0)]
    assert store.replicates(["a0"])["key"].tolist() == ["a0"]
    assert len(pd.read_parquet(store.uri("results"))) == 5

    for seed in range(1, 4):
        put(store, replicate(key="a0", seed=seed))
    assert len(store.replicates(["a0"])) == 4
    opened.clear()
    assert len(store.replicates()) == 8
    assert opened == []


def test_a_few_rows_are_not_worth_a_cache(store: Store, replicate: Make, opened: list[str]) -> None:
    for seed in range(2):
        put(store, replicate(seed=seed))
    store.replicates()
    assert not store.exists(CACHE)


def test_a_cached_row_counts_only_while_its_file_is_as_it_was(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    for seed in range(4):
        put(store, replicate(seed=seed))
    store.replicates()
    paths = [Path(store.uri(f"results/aa-{seed}.parquet")) for seed in range(4)]
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:100])
    written = paths[3].stat()
    paths[3].unlink()
    put(store, replicate(seed=3, test_score=0.61))
    assert paths[3].stat().st_size == written.st_size

    rows = store.replicates()
    assert rows["seed"].tolist() == [2, 3]
    assert rows["test_score"].tolist() == [0.6, 0.61]
    assert set_aside(store) == ["results/aa-1.parquet"]


def test_a_failed_row_is_always_read(store: Store, replicate: Make, opened: list[str]) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    put(store, replicate(seed=3, status="failed"))
    store.replicates()
    path = Path(store.uri("results/aa-3.parquet"))
    before = path.stat()
    opened.clear()
    assert store.replicates()["status"].tolist() == ["done"] * 3 + ["failed"]
    assert opened == ["aa-3.parquet"]

    put(store, replicate(seed=3))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert store.replicates()["status"].tolist() == ["done"] * 4


@pytest.mark.parametrize("content", [b"", b"?", "other columns"])
def test_a_cache_that_cannot_be_used_is_made_anew(
    store: Store, replicate: Make, opened: list[str], content: bytes | str
) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    store.replicates()
    path = Path(store.uri(CACHE))
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(pq.read_table(path).drop_columns(["device"]), path)
    assert len(store.replicates()) == 3
    opened.clear()
    assert len(store.replicates()) == 3
    assert opened == []


def test_who_may_not_write_reads_without_a_cache(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    for seed in range(3):
        put(store, replicate(seed=seed))
    Path(store.uri("cache")).write_text("no folder")
    assert len(store.replicates()) == 3
    assert len(store.replicates()) == 3


def test_readers_and_writers_at_once_never_see_a_wrong_row(
    store: Store, replicate: Make, opened: list[str]
) -> None:
    wrong: list[Any] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            rows = Store.open(store.root).replicates()
            if (rows["test_score"] * 100 - rows["seed"]).abs().max() > 1e-9:
                wrong.append(rows)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for seed in range(20):
        put(store, replicate(seed=seed, status="failed"))
        put(store, replicate(seed=seed, test_score=seed / 100))
    ended.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    rows = store.replicates()
    assert rows["seed"].tolist() == list(range(20))
    assert set(rows["status"]) == {"done"}


def test_predictions_of_many_replicates_keep_their_texts(store: Store, replicate: Make) -> None:
    for seed in range(70):
        own = [{**PREDICTED[0], "sample_id": f"{seed}/{index}"} for index in range(2)]
        store.put(replicate(seed=seed), [], own)
    rows = store.predictions(["aa"])
    expected = [(seed, f"{seed}/{index}") for seed in range(70) for index in range(2)]
    assert list(zip(rows["seed"], rows["sample_id"], strict=True)) == expected
    assert set(rows["group"]) == {"s1"}


def test_a_copy_under_the_name_of_another_seed_counts_once(store: Store, replicate: Make) -> None:
    """The row belongs to the seed inside: the other is not done, and done as if there was none."""
    put(store, replicate(seed=0))
    store.write("results/aa-1.parquet", store.read("results/aa-0.parquet"))

    assert store.replicates()["seed"].tolist() == [0]
    assert store.finished() == {("aa", 0)}
    assert put(store, replicate(seed=1, test_score=0.9))
    assert not put(store, replicate(seed=1))
    assert store.replicates()[["seed", "test_score"]].values.tolist() == [[0, 0.6], [1, 0.9]]


def test_of_two_files_of_a_seed_the_done_one_counts(store: Store, replicate: Make) -> None:
    put(store, replicate(seed=1, status="failed", test_score=None))
    store.write("results/aa-0.parquet", store.read("results/aa-1.parquet"))
    put(store, replicate(seed=1))

    assert store.replicates()["status"].tolist() == ["done"]


def test_a_file_with_all_seeds_of_a_key_holds_each_of_them(store: Store, replicate: Make) -> None:
    for seed in (0, 1):
        put(store, replicate(seed=seed))
    files = [store.local(f"results/aa-{seed}.parquet") for seed in (0, 1)]
    pq.write_table(pa.concat_tables(map(pq.read_table, files)), files[0])
    files[1].unlink()

    assert store.finished() == {("aa", 0), ("aa", 1)}
    assert not put(store, replicate(seed=0))
