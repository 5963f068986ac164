"""What is written behind a driver's back: in order, told when it is done, and all of it."""

import threading
import time

import pytest

from fdsweep.orchestrator.writer import WAITING, Writer
from fdsweep.search_spaces.errors import StorageError

REFUSED = StorageError("the storage is full", "runs", "Make room there")


def test_who_gives_does_not_wait_and_is_told_in_its_own_thread_what_is_done():
    gate, written, told = threading.Event(), [], []

    def write(number):
        gate.wait()
        written.append((number, threading.current_thread().name))

    with Writer() as writer:
        for number in range(5):
            writer.submit(
                lambda number=number: write(number),
                lambda number=number: told.append((number, threading.current_thread())),
            )
        writer.step()
        assert not told
        gate.set()
        writer.flush()
        assert told == [(number, threading.current_thread()) for number in range(5)]
    assert written == [(number, "writer") for number in range(5)]


def test_so_many_wait_and_no_more():
    gate, given = threading.Event(), []

    def give(writer):
        for number in range(WAITING + 5):
            writer.submit(gate.wait)
            given.append(number)

    with Writer() as writer:
        giver = threading.Thread(target=give, args=(writer,))
        giver.start()
        giver.join(0.05)
        assert giver.is_alive()
        assert len(given) <= WAITING + 1  # one is at work
        gate.set()
        giver.join()
        writer.flush()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_ends_the_work_all_is_written_and_told(error):
    written, told = [], []

    def slow(number):
        time.sleep(0.01)
        written.append(number)

    def work():
        with Writer() as writer:
            for number in range(5):
                writer.submit(lambda number=number: slow(number), lambda: told.append("one"))
            raise error

    with pytest.raises(error):
        work()
    assert (written, len(told)) == ([0, 1, 2, 3, 4], 5)


def test_what_the_storage_refuses_is_tried_again():
    refusals, written = [REFUSED, REFUSED], []

    def write():
        if refusals:
            raise refusals.pop()
        written.append("all of it")

    with Writer(pauses=(0.01, 0.01)) as writer:
        writer.submit(write)
    assert written == ["all of it"]


@pytest.mark.parametrize("error", [REFUSED, ValueError("a fault of ours")])
def test_what_fails_for_good_ends_the_work_and_nothing_is_done_after_it(error):
    done, told = [], []

    def fail():
        raise error

    def work():
        with Writer(pauses=(0.01,)) as writer:
            writer.submit(lambda: done.append("before"), lambda: told.append("before"))
            writer.submit(fail, lambda: told.append("never"))
            for _ in range(2 * WAITING):
                writer.submit(lambda: done.append("after"), lambda: told.append("after"))
            while True:
                writer.step()
                time.sleep(0.01)

    with pytest.raises(type(error)) as raised:
        work()
    assert raised.value is error
    assert (done, told) == (["before"], ["before"])


def test_a_failure_takes_no_interruption_s_place():
    def fail():
        raise REFUSED

    def work():
        with Writer(pauses=()) as writer:
            writer.submit(fail)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
