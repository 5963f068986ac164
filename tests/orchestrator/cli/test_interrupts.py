"""Ctrl-C: once is enough, and twice is not worse."""

import signal
import time

import pytest

from fdsweep.orchestrator.cli import interrupts


@pytest.fixture
def before():
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, found)


def test_a_double_press_is_one_and_a_later_one_counts(before, monkeypatch):
    monkeypatch.setattr(interrupts, "DOUBLE_S", 0.1)
    with interrupts.heard():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.11)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_no_press_disturbs_the_end(before):
    with interrupts.heard() as pressed:
        pressed.end()
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # on the way out of the process too


def test_a_background_job_goes_on_ignoring_it(before):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.heard():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
