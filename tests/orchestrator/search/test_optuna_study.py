"""An Optuna study that proposes points: no Ray, no training, real storages."""

import itertools
import math

import optuna
import pytest
from optuna.trial import TrialState

from fdsweep.orchestrator.search import optuna_study
from fdsweep.orchestrator.search.optuna_study import Problem, Proposer
from fdsweep.orchestrator.search.pruners import PRUNERS
from fdsweep.orchestrator.search.samplers import SAMPLERS
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import Space, dimensions

DEFAULTS = {"low": 1.0, "high": 1.0, "kind": "a"}
RANGES = {
    "low": {"low": 0.1, "high": 1000, "log": True},
    "high": {"low": 0.1, "high": 1000, "log": True},
}
LETTERS = {"kind": {"choices": ["a", "b", "c", "d"]}}


def problem(parameters=RANGES, constraints=(), steps=(), objectives=("maximize",), known=None):
    space = Space(space="test", title="Test", parameters=parameters, constraints=tuple(constraints))
    return Problem(
        dimensions=dimensions(space, "test", DEFAULTS),
        constraints=space.constraints,
        defaults=DEFAULTS,
        objectives=objectives,
        rungs=steps,
        key_of=lambda point: content_key(**{**DEFAULTS, **point}),
        look_up=known or (lambda point: None),
    )


@pytest.fixture
def storage(tmp_path):
    return optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optuna.db")


@pytest.fixture
def memory():
    return optuna.storages.InMemoryStorage()


def value(point):
    point = {**DEFAULTS, **point}
    return -((math.log10(point["low"]) - 1) ** 2) - (math.log10(point["high"]) + 0.5) ** 2


def finish(proposer):
    """Answer all that is proposed; the points in order."""
    points = []
    while proposal := proposer.ask():
        points.append(proposal.point)
        proposer.tell(proposal, values=(value(proposal.point),), epochs=2, seconds=0.5)
    return points


def states(proposer):
    return [trial.state.name for trial in proposer.trials()]


def test_a_study_has_exactly_its_trials_and_starts_at_the_defaults(memory):
    proposer = Proposer(memory, "one", problem(), 12)
    points = finish(proposer)
    assert len(points) == 12
    assert states(proposer) == ["COMPLETE"] * 12
    assert proposer.is_done
    assert points[0] == {"low": 1.0, "high": 1.0}
    again = Proposer(memory, "one", problem(), 12)
    assert again.ask() is None
    assert [t.params for t in again.trials()] == points
    assert len(finish(Proposer(memory, "one", problem(), 15))) == 3


def test_no_default_is_tried_where_the_space_does_not_hold_it(memory):
    far = {"low": {"low": 10.0, "high": 100.0}}
    assert finish(Proposer(memory, "far", problem(far), 1))[0]["low"] >= 10


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_stays_in_the_space_and_repeats_itself(sampler):
    def searched():
        memory = optuna.storages.InMemoryStorage()
        return finish(Proposer(memory, "same", problem({**RANGES, **LETTERS}), 11, sampler))

    points = searched()
    assert all(0.1 <= point[name] <= 1000 for point in points for name in ("low", "high"))
    assert {point["kind"] for point in points} <= set("abcd")
    assert sampler == "gp" or points == searched()  # fitting a process takes seconds


@pytest.mark.slow
def test_what_a_dead_driver_left_is_proposed_again_before_anything_new(storage):
    first = Proposer(storage, "killed", problem(), 6)
    lost = [first.ask(), first.ask(), first.ask()]
    first.tell(lost[1], values=(0.5,))
    second = Proposer(storage, "killed", problem(), 6)
    found = [second.ask(), second.ask()]
    assert found == [lost[0], lost[2]]
    for proposal in found:
        second.tell(proposal, values=(0.1,))
    finish(second)
    assert states(second) == ["COMPLETE"] * 6
    assert [t.number for t in second.trials()] == list(range(6))


def test_a_driver_may_die_before_a_trial_has_all_its_parameters(memory):
    whole = Proposer(memory, "half", problem(), 3)
    finish(whole)
    trial = whole.study.ask()
    half = {"low": trial.suggest_float("low", 0.1, 1000, log=True)}
    proposer = Proposer(memory, "half", problem(), 4)
    proposal = proposer.ask()
    assert proposal.number == trial.number
    assert proposal.point["low"] == half["low"]
    assert proposal.point.keys() == {"low", "high"}
    proposer.tell(proposal, values=(0.0,))
    assert proposer.ask() is None


def test_a_killed_random_search_ends_with_the_points_of_one_that_was_not(memory):
    whole = finish(Proposer(optuna.storages.InMemoryStorage(), "random", problem(), 9, "random"))
    first = Proposer(memory, "random", problem(), 9, "random")
    for _ in range(4):
        first.tell(first.ask(), values=(0.0,))
    first.ask()
    second = Proposer(memory, "random", problem(), 9, "random")
    finish(second)
    assert [trial.params for trial in second.trials()] == whole


def test_studies_on_one_storage_never_mix(memory):
    left = Proposer(memory, "left", problem(), 4, "random")
    right = Proposer(memory, "right", problem(), 4, "random")
    points = {"left": [], "right": []}
    for _ in range(4):
        for name, proposer in (("left", left), ("right", right)):
            proposal = proposer.ask()
            points[name].append(proposal.point)
            proposer.tell(proposal, values=(0.0,))
    assert [trial.params for trial in left.trials()] == points["left"]
    assert [trial.params for trial in right.trials()] == points["right"]
    assert points["left"][1:] != points["right"][1:]


def test_a_repeated_point_is_answered_and_not_trained(memory):
    proposer = Proposer(memory, "letters", problem(LETTERS), 15, "random")
    trained = finish(proposer)
    kinds = [point["kind"] for point in trained]
    assert len(kinds) == len(set(kinds)) <= 4
    assert states(proposer) == ["COMPLETE"] * 15
    sources = [trial.user_attrs["source"] for trial in proposer.trials()]
    assert sources.count("trained") == len(kinds)
    assert set(sources) == {"trained", "repeated"}
    values = {(t.params["kind"], t.values[0]) for t in proposer.trials()}
    assert len(values) == len(kinds)
    assert sum(t.user_attrs["epochs"] for t in proposer.trials()) == 2 * len(kinds)


def test_a_point_in_training_is_not_trained_beside_itself(memory):
    proposer = Proposer(memory, "echo", problem(LETTERS), 10, "random")
    running = list(iter(proposer.ask, None))
    assert len({proposal.key for proposal in running}) == len(running) <= 4
    assert states(proposer) == ["RUNNING"] * 10
    for place, proposal in enumerate(running):
        proposer.tell(proposal, values=(float(place),))
    assert states(proposer) == ["COMPLETE"] * 10


@pytest.mark.parametrize("how", ["pruned", "failed"])
def test_a_repeated_point_ends_as_the_first_one_did(memory, how):
    proposer = Proposer(memory, "bad", problem(LETTERS, steps=(1,)), 6, "random")
    while proposal := proposer.ask():
        proposer.report(proposal, 1, 0.25)
        proposer.tell(proposal, error="NaN" if how == "failed" else "", epochs=1)
    state = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}[how]
    assert [trial.state for trial in proposer.trials()] == [state] * 6
    repeated = [t for t in proposer.trials() if t.user_attrs["source"] == "repeated"]
    assert repeated
    if how == "failed":
        assert {trial.user_attrs["error"] for trial in repeated} == {"NaN"}
    else:
        assert all(trial.intermediate_values == {1: 0.25} for trial in repeated)


def test_what_is_stored_answers_a_point(memory):
    def known(point):
        return (0.75,) if point["kind"] == "b" else None

    proposer = Proposer(memory, "stored", problem(LETTERS, known=known), 20, "random")
    trained = finish(proposer)
    assert "b" not in {point["kind"] for point in trained}
    stored = [t for t in proposer.trials() if t.params["kind"] == "b"]
    assert stored
    assert all(trial.values == [0.75] for trial in stored)
    assert stored[0].user_attrs["source"] == "results"


def test_points_outside_the_constraints_are_neither_trained_nor_counted(memory):
    proposer = Proposer(memory, "bound", problem(constraints=["low <= high"]), 25, "random")
    points = finish(proposer)
    assert len(points) == 25
    assert all(point["low"] <= point["high"] for point in points)
    assert len(proposer.trials()) == 25
    assert proposer.infeasible() > 5
    assert len(proposer.study.trials) == 25 + proposer.infeasible()


def test_constraints_that_leave_no_room_are_told(memory, monkeypatch):
    monkeypatch.setattr(optuna_study, "MAX_REJECTED", 50)
    impossible = problem(constraints=["low >= 100000"])
    with pytest.raises(ConfigError, match="50 points in a row"):
        Proposer(memory, "none", impossible, 3, "random").ask()


def test_the_pruner_is_asynchronous_successive_halving(memory):
    """Against the rule itself: of those that reached a rung so far, the best third goes on."""
    proposer = Proposer(memory, "asha", problem(steps=(1, 3)), 27, "random")
    seen = {1: [], 3: []}
    reached = []
    for value_at in itertools.islice(itertools.cycle((0.3, 0.7, 0.1, 0.9, 0.5, 0.2, 0.8)), 27):
        proposal = proposer.ask()
        for epoch in range(1, 6):
            value_here = value_at + 0.01 * epoch - 0.001 * proposal.number
            go_on = proposer.report(proposal, epoch, value_here)
            if epoch in seen:
                seen[epoch].append(value_here)
                best = sorted(seen[epoch], reverse=True)[: max(1, len(seen[epoch]) // 3)]
                assert go_on == (value_here in best)
            assert go_on or epoch in seen
            if not go_on:
                break
        reached.append(epoch)
        proposer.tell(proposal, values=(value_here,) if epoch == 5 else (), epochs=epoch)
    assert set(reached) == {1, 3, 5}
    expected = {1: "PRUNED", 3: "PRUNED", 5: "COMPLETE"}
    assert states(proposer) == [expected[epoch] for epoch in reached]


def test_pruning_goes_on_across_drivers(memory):
    first = Proposer(memory, "rung", problem(steps=(1,)), 9, "random")
    for level in (0.9, 0.8, 0.7):
        proposal = first.ask()
        first.tell(proposal, values=(level,) if first.report(proposal, 1, level) else ())
    second = Proposer(memory, "rung", problem(steps=(1,)), 9, "random")
    proposal = second.ask()
    assert not second.report(proposal, 1, 0.5)  # a new pruner would let its first trial pass
    third = Proposer(memory, "rung", problem(steps=(1,)), 9, "random")
    assert third.ask() == proposal
    assert not third.report(proposal, 1, 0.5)
    assert not third.report(proposal, 2, 0.99)
    assert second.report(second.ask(), 1, 0.95)


def test_an_epoch_that_is_trained_again_is_reported_once(memory):
    proposer = Proposer(memory, "again", problem(), 1)
    proposal = proposer.ask()
    for _ in range(2):
        assert proposer.report(proposal, 1, 0.5)
    proposer.tell(proposal, values=(0.5,))
    assert proposer.trials()[0].intermediate_values == {1: 0.5}


@pytest.mark.parametrize(
    ("epochs", "steps"), [(1, ()), (2, ()), (3, (2,)), (5, (2,)), (9, (2, 6)), (30, (4, 12))]
)
def test_rungs_stand_a_third_apart(epochs, steps):
    assert PRUNERS["asha"].rungs(epochs) == steps


def test_two_objectives_have_a_front_and_no_pruning(memory):
    two = problem(objectives=("maximize", "minimize"))
    proposer = Proposer(memory, "front", two, 8)
    for place in range(8):
        proposal = proposer.ask()
        assert proposer.report(proposal, 1, 0.0)
        values = (place, place) if place < 3 else (-1, 9)
        proposer.tell(proposal, values=values)
    assert [trial.number for trial in proposer.study.best_trials] == [0, 1, 2]
    assert set(proposer.importances()[0]) <= {"low", "high"}


def test_importances_name_the_parameter_that_matters(memory):
    proposer = Proposer(memory, "matter", problem(), 40, "random")
    while proposal := proposer.ask():
        assert proposer.importances() == ({}, 0) or len(proposer.trials()) > 8
        proposer.tell(proposal, values=(-((math.log10(proposal.point["low"]) - 1) ** 2),))
    importances, epoch = proposer.importances()
    assert epoch == 0
    assert list(importances) == ["low", "high"]
    assert importances["low"] > 3 * importances["high"]


def test_nothing_is_said_of_importance_where_all_values_are_equal(memory):
    proposer = Proposer(memory, "flat", problem(), 10, "random")
    while proposal := proposer.ask():
        proposer.tell(proposal, values=(0.5,))
    assert sum(proposer.importances()[0].values()) in (0, pytest.approx(1))


def test_importances_compare_pruned_trials_at_the_rung_that_all_reached(memory):
    proposer = Proposer(memory, "early", problem(steps=(2, 6)), 30, "random")
    while proposal := proposer.ask():
        early = -((math.log10(proposal.point["low"]) - 1) ** 2)
        full = proposer.report(proposal, 2, early) and len(proposer.trials()) < 8
        proposer.tell(proposal, values=(9.0,) if full else ())
    importances, epoch = proposer.importances()
    assert epoch == 2
    assert importances["low"] > 3 * importances["high"]


@pytest.mark.parametrize(
    ("sampler", "total", "needle"),
    [("grid", 5, "unknown sampler 'grid'.*cmaes, gp, random, tpe"), ("tpe", 0, "0 trials")],
)
def test_bad_wishes_are_refused(memory, sampler, total, needle):
    with pytest.raises(ConfigError, match=needle):
        Proposer(memory, "bad", problem(), total, sampler)
