import pytest

from fdsweep.orchestrator.bulletins import record
from fdsweep.orchestrator.bulletins.record import Bulletin, Training


@pytest.fixture
def clock(monkeypatch):
    """Sets the driver's time."""

    def at(seconds):
        monkeypatch.setattr(record.time, "time", lambda: float(seconds))

    at(1000)
    return at


def trained(clock, reports, **given):
    """A trial that reported (time, seed, epoch of 10, score)."""
    training = Training(name="x", kind="student", **given)
    for seconds, seed, epoch, score in reports:
        clock(seconds)
        training = training.after(epoch, 10, score, "val", seed)
    return training


def test_the_best_is_that_of_the_seed_in_training_and_a_number(clock):
    reports = [(1, 0, 1, 0.9), (2, 1, 1, 0.5), (3, 1, 2, 0.6), (4, 1, 3, 0.4)]
    training = trained(clock, reports, seeds=(0, 1))
    assert (training.seed, training.score, training.best) == (1, 0.4, 0.6)
    training = training.after(4, 10, float("nan"), "val", 1)
    assert (training.score, training.best) == (None, 0.6)
    assert Training.model_validate_json(training.to_text("x").replace('"schema": "x",', "")) == (
        training
    )


def test_a_trial_ends_when_all_its_seeds_do_at_the_pace_of_its_epochs(clock):
    training = trained(clock, [], seeds=(4, 2))
    assert training.seconds_left(1000) is None
    training = trained(clock, [(1020, 4, 1, 0.1)], since=1000.0, seeds=(4, 2))
    assert training.seconds_left(1020) == 19 * 20  # what is known so far: its start is in it
    training = trained(clock, [(1020 + x, 4, 1 + x, 0.1) for x in range(5)], seeds=(4, 2))
    assert training.seconds_left(1024) == 15
    assert training.seconds_left(1030) == 9
    assert training.seconds_left(2000) == 0


def bulletin(**given):
    who = {"sweep": "s", "title": "S", "driver": "d", "host": "h", "machine": "m", "pid": 1}
    return Bulletin(**who, started=1000.0, written=1100.0, **given)


def test_half_a_replicate_counts_as_a_half_but_for_what_an_earlier_try_has_done(clock):
    fresh = trained(clock, [(1, 0, epoch, 0.1) for epoch in range(1, 6)])
    resumed = trained(clock, [(1, 0, epoch, 0.1) for epoch in range(6, 10)])
    assert (fresh.done, fresh.skipped, resumed.done, resumed.skipped) == (0.5, 0.0, 0.9, 0.5)
    found = bulletin(total=10, before=2, done=4, failed=1, pruned=1, trials=(fresh, resumed))
    assert found.ended == 6
    assert found.pace == pytest.approx((4 + 0.5 + 0.4) / 100)
    assert found.ahead == pytest.approx(4 - 1.4)
