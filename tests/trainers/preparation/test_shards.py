"""Shards and manifests: what was put in comes out, in the same bytes each time."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.preparation import shards
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped
from fdsweep.trainers.preparation.payload import Payload

PAYLOADS = {
    "audio": Payload("spectrogram", (3, 5)),
    "visual": Payload("frames"),
    "words": Payload("tokens", (4,)),
}
PER_SHARD = 20
ALL = ["sample_id", "group", "label", "split", *PAYLOADS, "clean_text"]


def make_items(count=50):
    splits = ("train", "train", "train", "val", "test")
    return tuple(
        Item(
            sample_id=f"s{i:03d}",
            group=f"g{i % 7}",
            label=i % 2,
            split=splits[i % 5],
            parts={"n": i},
        )
        for i in range(count)
    )


def decoded(item):
    i = int(item.parts["n"])
    return {
        "audio": np.arange(15, dtype=np.float16).reshape(3, 5) + i,
        "visual": [bytes([i, frame]) * 9 for frame in range(1 + i % 3)],
        "words": list(range(i % 5)),
        "clean_text": f"words of {i}",
    }


def rows_of(items):
    return [shards.row(item, decoded(item), PAYLOADS) for item in items]


def prepare(storage, items, folder="key", damaged=(), **changes):
    outcomes = []
    for number, start in enumerate(range(0, len(items), PER_SHARD)):
        part = [i for i in items[start : start + PER_SHARD] if i.sample_id not in damaged]
        shard = shards.write_shard(str(storage), "mini", folder, number, rows_of(part), PAYLOADS)
        lost = tuple(Skipped(i.sample_id, "broken") for i in items[start : start + PER_SHARD] if
                     i.sample_id in damaged)  # fmt: skip
        outcomes.append(
            shards.Outcome(shard=shard, damaged=lost, notes=(f"Note {number}.",), files="k")
        )
        shards.write_outcome(str(storage), "mini", folder, outcomes[-1])
    fields = {
        "catalog": Catalog(
            items=items,
            missing=(Skipped("gone", "no file"),),
            classes=("a", "b"),
            notes=("A note.",),
            assets={"vocab.json": b"{}"},
        ),
        "payloads": PAYLOADS,
        "folder": folder,
        "version": 1,
        "decoders": {"av": "1"},
        "options": {"task": None},
        **changes,
    }
    catalog, payloads = fields.pop("catalog"), fields.pop("payloads")
    manifest = shards.make_manifest("mini", catalog, payloads, outcomes, **fields)
    shards.save_manifest(str(storage), manifest)
    return manifest


@pytest.fixture(params=["path", "file:// URI"])
def storage(request, tmp_path):
    return str(tmp_path) if request.param == "path" else tmp_path.as_uri()


def test_a_manifest_survives_its_file(storage):
    manifest = prepare(storage, make_items(), damaged=("s003",))
    assert shards.load_manifest(storage, "mini") == manifest


def test_a_manifest_counts_what_is_in_the_shards(tmp_path):
    manifest = prepare(tmp_path, make_items(), damaged=("s000", "s044"))
    table = shards.read_table(str(tmp_path), manifest, ["split", "label", "group"]).to_pylist()
    assert manifest.rows == len(table) == 48
    members = {}
    for split in ("train", "val", "test"):
        of_split = [row for row in table if row["split"] == split]
        members[split] = {row["group"] for row in of_split}
        assert manifest.groups[split] == len(members[split])
        for label, name in enumerate(manifest.classes):
            assert manifest.counts[split][name] == sum(row["label"] == label for row in of_split)
    assert manifest.shared_groups["train/test"] == len(members["train"] & members["test"])
    assert [skipped.sample_id for skipped in manifest.damaged] == ["s000", "s044"]
    assert manifest.notes == ("A note.", "Note 0.", "Note 1.", "Note 2.")
    assert sum(shard.frames["visual"] for shard in manifest.shards) == sum(
        1 + i % 3 for i in range(50) if i not in (0, 44)
    )


def test_what_was_put_in_comes_out(storage):
    items = make_items()
    manifest = prepare(storage, items)
    table = shards.read_table(storage, manifest, ALL)
    assert table.to_pylist() == rows_of(items)
    spectrogram = np.frombuffer(table["audio"][31].as_py(), "<f2").reshape(3, 5)
    np.testing.assert_array_equal(spectrogram, decoded(items[31])["audio"])


@pytest.mark.parametrize("rows", [[0], [49, 0, 20, 19, 49], list(range(50))[::-1], []])
def test_rows_come_in_the_order_asked_for(storage, rows):
    items = make_items()
    manifest = prepare(storage, items)
    everything = rows_of(items)
    found = shards.read_rows(storage, manifest, rows, ["words", "sample_id"])
    assert found.to_pylist() == [
        {name: everything[i][name] for name in ("words", "sample_id")} for i in rows
    ]


def test_no_such_row(tmp_path):
    manifest = prepare(tmp_path, make_items())
    for row in (50, -1):
        with pytest.raises(IndexError, match="of 50"):
            shards.read_rows(str(tmp_path), manifest, [row], ["label"])


def test_few_rows_are_read_for_one(tmp_path, monkeypatch):
    manifest = prepare(tmp_path, make_items())
    read = []
    original = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda self, group, columns, **how: (
            read.append((group, columns)) or original(self, group, columns, **how)
        ),
    )
    shards.read_rows(str(tmp_path), manifest, [9, 37], ["label"])
    assert read == [(1, ["label"]), (2, ["label"])]
    shard = pq.ParquetFile(tmp_path / "data/mini/key/shard-00000.parquet")
    assert [shard.metadata.row_group(i).num_rows for i in range(3)] == [8, 8, 4]


def test_equal_samples_give_equal_bytes_and_no_time_stamps(tmp_path):
    one, other = (prepare(tmp_path / name, make_items()) for name in ("one", "other"))
    assert one == other
    names = [shard.name for shard in one.shards]
    assert names == ["shard-00000.parquet", "shard-00001.parquet", "shard-00002.parquet"]
    for name in names:
        paths = [tmp_path / place / "data/mini/key" / name for place in ("one", "other")]
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_fingerprint_follows_content_and_meaning(tmp_path):
    base = prepare(tmp_path / "base", make_items())
    fewer = prepare(tmp_path / "fewer", make_items(), damaged=("s010",))
    version = prepare(tmp_path / "version", make_items(), version=2)
    elsewhere = prepare(tmp_path / "elsewhere", make_items(), folder="other", decoders={})
    assert len({base.fingerprint, fewer.fingerprint, version.fingerprint}) == 3
    assert elsewhere.fingerprint == base.fingerprint


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
    cells = shards.row(item, decoded(item), {"audio": PAYLOADS["audio"]})
    more = shards.row(item, decoded(item), {name: PAYLOADS[name] for name in ("audio", "visual")})
    assert shards.size(more) - shards.size(cells) == 3 * 18
    assert 30 <= shards.size(cells) <= 60


def test_a_shard_is_finished_when_its_outcome_stands_beside_it(tmp_path):
    manifest = prepare(tmp_path, make_items(), damaged=("s003",))
    folder = tmp_path / "data/mini/key"
    outcome = shards.find_outcome(str(tmp_path), "mini", "key", 0)
    assert outcome.shard == manifest.shards[0]
    assert outcome.damaged == (Skipped("s003", "broken"),)
    assert shards.find_outcome(str(tmp_path), "mini", "key", 9) is None
    (folder / "shard-00000.parquet").write_bytes(b"PAR1")
    assert shards.find_outcome(str(tmp_path), "mini", "key", 0) is None
    (folder / "shard-00001.json").unlink()
    assert shards.find_outcome(str(tmp_path), "mini", "key", 1) is None


def test_assets_lie_beside_the_shards(storage):
    manifest = prepare(storage, make_items())
    shards.write_assets(storage, "mini", "key", {"vocab.json": b"{}"})
    assert shards.read_assets(storage, manifest) == {"vocab.json": b"{}"}


def test_hidden_files_are_tidied_away(tmp_path):
    prepare(tmp_path, make_items())
    folder = tmp_path / "data/mini/key"
    kept = {path.name for path in folder.iterdir()}
    (folder / ".shard-00007.parquet.abc").write_bytes(b"half a shard")
    shards.tidy(str(tmp_path), "mini", "key")
    assert {path.name for path in folder.iterdir()} == kept


def test_what_is_not_prepared_says_what_to_type(tmp_path):
    with pytest.raises(DataError) as error:
        shards.load_manifest(str(tmp_path), "crema-d")
    assert str(error.value) == (
        f"crema-d is not prepared in {tmp_path}. Type: fdsweep prepare crema-d RAW_DIR."
    )


@pytest.mark.parametrize("change", [{"schema": "fdsweep.data/0"}, {"surprise": 1}, "garbage"])
def test_a_manifest_of_another_kind(tmp_path, change):
    prepare(tmp_path, make_items())
    path = tmp_path / "data/mini/manifest.json"
    fields = json.loads(path.read_text())
    path.write_text("{" if change == "garbage" else json.dumps({**fields, **change}))
    with pytest.raises(DataError, match="Type: fdsweep prepare mini RAW_DIR"):
        shards.load_manifest(str(tmp_path), "mini")


def test_a_lost_shard_says_what_to_type(tmp_path):
    manifest = prepare(tmp_path, make_items())
    (tmp_path / "data/mini/key/shard-00001.parquet").unlink()
    for read in (
        lambda: shards.read_table(str(tmp_path), manifest, ["label"]),
        lambda: shards.read_rows(str(tmp_path), manifest, [30], ["label"]),
    ):
        with pytest.raises(DataError, match=r"shard-00001.*Type: fdsweep prepare mini RAW_DIR"):
            read()
