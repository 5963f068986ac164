"""Copies of what lies far away: made once, checked, and the oldest go first."""

import hashlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.storage import Storage, cache
from fdsweep.search_spaces.storage.cache import Cache

PLACE = "data/mini/shard"


@pytest.fixture
def far(tmp_path):
    """A storage that is no folder of this machine, as far as it tells."""
    storage = Storage(f"fsspec+file://{tmp_path}/far")
    assert not storage.is_local
    storage.write(PLACE, b"content")
    return storage


@pytest.fixture
def near(tmp_path):
    return Cache(tmp_path / "near", 100)


def digest(content):
    return hashlib.sha256(content).hexdigest()


def copies(near):
    return sorted(path for path in near.folder.glob("??/*") if not path.name.startswith(".lock"))


def test_what_is_far_is_fetched_once(far, near):
    known = digest(b"content")
    assert near.find(far, PLACE, known) is None
    path = near.fetch(far, PLACE, known)
    assert path.read_bytes() == b"content"
    far.delete_file(PLACE)
    assert near.find(far, PLACE, known) == near.fetch(far, PLACE, known) == path
    assert copies(near) == [path]


def test_what_has_no_digest_is_known_by_its_time(far, near):
    old = near.fetch(far, PLACE)
    assert near.fetch(far, PLACE) == old
    far.write(PLACE, b"another content")
    assert near.fetch(far, PLACE).read_bytes() == b"another content"


def test_a_damaged_copy_is_fetched_again(far, near, monkeypatch):
    path = near.fetch(far, PLACE)
    path.write_bytes(b"garbage")
    monkeypatch.setattr(cache, "_seen_whole", set())  # as in another process
    assert near.find(far, PLACE) is None
    assert near.fetch(far, PLACE).read_bytes() == b"content"


def test_what_is_not_as_it_should_be_is_not_copied(far, near):
    assert near.fetch(far, PLACE, digest(b"other")) is None
    assert near.fetch(far, "nowhere") is None
    far.write("large", bytes(101))
    assert near.fetch(far, "large") is None
    assert copies(near) == []


def test_what_was_used_longest_ago_goes_first(far, near):
    paths = []
    for i in range(3):
        far.write(f"{i}", bytes([i]) * 40)
        paths.append(near.fetch(far, f"{i}"))
        os.utime(paths[-1], (i, i))
        if i == 1:
            assert near.find(far, "0") == paths[0]
    assert copies(near) == sorted([paths[0], paths[2]])


def test_what_a_dead_process_was_fetching_goes(far, near):
    left = near.folder / "ab" / f"{cache.PART}1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    path = near.fetch(far, PLACE)
    assert left.exists()
    path.unlink()
    os.utime(left, (0, 0))
    near.fetch(far, PLACE)
    assert not left.exists()


def test_a_cache_that_cannot_be_is_said_once_and_not_needed(far, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "file"))
    assert [cache.read(far, PLACE) for _ in range(2)] == [b"content"] * 2
    assert capsys.readouterr().err.count("the cache cannot be used") == 1


def test_a_local_storage_has_none(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.FOLDER, str(tmp_path / "near"))
    storage = Storage(str(tmp_path / "here"))
    storage.write(PLACE, b"content")
    assert cache.read(storage, PLACE) == b"content"
    assert not (tmp_path / "near").exists()


def test_the_variables_say_where_and_how_much(monkeypatch, tmp_path):
    for name in (cache.FOLDER, cache.GIGABYTES):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Cache.here() == Cache(tmp_path / "fdsweep", 50_000_000_000)
    assert cache.chosen() == {}
    cache.choose(str(tmp_path / "other"), 0.5)
    assert Cache.here() == Cache(tmp_path / "other", 500_000_000)
    assert set(cache.chosen()) == {cache.FOLDER, cache.GIGABYTES}
    for wrong in ("-1", "nan", "inf", "much"):
        monkeypatch.setenv(cache.GIGABYTES, wrong)
        with pytest.raises(ConfigError, match="--cache-gb"):
            Cache.here()


NAMES = ("ab12345678", "cd12345678", "ef12345678")


@pytest.fixture
def roomy(near, monkeypatch):
    """A cache on a disk that is never too full."""
    monkeypatch.setattr(cache, "MIN_FREE", 0.0)
    return near


def test_what_was_computed_is_kept_once(roomy):
    assert roomy.recall(NAMES[0]) is None
    roomy.keep(NAMES[0], b"first")
    roomy.keep(NAMES[0], b"another")
    assert roomy.recall(NAMES[0]) == b"first"
    assert len(copies(roomy)) == 1


def test_what_was_computed_counts_beside_the_copies(roomy, far):
    far.write("0", bytes(40))
    copy = roomy.fetch(far, "0")
    for number, name in enumerate(NAMES[:2]):
        roomy.keep(name, bytes([number]) * 30)
    os.utime(copy, (0, 0))
    assert roomy.recall(NAMES[0]) == bytes(30)  # used just now
    os.utime(next(roomy.folder.glob(f"??/{NAMES[1]}-*")), (1, 1))
    roomy.keep(NAMES[2], bytes(60))
    assert [roomy.recall(name) is not None for name in NAMES] == [True, False, True]
    assert not copy.exists()


def test_small_files_are_not_counted_each_time(roomy, monkeypatch):
    counted = []
    monkeypatch.setattr(Cache, "_make_room", lambda *_: counted.append(1))
    large = Cache(roomy.folder, 100_000)
    for digit in "0123456789abcdef":
        large.keep(f"{digit}000000000", bytes(100))
    assert len(counted) == 2  # a hundred bytes are a tenth of the slack


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_what_is_damaged_is_computed_again(roomy, content):
    roomy.keep(NAMES[0], b"first")
    copies(roomy)[0].write_bytes(content)
    assert roomy.recall(NAMES[0]) is None
    roomy.keep(NAMES[0], b"first")
    assert roomy.recall(NAMES[0]) == b"first"


def test_there_is_no_room_for_too_much_nor_on_a_full_disk(roomy, monkeypatch):
    roomy.keep(NAMES[0], bytes(101))
    Cache(roomy.folder, 0).keep(NAMES[0], b"x")
    assert not roomy.folder.exists()
    monkeypatch.setattr(cache, "MIN_FREE", 1.0)
    roomy.keep(NAMES[0], b"x")
    assert roomy.recall(NAMES[0]) is None
    assert not copies(roomy)


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    broken = Cache(tmp_path / "file", 100)
    for name in NAMES:
        broken.keep(name, b"x")
        assert broken.recall(name) is None
    assert capsys.readouterr().err.count("what it lacks is computed") == 1


FETCH = """
import sys
from pathlib import Path
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.storage.cache import Cache
near, far = Cache(Path(sys.argv[1]), 1000), Storage(sys.argv[2])
for _ in range(20):
    for i in range(5):
        path = near.fetch(far, str(i))
        try:
            assert path.read_bytes() == bytes([i]) * 300
        except FileNotFoundError:
            pass  # another process has made room
"""


@pytest.mark.slow
def test_two_processes_share_one(far, near):
    for i in range(5):
        far.write(str(i), bytes([i]) * 300)
    command = [sys.executable, "-c", FETCH, str(near.folder), far.root]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=60)
        assert (one.returncode, said) == (0, "")
    assert 0 < len(copies(near)) <= 3


KEEP = """
import sys
from pathlib import Path
from fdsweep.search_spaces.storage import cache
cache.MIN_FREE = 0.0
near = cache.Cache(Path(sys.argv[1]), 1000)
for _ in range(30):
    for i in range(5):
        name, content = f"{i}a12345678", bytes([i]) * 300
        found = near.recall(name)
        assert found in (None, content)
        if found is None:
            near.keep(name, content)
"""


@pytest.mark.slow
def test_two_processes_keep_at_once(near):
    command = [sys.executable, "-c", KEEP, str(near.folder)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for one in both:
        _, said = one.communicate(timeout=60)
        assert (one.returncode, said) == (0, "")
    assert 0 < len(copies(near)) <= 3


def test_threads_that_want_the_same_fetch_it_once(far, near, monkeypatch):
    fetched = []
    download = cache._download

    def slowly(*given):
        fetched.append(given)
        time.sleep(0.05)
        return download(*given)

    monkeypatch.setattr(cache, "_download", slowly)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: near.fetch(far, PLACE), range(4)))
    assert len(found) == len(fetched) == 1
