"""Shards: equal samples give equal bytes, and what is finished is known to be."""

import numpy as np
import pytest
from mini import ALL, PAYLOADS, decoded, make_items, prepare

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.preparation import shards
from fdsweep.trainers.preparation.catalog import Skipped


def test_equal_samples_give_equal_bytes_and_no_time_stamps(tmp_path):
    one, other = (prepare(tmp_path / name, make_items()) for name in ("one", "other"))
    assert one == other
    names = [shard.name for shard in one.shards]
    assert names == ["shard-00000.parquet", "shard-00001.parquet", "shard-00002.parquet"]
    for name in names:
        paths = [tmp_path / place / "data/mini/key" / name for place in ("one", "other")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_columns_follow_the_payloads():
    assert shards.schema(PAYLOADS).names == ALL
    assert shards.schema({"audio": PAYLOADS["audio"]}).names == [*ALL[:4], "audio"]


def test_a_payload_of_another_shape_is_refused():
    item = make_items(1)[0]
    with pytest.raises(ValueError, match=r"\(3, 4\), not \(3, 5\)"):
        shards.row(item, {**decoded(item), "audio": np.zeros((3, 4))}, PAYLOADS)
    with pytest.raises(ValueError, match="5 tokens"):
        shards.row(item, {**decoded(item), "words": [1] * 5}, PAYLOADS)


def test_the_size_of_a_row_is_that_of_its_payloads():
    item = make_items(3)[2]
    size = shards.size
    one, both = (
        {name: PAYLOADS[name] for name in names} for names in (["audio"], ["audio", "visual"])
    )
    cells, more = (shards.row(item, decoded(item), payloads) for payloads in (one, both))
    assert size(more, both) - size(cells, one) == sum(map(len, more["visual"]))
    assert 30 <= size(cells, one) <= 60


def test_a_shard_is_finished_when_its_outcome_stands_beside_it(tmp_path):
    manifest = prepare(tmp_path, make_items(), damaged=("s003",))
    folder = tmp_path / "data/mini/key"
    outcome = shards.find_outcome(str(tmp_path), "mini", "key", 0)
    assert outcome.shard == manifest.shards[0]
    assert outcome.damaged == (Skipped("s003", "broken"),)
    assert shards.find_outcome(str(tmp_path), "mini", "key", 9) is None
    (folder / "shard-00000.parquet").write_bytes(b"PAR1")
    assert shards.find_outcome(str(tmp_path), "mini", "key", 0) is None
    for damaged in ("{", "[]", '{"shard": null}'):
        (folder / "shard-00002.json").write_text(damaged)
        assert shards.find_outcome(str(tmp_path), "mini", "key", 2) is None
    (folder / "shard-00001.json").unlink()
    assert shards.find_outcome(str(tmp_path), "mini", "key", 1) is None


def test_assets_lie_beside_the_shards(storage):
    manifest = prepare(storage, make_items())
    shards.write_assets(storage, "mini", "key", {"vocab.json": b"{}"})
    place = layout.data_file("mini", manifest.folder, "vocab.json")
    assert Storage(storage).read(place) == b"{}"


def test_hidden_files_are_tidied_away(tmp_path):
    prepare(tmp_path, make_items())
    folder = tmp_path / "data/mini/key"
    kept = {path.name for path in folder.iterdir()}
    (folder / ".shard-00007.parquet.abc").write_bytes(b"half a shard")
    shards.tidy(str(tmp_path), "mini", "key")
    assert {path.name for path in folder.iterdir()} == kept
