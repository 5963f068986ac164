"""Samples read from shards: what was put in comes out, in the order asked for."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from mini import ALL, decoded, make_items, prepare, rows_of

from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.layout import data_file
from fdsweep.search_spaces.storage import Storage, cache
from fdsweep.search_spaces.storage.cache import Cache
from fdsweep.trainers.preparation.reading import fetch, read_rows, read_table


def test_what_was_put_in_comes_out(storage):
    items = make_items()
    manifest = prepare(storage, items)
    table = read_table(storage, manifest, ALL)
    assert table.to_pylist() == rows_of(items)
    spectrogram = np.frombuffer(table["audio"][31].as_py(), "<f2").reshape(3, 5)
    np.testing.assert_array_equal(spectrogram, decoded(items[31])["audio"])


@pytest.mark.parametrize("rows", [[0], [49, 0, 20, 19, 49], list(range(50))[::-1], []])
def test_rows_come_in_the_order_asked_for(storage, rows):
    items = make_items()
    manifest = prepare(storage, items)
    everything = rows_of(items)
    found = read_rows(storage, manifest, rows, ["words", "sample_id"])
    assert found.to_pylist() == [
        {name: everything[i][name] for name in ("words", "sample_id")} for i in rows
    ]


def test_no_such_row(tmp_path):
    manifest = prepare(tmp_path, make_items())
    for row in (50, -1):
        with pytest.raises(IndexError, match="of 50"):
            read_rows(str(tmp_path), manifest, [row], ["label"])


def test_few_rows_are_read_for_one(tmp_path, monkeypatch):
    manifest = prepare(tmp_path, make_items())
    read = []
    original = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, columns, **how: (
            read.append((groups, columns)) or original(self, groups, columns, **how)
        ),
    )
    read_rows(str(tmp_path), manifest, [9, 37], ["label"])
    assert read == [([1], ["label"]), ([2], ["label"])]
    shard = pq.ParquetFile(tmp_path / "data/mini/key/shard-00000.parquet")
    assert [shard.metadata.row_group(i).num_rows for i in range(3)] == [8, 8, 4]


def test_a_lost_shard_says_what_to_type(tmp_path):
    manifest = prepare(tmp_path, make_items())
    (tmp_path / "data/mini/key/shard-00001.parquet").unlink()
    for read in (
        lambda: read_table(str(tmp_path), manifest, ["label"]),
        lambda: read_rows(str(tmp_path), manifest, [30], ["label"]),
    ):
        with pytest.raises(DataError, match=r"shard-00001.*Type: fdsweep prepare mini RAW_DIR"):
            read()


def test_far_shards_are_fetched_once_and_give_the_same_rows(tmp_path, monkeypatch):
    items, storage = make_items(), f"fsspec+file://{tmp_path}/far"
    manifest = prepare(storage, items)
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "near"))
    near, fetched = Cache.here(), []
    fetch(storage, manifest, 2, lambda: fetched.append(1))
    assert len(fetched) == len(manifest.shards) == len(list(near.folder.glob("??/*-*")))
    for shard in manifest.shards:
        Storage(storage).delete_file(data_file(manifest.name, manifest.folder, shard.name))
    assert read_rows(storage, manifest, [49, 3], ALL).to_pylist() == [
        rows_of(items)[49],
        rows_of(items)[3],
    ]


def test_what_the_cache_cannot_hold_stays_far(tmp_path, monkeypatch):
    storage = f"fsspec+file://{tmp_path}/far"
    manifest = prepare(storage, make_items())
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "near"))
    monkeypatch.setenv(cache.GIGABYTES, "1e-9")
    fetch(storage, manifest, 2, pytest.fail)
    assert not (tmp_path / "near").exists()
