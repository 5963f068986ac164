"""Leases between processes; the drivers are forks of this one, which know nothing of each other."""

import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest

from fdsweep.orchestrator.execution import leases as module
from fdsweep.orchestrator.execution.leases import Leases, may_be_trained
from fdsweep.search_spaces.storage import Storage

NAMES = [f"key-{seed}" for seed in range(8)]
LONG_AGO = (0, 0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(module, "POLL_S", 0.01)


@pytest.fixture
def storage(tmp_path):
    return Storage(str(tmp_path))


@pytest.fixture
def fork():
    """Starts a function in a process of its own, which is killed at the end."""
    started = []

    def start(function, *arguments):
        context = multiprocessing.get_context("fork")
        one, other = context.Pipe()
        process = context.Process(target=function, args=(other, *arguments))
        process.start()
        started.append(process)
        return SimpleNamespace(pipe=one, process=process)

    yield start
    for process in started:
        process.kill()
        process.join()


def hold(pipe, storage, names):
    """A driver that takes `names`, says which it got, and holds them until it hears a word."""
    with Leases(storage) as leases:
        pipe.recv()
        pipe.send([name for wanted in names for name in leases.take([wanted])])
        pipe.recv()
    pipe.send("freed")


def taken(driver):
    driver.pipe.send("take")
    return driver.pipe.recv()


def end(driver):
    driver.pipe.send("end")
    assert driver.pipe.recv() == "freed"


def test_of_several_drivers_that_want_the_same_each_name_goes_to_one(storage, fork):
    drivers = [fork(hold, storage, NAMES) for _ in range(3)]
    for driver in drivers:
        driver.pipe.send("take")
    got = [name for driver in drivers for name in driver.pipe.recv()]
    assert sorted(got) == NAMES
    for driver in drivers:
        end(driver)
    assert Leases(storage).take(NAMES) == NAMES


def test_what_a_driver_holds_is_waited_for_and_free_at_its_end(storage, fork):
    driver = fork(hold, storage, NAMES[:2])
    assert taken(driver) == NAMES[:2]
    with Leases(storage) as leases:
        assert leases.take(NAMES[:3]) == NAMES[2:3]
        assert f"process {driver.process.pid} on " in leases.holder(NAMES[0])
        assert leases.holder("another") == ""
        end(driver)
        leases.wait(NAMES[:2])
        assert leases.take(NAMES[:2]) == NAMES[:2]
        leases.free(NAMES[:1])
        assert leases.take(NAMES[:2]) == NAMES[:1]
    assert not list(storage.local("locks/leases").glob("key*"))


def test_what_has_no_lease_is_not_trained_where_there_are_leases(storage):
    may_be = may_be_trained(storage.root)
    assert not may_be(("key", "0"))
    assert may_be(("trial", ""))  # of a search: whoever has it says otherwise
    assert not may_be_trained(storage.root, trials=False)(("trial", ""))
    assert may_be_trained("s3://bucket/runs?region=eu-west-1")(("key", "0"))


def test_a_killed_driver_of_this_machine_holds_nothing(storage, fork):
    driver = fork(hold, storage, NAMES)
    assert taken(driver) == NAMES
    may_be = may_be_trained(storage.root)
    assert may_be(("key", "0"))
    driver.process.kill()
    driver.process.join()
    assert not may_be(("key", "0"))
    with Leases(storage) as leases:
        leases.wait(NAMES)
        assert leases.take(NAMES) == NAMES


def test_a_stopped_driver_loses_its_leases_and_frees_none_of_the_heirs(storage, fork):
    """Its heart no longer beats, though its process is there: as on a machine out of reach."""
    driver = fork(hold, storage, NAMES[:1])
    assert taken(driver) == NAMES[:1]
    os.kill(driver.process.pid, signal.SIGSTOP)
    with Leases(storage) as leases:
        assert leases.take(NAMES[:1]) == []
        os.utime(storage.local(f"locks/leases/{NAMES[0]}"), LONG_AGO)
        leases.wait(NAMES[:1])
        assert leases.take(NAMES[:1]) == NAMES[:1]
        os.kill(driver.process.pid, signal.SIGCONT)
        end(driver)
        assert leases.holds(NAMES[0])


def test_a_beating_heart_keeps_leases(storage):
    with Leases(storage, heartbeat=0.01) as one, Leases(storage) as other:
        one.take(NAMES[:1])
        lease = storage.local(f"locks/leases/{NAMES[0]}")
        os.utime(lease, LONG_AGO)
        while lease.stat().st_mtime == 0:
            time.sleep(0.01)
        assert other.take(NAMES[:1]) == []


def test_age_is_told_by_the_clock_of_the_file_system(storage, monkeypatch):
    """Neither the time of this machine nor that of another plays a part."""
    with Leases(storage) as one, Leases(storage) as other:
        one.take(NAMES[:2])
        os.utime(storage.local(f"locks/leases/{NAMES[0]}"), LONG_AGO)
        monkeypatch.setattr(time, "time", lambda: 1e12)
        assert other.take(NAMES[:2]) == NAMES[:1]
        assert not one.holds(NAMES[0])
        one.free(NAMES[:1])
        assert other.holds(NAMES[0])


OF_ANOTHER_MACHINE = '{"machine": "another", "pid": 1, "host": "there"}'


@pytest.mark.parametrize("content", ["", "{", "[]", OF_ANOTHER_MACHINE])
def test_a_lease_that_says_nothing_useful_is_held_until_it_expires(storage, content):
    with Leases(storage) as leases:
        storage.write_text(f"locks/leases/{NAMES[0]}", content)
        assert leases.take(NAMES[:1]) == []
        os.utime(storage.local(f"locks/leases/{NAMES[0]}"), LONG_AGO)
        assert leases.take(NAMES[:1]) == NAMES[:1]


def test_nothing_is_leased_in_object_storage():
    with Leases(Storage("mock:///runs")) as one, Leases(Storage("mock:///runs")) as other:
        assert one.take(NAMES) == other.take(NAMES) == NAMES
        assert one.holds(NAMES[0])
        one.wait(NAMES)
        assert one.holder(NAMES[0]) == ""
        one.free(NAMES)
