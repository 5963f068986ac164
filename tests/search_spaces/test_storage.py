import errno
import inspect
import os
import pickle
import resource
from datetime import timedelta
from functools import partial

import pytest
from pyarrow import fs

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage, remote, told_if_full, unwritable

PLACE = "reports/mine/notes.md"


@pytest.fixture
def storage(tmp_path):
    return Storage(str(tmp_path / "runs"))


def test_what_is_written_is_read_and_leaves_nothing_beside(storage):
    storage.write_text(PLACE, "grüße")
    storage.write_text(PLACE, "again")
    assert storage.read_text(PLACE) == "again"
    assert list(storage.listing("")) == [PLACE]
    assert storage.size(PLACE) == 5
    storage.delete_file(PLACE)
    assert not storage.exists(PLACE)


def test_constructing_touches_nothing(storage, tmp_path):
    assert not storage.exists()
    assert list(tmp_path.iterdir()) == []
    assert storage.listing("") == {}
    assert storage.files("results") == []


def test_a_storage_can_be_pickled_and_knows_where_it_is_from_any_folder(storage, monkeypatch):
    os.makedirs(storage.root)
    monkeypatch.chdir(storage.root)
    here = Storage(".")
    monkeypatch.chdir("/")
    assert here.root == storage.root
    again = pickle.loads(pickle.dumps(here))
    again.write(PLACE, b"x")
    assert storage.read(PLACE) == b"x"
    assert storage.local(PLACE).read_bytes() == b"x"


def test_options_of_a_uri_stay_behind_the_place():
    storage = Storage("s3://bucket/runs?endpoint_override=127.0.0.1%3A9&scheme=http")
    assert storage.uri("ray/train") == (
        "s3://bucket/runs/ray/train?endpoint_override=127.0.0.1%3A9&scheme=http"
    )
    assert not storage.is_local
    system, path = fs.FileSystem.from_uri(storage.uri(PLACE))
    assert (system.type_name, path) == ("s3", storage.inside(PLACE))
    with pytest.raises(StorageError, match="is not a folder of this machine"):
        storage.local(PLACE)


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("bucket", "endpoint_override=127.0.0.1:9"),
        ("bucket/", "scheme=http&endpoint_override=127.0.0.1%3A9"),
        ("bucket/a/my%20runs/", "endpoint_override=http%3A%2F%2F127.0.0.1%3A9&region=eu-west-1"),
    ],
)
def test_a_place_is_joined_to_the_path_of_a_uri_and_its_options_stay(path, options):
    """What pyarrow reads from a place's URI, Ray opens: the same file system, and the place."""
    storage = Storage(f"s3://{path}?{options}")
    for place in (layout.RAY, layout.RAY_TRAIN, PLACE):
        system, found = fs.FileSystem.from_uri(storage.uri(place))
        assert found == storage.inside(place)
        assert found.endswith(f"/{place}")
        assert system.equals(storage.system)


@pytest.mark.parametrize("secret", ["wJa%2Flr%40x", "wJa/lr@x"])
def test_keys_of_a_uri_go_into_the_environment_alone(secret, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "others")
    storage = Storage(f"s3://AKIA:{secret}@bucket/runs?endpoint_override=127.0.0.1%3A9")
    for text in (storage.root, storage.uri(PLACE), repr(pickle.dumps(storage))):
        assert "AKIA" not in text
        assert "wJa" not in text
    assert storage.root == "s3://bucket/runs?endpoint_override=127.0.0.1%3A9"
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "wJa/lr@x"
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert Storage(storage.root).system is storage.system  # opened once


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("AWS Error ACCESS_DENIED during HeadObject operation: No response body.", "credentials"),
        ("AWS Error INVALID_ACCESS_KEY_ID during ListObjectsV2 operation", "credentials"),
        ("AWS Error UNKNOWN (HTTP status 400): ExpiredToken: gone", "credentials"),
        ("AWS Error NO_SUCH_BUCKET during PutObject operation: gone", "no such bucket"),
        ("Bucket 'b' not found. To create buckets, enable the option", "no such bucket"),
        ("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7", "not answer"),
    ],
)
def test_what_a_server_refuses_is_said_with_what_to_do(said, meaning):
    why, fix = remote.explained(OSError(said))
    assert meaning in why
    assert said.rstrip(".") in why
    assert fix


def test_what_is_unknown_is_told_as_it_is():
    assert remote.explained(OSError("odd.\nmore")) == ("odd", "")


def test_an_unknown_uri_is_one_sentence():
    with pytest.raises(StorageError, match=r"^floppy://a: cannot be used \(.*\)\.$"):
        Storage("floppy://a")


def test_what_cannot_be_read_or_written_is_one_sentence(storage, tmp_path):
    with pytest.raises(StorageError, match=f"{PLACE}: cannot be read"):
        storage.read(PLACE)
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot be written .* Choose another --storage"):
        storage.write(PLACE, b"")
    with pytest.raises(StorageError, match=r"cannot be written .* Choose another --storage"):
        storage.make_folder("results")


def test_a_write_that_breaks_off_leaves_nothing_behind(storage):
    storage.write_text(PLACE, "whole")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot be written \(.*File too large"):
            storage.write(PLACE, b"x" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(storage.listing("")) == [PLACE]
    assert storage.read_text(PLACE) == "whole"


def test_a_storage_without_room_is_one_sentence():
    def fill():
        with told_if_full("runs"), open("/dev/full", "w") as full:
            full.write("x")

    with pytest.raises(StorageError, match=r"^runs: .* is full \(.*\)\. Make room"):
        fill()
    error = unwritable("runs", OSError(errno.ENOSPC, "No space left"))
    assert "Make room there" in str(error)
    assert "another --storage" in str(unwritable("runs", OSError(errno.EACCES, "no")))


def test_a_lock_is_had_by_one(storage):
    with storage.locked("locks/one.lock"):
        again = Storage(storage.root)
        with pytest.raises(StorageError, match="another process has held"):
            again.locked("locks/one.lock", patience=0.01).__enter__()
    with storage.locked("locks/one.lock", patience=0.01):
        pass


def test_folders_are_deleted_whole_and_may_be_missing(storage):
    storage.write_text("ray/train/a/b", "x")
    storage.write_text("ray/other", "x")
    storage.delete_folder("ray/train")
    storage.delete_folder("ray/train")
    assert list(storage.listing("")) == ["ray/other"]


def test_no_two_places_of_the_layout_are_the_same():
    functions = dict(inspect.getmembers(layout, inspect.isfunction))
    places = [
        function(*(7 if one == "seed" else one for one in inspect.signature(function).parameters))
        for function in functions.values()
    ]
    assert len(set(places)) == len(places) >= 10
    assert not any(place.startswith("/") or "//" in place for place in places)


NOWHERE = "gs://anonymous@bucket/runs?endpoint_override=127.0.0.1:9&scheme=http"


def test_a_place_in_google_cloud_storage_is_found_and_not_asked_for_long():
    storage = Storage("gs://bucket/runs?location=EU")
    assert (storage.root, storage.is_flat) == ("gs://bucket/runs?location=EU", True)
    assert storage.inside("results/a") == "bucket/runs/results/a"
    assert storage.uri("results/a") == "gs://bucket/runs/results/a?location=EU"
    for root, seconds in {"gs://bucket": 20, "gcs://bucket/a?retry_limit_seconds=5": 5}.items():
        _, (settings,) = Storage(root).system.__reduce__()
        assert settings["retry_time_limit"] == timedelta(seconds=seconds)


@pytest.mark.parametrize(("keys", "said"), [("gone.json", "Cannot open"), ("odd.json", "Unsupp")])
def test_keys_that_google_cannot_use_are_one_sentence(keys, said, monkeypatch, tmp_path):
    (tmp_path / "odd.json").write_text('{"type": "odd"}')
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / keys))
    storage = Storage("gs://bucket/runs")
    for ask in (storage.exists, partial(storage.read, "a"), partial(storage.write, "a", b"a")):
        with pytest.raises(StorageError, match=f"missing or refused: {said}") as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_google_cloud_storage_that_does_not_answer_is_one_sentence():
    with pytest.raises(StorageError, match="it does not answer: .*connect to server"):
        Storage(f"{NOWHERE}&retry_limit_seconds=0.1").exists()
