"""A storage in S3 that is moto's, on loopback: nothing is on this disk but the cache."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from object_store import BUCKET, KEYS, served

pytest.importorskip("moto")
pytestmark = pytest.mark.slow

STUDY = ["--seeds", "2", "--epochs", "2", "--direction", "accelerometer->gyroscope"]
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def fdsweep(server, tmp_path):
    """Runs a command that can write below `tmp_path` alone: what it came to."""

    def run(*words, **variables):
        program = str(Path(sys.executable).with_name("fdsweep"))
        settings = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
        settings |= {"MLFLOW_TRACKING_URI": NOWHERE, "FDSWEEP_CACHE_DIR": str(tmp_path / "cache")}
        settings |= server.environment | variables
        place = tmp_path / "here"
        place.mkdir(exist_ok=True)
        return subprocess.run(
            [program, *words],
            env=settings,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def storage(server, monkeypatch, tmp_path):
    from fdsweep.search_spaces.storage import Storage

    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return Storage(f"s3://{BUCKET}/{tmp_path.name}")


def test_files_come_and_go(storage):
    assert not storage.exists()
    storage.make_folder("results")  # there are none
    storage.write("results/a.parquet", b"one")
    storage.write("results/a.parquet", b"two!")
    assert storage.read("results/a.parquet") == b"two!"
    assert storage.read_end("results/a.parquet", 2) == b"o!"
    assert b"".join(storage.pieces("results/a.parquet", 3)) == b"two!"
    assert storage.size("results/a.parquet") == storage.stamp("results/a.parquet")[1] == 4
    assert list(storage.listing("")) == ["results/a.parquet"]
    storage.set_aside("results/a.parquet", "garbage")
    assert list(storage.listing("")) == ["damaged/results/a.parquet.damaged"]
    storage.delete_folder("damaged")
    assert storage.listing("") == {}


def test_what_it_refuses_is_one_sentence(server, fdsweep):
    said = {
        "a bucket that is not there": fdsweep("ablation", "--storage", "s3://nobody/runs"),
        "nobody": fdsweep("status", "--storage", f"s3://{BUCKET}/x", AWS_ENDPOINT_URL=NOWHERE),
    }
    server.check_keys(True)
    try:
        said["keys"] = fdsweep("status", "--storage", f"s3://{BUCKET}/x")
        said["keys to write"] = fdsweep("ablation", "--storage", f"s3://{BUCKET}/x")
    finally:
        server.check_keys(False)
    meanings = ("there is no such bucket", "it does not answer", *["the credentials are"] * 2)
    for (name, one), meaning in zip(said.items(), meanings, strict=True):
        assert one.returncode == 2, (name, one.stderr)
        assert one.stdout == "", name
        assert len(one.stderr.splitlines()) == 1, (name, one.stderr)
        assert meaning in one.stderr, (name, one.stderr)


@pytest.mark.ray
def test_a_study_and_a_search_leave_nothing_on_this_disk(server, fdsweep, storage, tmp_path):
    keys = ":".join(quote(key, safe="") for key in KEYS)
    place = ["--storage", storage.root.replace("s3://", f"s3://{keys}@")]
    ray = tmp_path / "ray"
    own = {"RAY_TMPDIR": f"/tmp/fd{os.getpid()}", "AWS_ACCESS_KEY_ID": "", "AWS_PROFILE": ""}
    own["AWS_SECRET_ACCESS_KEY"] = ""
    os.makedirs(own["RAY_TMPDIR"], exist_ok=True)
    ray.symlink_to(own["RAY_TMPDIR"])

    first = fdsweep("compare", "--methods", "kd", *STUDY, *place, "--json", **own)
    assert first.returncode == 0, first.stderr
    kept = storage.listing("")
    again = fdsweep("compare", "--methods", "kd", *STUDY, *place, "--json", **own)
    assert json.loads(again.stdout)["tables"] == json.loads(first.stdout)["tables"]
    results = {x: when for x, when in kept.items() if x.startswith(("results", "teachers"))}
    assert results.items() <= storage.listing("").items()

    words = ["search", "--space", "cutoffs", "--trials", "2", "--tuning-seeds", "1", *STUDY]
    searched = fdsweep(*words, *place, **own)
    assert searched.returncode == 0, searched.stderr
    assert "the search lives in this process, with a copy there" in searched.stderr
    found = fdsweep(*words, "--json", *place, AWS_REGION="us-east-1", **own)
    assert found.returncode == 0, found.stderr
    (journal,) = storage.files("optuna")
    assert journal.size > 0

    assert list((tmp_path / "here").iterdir()) == []
    secret = KEYS[1].encode()
    for said in (first, again, searched, found):
        assert KEYS[1] not in said.stdout + said.stderr
    logs = [path for path in Path(own["RAY_TMPDIR"]).rglob("*") if path.is_file()]
    assert logs
    assert [path for path in logs if secret in path.read_bytes()] == []
    places = [x for x in storage.listing("") if secret in storage.read(x)]
    assert places == []
