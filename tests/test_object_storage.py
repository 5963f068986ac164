"""A storage in S3 that is moto's, on loopback: nothing is on this disk but the cache."""

import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest
from commands import cluster, surroundings
from object_store import BUCKET, KEYS, served

from fdsweep.orchestrator.tracking.database import identities

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("moto") is None, reason="moto is not installed"),
]

STUDY = ["--seeds", "2", "--epochs", "2", "--direction", "accelerometer->gyroscope"]
NOWHERE = "http://127.0.0.1:9"
PROGRAM = (str(Path(sys.executable).with_name("fdsweep")),)
ONE_PROCESS = (sys.executable, str(Path(__file__).parent / "chaos/calm.py"))
"""The same commands without Ray."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with served(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture
def fdsweep(server, tmp_path):
    """Runs a command that can write below `tmp_path` alone: what it came to."""

    def run(*words, program=PROGRAM, **variables):
        settings = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
        settings["FDSWEEP_CACHE_DIR"] = str(tmp_path / "cache")
        settings |= server.environment | variables
        place = tmp_path / "here"
        place.mkdir(exist_ok=True)
        return subprocess.run(
            [*program, *words],
            env=settings,
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
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
def test_a_search_goes_on_on_another_machine_to_its_report(fdsweep, storage, tmp_path):
    """There through Ray; its report is there for a third."""
    words = ["search", "--space", "cutoffs", "--tuning-seeds", "1", *STUDY]
    place = ["--storage", storage.root]
    first = fdsweep(*words, "--trials", "1", *place, program=ONE_PROCESS)
    assert first.returncode == 0, first.stderr
    assert "the search lives in this process, with a copy there" in first.stderr
    (journal,) = storage.files("optuna")
    caches = [{"FDSWEEP_CACHE_DIR": str(tmp_path / name)} for name in ("another", "third")]
    more = fdsweep(*words, "--trials", "3", *place, **caches[0])
    assert more.returncode == 0, more.stderr
    assert "- 3 of 3 trials: 3 complete." in more.stdout
    report = fdsweep("report", *place, **caches[1])
    assert report.stdout == more.stdout
    (grown,) = storage.files("optuna")
    assert (grown.path, grown.size > journal.size) == (journal.path, True)
    assert list((tmp_path / "here").iterdir()) == []


NODES = """
import sys
from ray.cluster_utils import Cluster

nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes.add_node(num_cpus=1)
nodes.wait_for_nodes()
print(nodes.address, flush=True)
for line in sys.stdin:
    nodes.add_node(num_cpus=1, env_vars={"AWS_ENDPOINT_URL": line.strip()})
    nodes.wait_for_nodes()
    print("there", flush=True)
nodes.shutdown()
"""
"""A cluster whose third node comes with a line, the address of another object storage."""


@pytest.mark.ray
def test_a_cluster_that_is_joined_reaches_it_with_keys_of_its_nodes(fdsweep, server, storage):
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    words = ["compare", "--methods", "kd", *STUDY, "--json", "--storage", storage.root]
    with cluster(NODES, surroundings(**server.environment, **token)) as (nodes, address):
        joined = fdsweep(*words, "--address", address, **token)
        assert joined.returncode == 0, joined.stderr
        assert "waiting for" not in joined.stderr
        print(NOWHERE, file=nodes.stdin, flush=True)
        assert nodes.stdout.readline() == "there\n"
        refused = fdsweep(*words, "--seeds", "3", "--address", address, **token)
    assert refused.returncode == 2, refused.stderr
    (said,) = [line for line in refused.stderr.splitlines() if "from node" in line]
    assert "it does not answer" in said
    alone = fdsweep(*words[:-1], f"{storage.root}-alone", program=ONE_PROCESS)
    assert numbers(joined) == numbers(alone)


def numbers(study):
    """The rows of a study's tables, without the time that they took."""
    rows = [row for table in json.loads(study.stdout)["tables"] for row in table["rows"]]
    assert rows
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.ray
def test_a_study_leaves_nothing_on_this_disk(fdsweep, storage, tmp_path):
    """Its keys stand in the URI, and in no file of Ray's or of the storage."""
    keys = ":".join(quote(key, safe="") for key in KEYS)
    words = ["compare", "--methods", "kd", *STUDY, "--json", "--storage"]
    own = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    with tempfile.TemporaryDirectory(prefix="fd") as ray:  # its sockets need a short path
        first = fdsweep(
            *words, storage.root.replace("s3://", f"s3://{keys}@"), RAY_TMPDIR=ray, **own
        )
        assert first.returncode == 0, first.stderr
        logs = [path for path in Path(ray).rglob("*") if path.is_file()]
        assert logs
        assert [path for path in logs if KEYS[1].encode() in path.read_bytes()] == []
    assert KEYS[1] not in first.stdout + first.stderr
    kept = storage.listing("")
    assert [place for place in kept if KEYS[1].encode() in storage.read(place)] == []

    elsewhere = str(tmp_path / "another")
    again = fdsweep(*words, storage.root, FDSWEEP_CACHE_DIR=elsewhere)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["tables"] == json.loads(first.stdout)["tables"]
    rows = {place: when for place, when in kept.items() if place.startswith("results/")}
    assert len(rows) == 4
    assert rows.items() <= storage.listing("").items()
    assert list((tmp_path / "here").iterdir()) == []

    third = str(tmp_path / "third")
    filled = fdsweep("sync", "--json", "--storage", storage.root, FDSWEEP_CACHE_DIR=third)
    (one,) = json.loads(filled.stdout)["sweeps"]
    databases = [next(tmp_path.glob(f"{x}/mlflow/*/mlflow.db")) for x in ("cache", "third")]
    trained, synced = (identities(path, one["sweep"], "FINISHED") for path in databases)
    assert trained == synced
    assert len(trained) == one["added"] == 6  # two seeds of two rows and of their teacher
