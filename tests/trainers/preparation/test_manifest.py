"""Manifests: what is written is read, or refused with a sentence."""

import json

import pytest
from mini import frame_sizes, make_items, prepare

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.modalities import Extent
from fdsweep.trainers.preparation.manifest import SCHEMA, fingerprint, load_manifest
from fdsweep.trainers.preparation.reading import read_table


def test_a_manifest_survives_its_file(storage):
    manifest = prepare(storage, make_items(), damaged=("s003",))
    assert load_manifest(storage, "mini") == manifest


def test_a_manifest_counts_what_is_in_the_shards(tmp_path):
    manifest = prepare(tmp_path, make_items(), damaged=("s000", "s044"))
    table = read_table(str(tmp_path), manifest, ["split", "label", "group"]).to_pylist()
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
    assert manifest.split == "somebody's"
    kept = [i for i in range(50) if i not in (0, 44)]
    frames = sum(1 + i % 3 for i in kept)
    pixels = sum(width * height for i in kept for width, height in frame_sizes(i))
    assert manifest.extent("visual") == Extent(frames, 3 * pixels)
    assert manifest.extent("audio") == Extent(48, 48 * 15 * 2)
    assert manifest.extent("words") == Extent(48, 48 * 4 * 8)


def test_the_fingerprint_follows_content_and_meaning(tmp_path):
    base = prepare(tmp_path / "base", make_items())
    fewer = prepare(tmp_path / "fewer", make_items(), damaged=("s010",))
    version = prepare(tmp_path / "version", make_items(), version=2)
    by_hand = (base.shards, base.classes, base.payloads, 1, base.assets)
    assert fingerprint(*by_hand, "own") == base.fingerprint
    assert fingerprint(*by_hand, "c2kd") != base.fingerprint
    elsewhere = prepare(tmp_path / "elsewhere", make_items(), folder="other", decoders={})
    assert len({base.fingerprint, fewer.fingerprint, version.fingerprint}) == 3
    assert elsewhere.fingerprint == base.fingerprint


def test_what_is_not_prepared_says_what_to_type(tmp_path):
    with pytest.raises(DataError) as error:
        load_manifest(str(tmp_path), "crema-d")
    assert str(error.value) == (
        f"crema-d is not prepared in {tmp_path}. Type: fdsweep prepare crema-d RAW_DIR."
    )


def spoil(folder, **changes):
    path = folder / "data/mini/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refusal(folder):
    with pytest.raises(DataError) as error:
        load_manifest(str(folder), "mini")
    told = str(error.value)
    assert told.startswith(f"{folder}/data/mini/manifest.json: is no manifest that can be read (")
    assert told.endswith(" Type: fdsweep prepare mini RAW_DIR.")
    return told


def test_a_manifest_of_another_version_names_both(tmp_path):
    prepare(tmp_path, make_items())
    spoil(tmp_path, schema="fdsweep.data/1")
    assert "written as fdsweep.data/1, while this fdsweep reads fdsweep.data/2" in refusal(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"surprise": 1},
        {"payloads": {"audio": {"kind": "spectrogram", "shape": [3, 5], "surprise": 1}}},
        {"missing": [{"sample_id": "s1", "reason": "none", "surprise": 1}]},
        {"shards": [{"name": "shard-00000.parquet"}]},
        {"classes": 5},
    ],
)
def test_a_manifest_with_other_fields_is_refused(tmp_path, change):
    prepare(tmp_path, make_items())
    spoil(tmp_path, **change)
    assert next(iter(change)) in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\x00PAR1"])
def test_garbage_is_no_manifest(tmp_path, content):
    prepare(tmp_path, make_items())
    (tmp_path / "data/mini/manifest.json").write_bytes(content)
    assert "no JSON" in refusal(tmp_path)


def test_the_schema_stands_first_in_the_file(tmp_path):
    prepare(tmp_path, make_items())
    text = (tmp_path / "data/mini/manifest.json").read_text()
    assert text.startswith(f'{{\n "schema": "{SCHEMA}",\n "name": "mini",')
