"""Ctrl-C, or SIGTERM: once is enough, and twice is not worse."""

import signal
import time

import pytest

from fdsweep.orchestrator.cli import interrupts


@pytest.fixture
def before():
    found = {number: signal.getsignal(number) for number in interrupts.HEARD}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in found.items():
        signal.signal(number, handler)


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


def test_what_a_scheduler_sends_is_heard_as_ctrl_c_is(before):
    found = signal.getsignal(signal.SIGTERM)
    with interrupts.heard() as heard:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        heard.end()
        signal.raise_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, found)
    with interrupts.heard():
        pass
    assert signal.getsignal(signal.SIGTERM) is found


def test_no_press_disturbs_the_end(before):
    with interrupts.heard() as pressed:
        pressed.end()
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)  # on the way out of the process too


def test_a_background_job_goes_on_ignoring_it(before):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.heard():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
