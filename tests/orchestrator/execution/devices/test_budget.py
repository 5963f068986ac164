"""Device hours: how they are counted, and that nothing begins once they are spent."""

from types import SimpleNamespace

import pytest

from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources
from fdsweep.orchestrator.execution.devices import meter
from fdsweep.orchestrator.execution.devices.budget import Budget, spell_hours
from fdsweep.orchestrator.execution.devices.meter import Meter
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.turns import InTurn
from fdsweep.search_spaces.errors import ConfigError


def trials(*states):
    return [SimpleNamespace(status=state) for state in states]


@pytest.mark.parametrize("hours", [0.0, -1.0, float("nan")])
def test_no_hours_are_refused(hours):
    with pytest.raises(ConfigError, match="Give more than 0"):
        Budget(hours)


def test_running_trials_use_all_their_devices_and_waiting_ones_none(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=100.0)
    monkeypatch.setattr(meter, "time", clock)
    budget = Budget(1.0)
    counting = Meter(budget, devices=4.0)
    clock.now += 300
    counting.on_step_end(0, trials("RUNNING", "RUNNING", "PENDING"))
    clock.now += 299
    counting.on_step_end(1, trials("RUNNING", "TERMINATED"))
    assert budget.spent == 4 * (2 * 300 + 299)
    assert not budget.is_spent
    clock.now += 1
    counting.on_step_end(2, trials("RUNNING"))
    assert budget.is_spent


def test_without_a_limit_nothing_is_ever_spent():
    budget = Budget(spent=1e12)
    assert not budget.is_spent
    assert budget.words(3) == ""


def test_what_is_left_is_told_only_if_something_is():
    budget = Budget(0.5, spent=2000.0)
    assert budget.words(0) == ""
    assert budget.words(12) == "0.556 of 0.5 device hours are used; replicates left: 12"


def test_hours_have_as_many_digits_as_they_are_worth():
    assert [spell_hours(h) for h in (0.0001234, 1.0, 40.04, 1234.5)] == [
        "0.000123",
        "1",
        "40",
        "1,234",
    ]


def test_nothing_new_begins_and_what_broke_off_goes_on(monkeypatch, tmp_path):
    from fdsweep.orchestrator.execution import retries

    monkeypatch.setattr(retries, "BACK_OFF_S", 0.0)
    budget = Budget(1.0)
    names = iter("abc")
    queue = InTurn(names, Room(plan_resources(ResourceRequest(budget=budget), 8, 0)))
    monkeypatch.setattr(queue, "folder", lambda config: (str(tmp_path), config["trial"]))
    monkeypatch.setattr(queue, "kind", lambda config: "student")
    assert queue.suggest("1") == {"trial": "a"}
    budget.spent = 3600.0
    assert queue.suggest("2") is None
    queue.broke_off("1", "lost")
    assert queue.suggest("3") == {"trial": "a"}
    queue.on_trial_complete("3")
    assert queue.suggest("4") == "FINISHED"
    assert [*names] == ["b", "c"]
