"""A lost cluster interrupts the main thread; nothing is started here."""

import multiprocessing
import os
import signal
import sys
import time

import pytest

from fdsweep.orchestrator.execution.driver.watch import Watch, attended
from fdsweep.search_spaces.errors import LostClusterError, StorageError


def told_by(*answers):
    """What says these one after the other, and the last for ever."""
    left = list(answers)

    def fault():
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fault


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])
def test_a_sleeping_main_thread_is_woken_even_where_ctrl_c_is_ignored(before):
    found = signal.signal(signal.SIGINT, before)
    try:
        start = time.monotonic()
        with (
            pytest.raises(LostClusterError, match=r"gone \(its raylet ended\)"),
            attended(Watch(told_by("", "its raylet ended"), poll=0.01)),
        ):
            time.sleep(10)
        assert time.monotonic() - start < 5
        assert signal.getsignal(signal.SIGINT) == before
    finally:
        signal.signal(signal.SIGINT, found)


def test_a_head_may_be_silent_for_a_while_and_no_longer():
    silent = ConnectionError("no answer")
    with attended(Watch(told_by(silent, silent, ""), poll=0.01, grace=0.5)):
        time.sleep(0.1)
    with (
        pytest.raises(LostClusterError, match="not answered"),
        attended(Watch(told_by("", silent), poll=0.01, grace=0.05)),
    ):
        time.sleep(10)


def deaf(heard):
    """A main thread whose cluster is lost, and that no signal reaches."""
    os.dup2(heard, sys.stderr.fileno())
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    with attended(Watch(lambda: "its raylet ended", poll=0.01, patience=0.1)):
        time.sleep(60)


def test_a_main_thread_that_takes_no_notice_is_not_waited_for(tmp_path):
    with open(tmp_path / "heard", "w") as heard:
        main = multiprocessing.get_context("fork").Process(target=deaf, args=[heard.fileno()])
        main.start()
        main.join(timeout=50)
    said = (tmp_path / "heard").read_text()
    assert main.exitcode == 1
    assert "fdsweep: the Ray cluster is gone (its raylet ended)" in said
    assert "The same command goes on" in said


def test_what_ray_says_of_a_lost_cluster_is_not_the_users_concern():
    with pytest.raises(LostClusterError), attended(Watch(told_by("its gcs_server ended"), poll=9)):
        raise RuntimeError("Ray's own words")
    with pytest.raises(RuntimeError), attended(Watch(told_by(""), poll=9)):
        raise RuntimeError("a fault of ours")
    with pytest.raises(StorageError), attended(Watch(told_by("its raylet ended"), poll=9)):
        raise StorageError("is full")


def test_ctrl_c_stays_what_it_was():
    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # which a background job lacks
    try:
        with pytest.raises(KeyboardInterrupt), attended(Watch(told_by(""), poll=0.01)):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, found)
