"""`prepare` on a miniature CREMA-D in its true format, through Ray."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from miniature import crema_d as miniature
from miniature import importers
from miniature.importers import Deadly, Faulty, Helpless, Mortal, Slow
from ray import cloudpickle

from fdsweep.orchestrator.data import decode
from fdsweep.orchestrator.data.prepare import prepare
from fdsweep.orchestrator.data.text import to_text
from fdsweep.search_spaces.errors import (
    ClusterError,
    ConfigError,
    DataError,
    FdsweepError,
    StorageError,
)
from fdsweep.trainers.datasets.crema_d import CremaD
from fdsweep.trainers.modalities import Extent, Payload
from fdsweep.trainers.preparation.catalog import Options
from fdsweep.trainers.preparation.manifest import load_manifest
from fdsweep.trainers.preparation.reading import read_table

pytestmark = pytest.mark.ray

SHARD_MB = 1.0
HERE = Path(__file__).parent
DRIVER = """
import sys
from pathlib import Path
from miniature import importers
from fdsweep.orchestrator.data.prepare import prepare
from ray import cloudpickle
from fdsweep.trainers.preparation.catalog import Options
cloudpickle.register_pickle_by_value(importers)
prepare(importers.Slow(), Path(sys.argv[1]), sys.argv[2], Options(), shard_mb={mb}, allow_skips=2)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return miniature.build(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def whole(tree, tmp_path_factory, cluster):
    """An uninterrupted preparation: its storage and its manifest."""
    cloudpickle.register_pickle_by_value(importers)  # workers do not see pytest's pythonpath
    storage = tmp_path_factory.mktemp("whole")
    return storage, run(tree.raw, storage)


def run(raw, storage, dataset=None, **changes):
    options = {"shard_mb": SHARD_MB, "allow_skips": 2, **changes}
    chosen = options.pop("options", Options())
    return prepare(dataset or CremaD(), raw, str(storage), chosen, **options)


def contents(storage):
    """Every file of the prepared sets, by its path."""
    return {
        path.relative_to(storage): path.read_bytes()
        for path in (Path(storage) / "data").rglob("*")
        if path.is_file()
    }


def times(storage):
    return {p: p.stat().st_mtime_ns for p in (Path(storage) / "data").rglob("shard-*")}


def test_samples_labels_and_skips_are_those_of_the_tree(whole, tree):
    storage, manifest = whole
    assert manifest == load_manifest(str(storage), "crema-d")
    assert len(manifest.shards) >= 4
    table = read_table(str(storage), manifest, ["sample_id", "label", "group", "split"])
    assert table["sample_id"].to_pylist() == sorted(tree.whole)
    for row in table.to_pylist():
        actor, _, emotion, _ = row["sample_id"].split("_")
        assert (row["group"], row["label"]) == (actor, miniature.LABELS[emotion])
    reasons = {skipped.sample_id: skipped.reason for skipped in manifest.damaged}
    assert set(reasons) == set(tree.damaged)
    assert "Git LFS pointer" in reasons[miniature.POINTED]
    assert [skipped.sample_id for skipped in manifest.missing] == [miniature.PARTNERLESS]
    sizes = [shard.rows for shard in manifest.shards]
    assert max(sizes) - min(sizes) <= 1 + len(tree.damaged)


def test_shards_have_about_the_size_asked_for_before_compression(whole):
    storage, manifest = whole
    for shard in manifest.shards:
        path = storage / "data/crema-d" / manifest.folder / shard.name
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        size = sum(group.total_byte_size for group in groups) / 2**20
        assert 0.6 * SHARD_MB < size < 1.2 * SHARD_MB


def test_the_text_tells_counts_shares_and_skips(whole, tree):
    text = to_text(whole[1])
    assert re.search(r"45 samples in \d+ shards \(\d+\.\d MB\), fingerprint [0-9a-f]{20}", text)
    assert re.search(r"ANG +\d+ +\d+ +\d+", text)
    assert f"1 missing: {miniature.PARTNERLESS}" in text
    assert "2 damaged: " in text
    assert "stand in both" not in text


def test_again_does_nothing_but_say_so(whole, tree, capfd):
    storage, manifest = whole
    before = times(storage)
    capfd.readouterr()
    assert run(tree.raw, storage) == manifest
    assert times(storage) == before
    out, err = capfd.readouterr()
    assert out == ""
    assert "48 samples listed, 47 found" in err
    assert "1 missing (1003_IOM_SAD_XX: no VideoFlash/1003_IOM_SAD_XX.flv)" in err
    assert "crema-d is prepared already; nothing to do" in err


def test_a_killed_driver_leaves_what_an_uninterrupted_one_would(whole, tree, tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parents[1] / 'trainers'}"}
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN"):
        environment.pop(name, None)
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER.format(mb=SHARD_MB), str(tree.raw), str(tmp_path)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(done := list((tmp_path / "data").rglob("shard-*.json"))) < 2:
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    assert not (tmp_path / "data/crema-d/manifest.json").exists()
    (done[0].parent / ".shard-00003.parquet.cut").write_bytes(b"half a shard")
    kept = {path: path.stat().st_mtime_ns for path in done}
    assert len(kept) < len(whole[1].shards)
    assert run(tree.raw, tmp_path, Slow()) == whole[1]
    assert contents(tmp_path) == contents(whole[0])
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_lost_worker_is_told_of_and_the_rest_goes_on_later(whole, tree, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "RETRIES", 0)
    with pytest.raises(ClusterError, match="worker died unexpectedly.*finished shards are kept"):
        run(tree.raw, tmp_path, Deadly())
    assert run(tree.raw, tmp_path) == whole[1]
    assert contents(tmp_path) == contents(whole[0])


def test_a_shard_whose_worker_died_is_made_again(whole, tree, tmp_path):
    assert run(tree.raw, tmp_path, Mortal(tmp_path / "died")) == whole[1]
    assert (tmp_path / "died").exists()
    assert contents(tmp_path) == contents(whole[0])


def test_an_error_for_a_person_comes_back_from_a_worker(whole, tree, tmp_path):
    with pytest.raises(FdsweepError) as error:
        run(tree.raw, tmp_path, Helpless())
    assert type(error.value) is StorageError
    assert str(error.value) == "the disk: is full. Empty it."


def test_a_fault_of_an_importer_keeps_its_traceback(whole, tree, tmp_path):
    with pytest.raises(KeyError, match="in decode\\n(.*\\n)*.*KeyError: 'no such actor'"):
        run(tree.raw, tmp_path, Faulty())


def test_few_shards_are_in_flight_and_all_are_made(whole, tree, tmp_path, monkeypatch):
    import ray

    waiting = []
    wait = ray.wait

    def counted(tasks, **how):
        waiting.append(len(tasks))
        return wait(tasks, **how)

    monkeypatch.setattr(decode, "TASKS_PER_CORE", 1)
    monkeypatch.setattr(ray, "wait", counted)
    assert run(tree.raw, tmp_path) == whole[1]
    cores = int(ray.cluster_resources()["CPU"])
    assert max(waiting) <= cores < len(waiting) == len(whole[1].shards)


def test_more_than_one_percent_damaged_stops_and_keeps_the_shards(whole, tree, tmp_path):
    for allow_skips in (None, 0, 1):
        with pytest.raises(DataError) as error:
            run(tree.raw, tmp_path, allow_skips=allow_skips)
        assert "2 of 47 samples are damaged, more than 1 %" in str(error.value)
        assert f"{miniature.POINTED}: a Git LFS pointer" in str(error.value)
        assert "--allow-skips 2" in str(error.value)
    with pytest.raises(DataError, match="is not prepared"):
        load_manifest(str(tmp_path), "crema-d")
    before = times(tmp_path)
    assert len(before) == 2 * len(whole[1].shards)
    assert run(tree.raw, tmp_path, allow_skips=2) == whole[1]
    assert times(tmp_path) == before


def test_a_repaired_file_is_read_and_other_shards_are_kept(whole, tree, tmp_path):
    raw, storage = tmp_path / "raw", tmp_path / "storage"
    shutil.copytree(tree.raw, raw)
    shutil.copytree(whole[0], storage)
    before = times(storage)
    miniature.write_clip(raw, miniature.POINTED)
    manifest = run(raw, storage, allow_skips=1)
    assert [skipped.sample_id for skipped in manifest.damaged] == [miniature.CUT_OFF]
    assert manifest.rows == whole[1].rows + 1
    assert manifest.fingerprint != whole[1].fingerprint
    changed = {path.stem for path, when in times(storage).items() if when != before[path]}
    assert len(changed) == 1


def test_other_options_replace_the_manifest(whole, tree, tmp_path):
    storage = tmp_path / "storage"
    shutil.copytree(whole[0], storage)
    miniature.write_lists(tmp_path / "lists", tree.clips)
    manifest = run(tree.raw, storage, options=Options(split_dir=tmp_path / "lists"))
    assert manifest == load_manifest(str(storage), "crema-d")
    assert manifest.folder != whole[1].folder
    assert manifest.shared_groups["train/test"] > 0
    assert "groups stand in both train and test" in to_text(manifest)
    assert manifest.options["split_dir"] == str(tmp_path / "lists")


def test_smaller_frames_are_other_data(whole, tree, tmp_path):
    manifest = run(tree.raw, tmp_path, options=Options(frame_side=24))
    assert manifest.payloads["visual"] == Payload("frames", (24,))
    assert manifest.options["frame_side"] == "24"
    assert manifest.fingerprint != whole[1].fingerprint
    frames = 3 * len(tree.whole)
    assert manifest.extent("visual") == Extent(frames, frames * 3 * 24 * 32)
    assert whole[1].extent("visual") == Extent(frames, frames * 3 * 36 * 48)
    table = read_table(str(tmp_path), manifest, ["audio"])
    assert table == read_table(str(whole[0]), whole[1], ["audio"])


def test_more_than_half_missing_stops(tree, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(tree.raw, raw)
    for path in sorted((raw / "VideoFlash").iterdir())[:30]:
        path.unlink()
    with pytest.raises(DataError, match=r"3\d of 48 samples are missing.*Check the path"):
        run(raw, tmp_path)


def test_a_clone_without_its_large_files_says_so(tree, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(tree.raw, raw)
    for path in (raw / "AudioWAV").iterdir():
        path.write_text(miniature.POINTER)
    with pytest.raises(DataError, match="not one of 47 samples can be decoded.*git lfs pull"):
        run(raw, tmp_path)


def test_an_unknown_tree_stops(tmp_path):
    with pytest.raises(DataError, match=r"AudioWAV/\*.wav and VideoFlash/\*.flv was looked for"):
        run(tmp_path, tmp_path)


def test_a_size_that_makes_no_sense(tree, tmp_path):
    with pytest.raises(ConfigError, match="--shard-mb"):
        run(tree.raw, tmp_path, shard_mb=0)
