"""The searcher that hands Tune the points of several studies, driven as Tune drives it: no Ray."""

import asyncio
import json
import pickle
import time
from dataclasses import dataclass, field

import cloudpickle
import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.search_generator import SearchGenerator
from sqlalchemy import event

from fdsweep.orchestrator.execution import retries
from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.search import run as planner
from fdsweep.orchestrator.search.optuna_study import Problem, Proposer
from fdsweep.orchestrator.search.pruners import PRUNERS
from fdsweep.orchestrator.search.run import whole_database
from fdsweep.orchestrator.search.searcher import Lane, StopSignals, StudySearcher
from fdsweep.orchestrator.writer import Writer
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import Dimension
from fdsweep.search_spaces.trials import PointConfig

EPOCHS = 9
SECONDS = 0.5
ROOM = Room(plan_resources(ResourceRequest(), 64, 0))
X = Dimension(name="x", default=0.5, low=0.0, high=1.0)
TRAINED = json.dumps({"replicates": []})
BROKEN = json.dumps({"error": "the loss is no longer finite", "traceback": "Traceback ..."})


@dataclass
class Notes:
    """An observer that keeps what it is told."""

    begun: list = field(default_factory=list)
    epochs: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    interruptions: list = field(default_factory=list)

    def interrupted(self, proposer, proposal, words):
        self.interruptions.append((proposer.name, proposal.number, words))

    def started(self, proposer, proposal):
        self.begun.append((proposer.name, proposal.number))

    def epoch(self, proposer, proposal, report):
        self.epochs.append((proposer.name, proposal.number, report["epoch"]))

    def keep(self, proposer, proposal, end):
        pass

    def ended(self, proposer, proposal, end):
        state = proposer.study.trials[proposal.number].state
        told = (end.report, end.failure or end.outcome)
        self.ends.append((proposer.name, proposal.number, state, *told))


def lane(storage, name, total, *, steps=(), dims=(X,), objectives=("maximize",), sampler="random"):
    problem = Problem(
        dimensions=dims,
        constraints=(),
        defaults={dimension.name: dimension.default for dimension in dims},
        objectives=objectives,
        rungs=steps,
        key_of=lambda point: content_key(name=name, point=point),
        look_up=lambda point: None,
    )

    def make_point(proposal):
        return PointConfig(key=proposal.key, configs=(), seeds=(0,), rungs=steps, storage=name)

    def values(metrics):
        cost = metrics["seconds"] / metrics["epoch"]
        return (metrics["values"][0], cost)[: len(objectives)]

    return Lane(Proposer(storage, name, problem, total, sampler), make_point, values)


def accuracy(point, epoch=EPOCHS):
    """What a point reaches: best at x = 0.3, rising with the epochs."""
    return (1 - (point["x"] - 0.3) ** 2) * (1 - 0.5**epoch)


class AtOnce:
    """A writer without a thread."""

    def submit(self, write, then):
        write()
        then()

    def fail(self, error):
        raise error


class Run:
    """A run of Tune: trials with their numbers, and a worker for each that trains its point."""

    def __init__(self, lanes, deadline=None):
        self.notes, self.words, self.count = Notes(), [], 0
        self.searcher = StudySearcher(
            lanes, ROOM, self.notes, lambda *word: self.words.append(word), AtOnce(), deadline
        )

    def suggest(self):
        """A new trial and its point, or None when the searcher has none."""
        trial_id = f"{self.count:08x}"
        self.count += 1
        found = self.searcher.suggest(trial_id)
        return (trial_id, found["point"]) if isinstance(found, dict) else None

    def report(self, trial_id, epoch, outcome=""):
        """One result, with some of what Tune puts beside it."""
        _, proposal = self.searcher.begun[self.searcher.running[trial_id].config["point"].key]
        result = {
            "epoch": epoch,
            "epochs": EPOCHS,
            "values": [accuracy(proposal.point, epoch)],
            "seconds": SECONDS * epoch,
            "training_iteration": epoch,
            "trial_id": trial_id,
            "done": False,
        }
        if outcome:
            result["outcome"] = outcome
        self.searcher.on_trial_result(trial_id, result)
        return result

    def train(self, trial_id, point):
        """Epoch after epoch, to the last or to a rung where the word is to stop; one a turn."""
        for epoch in range(1, EPOCHS + 1):
            result = self.report(trial_id, epoch, TRAINED if epoch == EPOCHS else "")
            yield
            if epoch in point.rungs and not self.word(point.key, epoch):
                break
        self.searcher.on_trial_complete(trial_id, result={**result, "done": True})

    def word(self, key, epoch):
        (word,) = {word for *place, word in self.words if place == [key, epoch]}
        return word

    def to_end(self, at_once=1):
        """Train all there is, `at_once` trials taking turns; who was in training, at each turn."""
        workers, busy = {}, []
        while True:
            while len(workers) < at_once and (found := self.suggest()):
                workers[found] = self.train(*found)
            if not workers:
                return busy
            busy.append([point.key for _, point in workers])
            for found in list(workers):
                if next(workers[found], StopIteration) is StopIteration:
                    del workers[found]


@pytest.fixture
def memory():
    return optuna.storages.InMemoryStorage()


@pytest.fixture
def sqlite(tmp_path):
    return optuna.storages.RDBStorage(f"sqlite:///{tmp_path}/optuna.db")


def states(lane):
    return [trial.state for trial in lane.proposer.trials()]


def test_the_study_with_the_fewest_trials_is_next_and_each_gets_its_total(memory):
    totals = {"a": 9, "b": 4, "c": 6}
    lanes = [lane(memory, name, total) for name, total in totals.items()]
    for _ in range(3):  # an earlier run
        proposal = lanes[0].proposer.ask()
        lanes[0].proposer.tell(proposal, values=(accuracy(proposal.point),))
    run = Run(lanes)
    while True:
        counts = {one.proposer.name: len(one.proposer.trials()) for one in lanes}
        if (found := run.suggest()) is None:
            break
        open_ = {name: count for name, count in counts.items() if count < totals[name]}
        name, number = run.notes.begun[-1]
        assert counts[name] == number == min(open_.values())
        assert found[1].storage == name  # the point is that study's
        for _ in run.train(*found):
            pass
    assert {one.proposer.name: len(states(one)) for one in lanes} == totals
    assert all(state == TrialState.COMPLETE for one in lanes for state in states(one))
    assert len(run.notes.begun) == len(run.notes.ends) == sum(totals.values()) - 3
    assert run.searcher.suggest("one more") == Searcher.FINISHED


def test_after_the_deadline_nothing_new_begins_and_what_began_ends(memory):
    study = lane(memory, "late", 50)
    run = Run([study], deadline=time.monotonic() + 3600)
    first = run.suggest()
    late = Run([study], deadline=time.monotonic())
    assert late.suggest() is None
    run.searcher.deadline = time.monotonic()
    assert run.suggest() is None
    for _ in run.train(*first):
        pass
    assert run.suggest() is None
    assert states(study) == [TrialState.COMPLETE]


def test_the_word_is_passed_on_at_rungs_alone_and_is_the_study_s(memory):
    """Against successive halving itself: the best third of those that reached a rung goes on."""
    steps = PRUNERS["asha"].rungs(EPOCHS)
    assert steps == (2, 6)
    study = lane(memory, "asha", 20, steps=steps)
    run = Run([study])
    run.to_end()

    trials = study.proposer.study.trials
    seen, expected, reached = {step: [] for step in steps}, [], []
    for trial in trials:
        point = trial.user_attrs["point"]
        for epoch in steps:
            seen[epoch].append(accuracy(point, epoch))
            best = sorted(seen[epoch], reverse=True)[: max(1, len(seen[epoch]) // 3)]
            go_on = seen[epoch][-1] in best
            expected.append((trial.user_attrs["key"], epoch, go_on))
            if not go_on:
                break
        reached.append(epoch if not go_on else EPOCHS)
    assert run.words == expected
    assert set(reached) == {2, 6, EPOCHS}

    for trial, epoch in zip(trials, reached, strict=True):
        whole = epoch == EPOCHS
        assert trial.state == (TrialState.COMPLETE if whole else TrialState.PRUNED)
        assert trial.user_attrs["epochs"] == epoch
        assert trial.user_attrs["seconds"] == SECONDS * epoch
        assert trial.user_attrs["source"] == "trained"
        if whole:
            assert trial.values == [accuracy(trial.user_attrs["point"])]
    outcomes = [(number, outcome) for _, number, _, _, outcome in run.notes.ends]
    assert outcomes == [
        (number, json.loads(TRAINED) if epoch == EPOCHS else None)
        for number, epoch in enumerate(reached)
    ]
    assert run.notes.epochs == [
        ("asha", number, epoch)
        for number, last in enumerate(reached)
        for epoch in range(1, last + 1)
    ]


def test_a_point_that_failed_is_a_failed_trial(memory):
    """Its last result has an outcome alone, after some epochs or before any."""
    study = lane(memory, "failing", 2, steps=(1,))
    run = Run([study])
    for epochs in (2, 0):
        trial_id, _ = run.suggest()
        for epoch in range(1, epochs + 1):
            run.report(trial_id, epoch)
        result = {"outcome": BROKEN, "trial_id": trial_id, "done": False}
        run.searcher.on_trial_result(trial_id, result)
        run.searcher.on_trial_complete(trial_id, result=result)
    assert states(study) == [TrialState.FAIL] * 2
    for trial, epochs in zip(study.proposer.trials(), (2, 0), strict=True):
        assert trial.user_attrs["error"] == "the loss is no longer finite"
        assert trial.user_attrs["epochs"] == epochs
        assert trial.user_attrs["seconds"] == SECONDS * epochs
    first, second = run.notes.ends
    assert first[2] == second[2] == TrialState.FAIL
    assert first[3]["epoch"] == 2
    assert second[3] is None
    assert first[4] == second[4] == json.loads(BROKEN)


def break_off(run, trial_id, cause):
    """What Tune and then the driver do when a trial broke off."""
    run.searcher.on_trial_complete(trial_id, error=True)
    return run.searcher.broke_off(trial_id, cause)


def test_a_trial_that_broke_off_for_good_fails_with_why(memory):
    study = lane(memory, "broken", 2)
    run = Run([study])
    trial_id, first = run.suggest()
    run.report(trial_id, 1)
    assert break_off(run, trial_id, None) == ""
    assert states(study) == [TrialState.RUNNING]
    other, point = run.suggest()
    for _ in run.train(other, point):
        pass
    why = {"error": "a worker died", "traceback": "Traceback ..."}
    run.searcher.end(first.key, why)
    assert states(study) == [TrialState.FAIL, TrialState.COMPLETE]
    attributes = study.proposer.trials()[0].user_attrs
    assert attributes["error"] == "a worker died"
    assert (attributes["epochs"], attributes["seconds"]) == (1, SECONDS)
    _, number, state, metrics, outcome = run.notes.ends[-1]
    assert (number, state, metrics["epoch"]) == (0, TrialState.FAIL, 1)
    assert outcome == why
    assert run.searcher.suggest("one more") == Searcher.FINISHED


def test_a_trial_that_was_lost_is_tried_again_as_the_same_trial(memory, monkeypatch):
    """It goes on from its checkpoint, so that an epoch may be reported again."""
    monkeypatch.setattr(retries, "BACK_OFF_S", 0.0)
    steps = (2,)
    study = lane(memory, "lost", 3, steps=steps)
    calm = lane(optuna.storages.InMemoryStorage(), "lost", 3, steps=steps)
    run, other = Run([study]), Run([calm])
    trial_id, point = run.suggest()
    for _ in range(2):
        run.report(trial_id, 1)
        run.report(trial_id, 2)
        assert break_off(run, trial_id, "lost").startswith("a process or a node was lost")
        trial_id, again = run.suggest()
        assert again == point
    for _ in run.train(trial_id, point):
        pass
    run.to_end()
    other.to_end()
    assert len(run.notes.begun) == len(run.notes.ends) == 3
    facts = [(t.state, t.values, t.intermediate_values) for t in study.proposer.trials()]
    assert facts == [(t.state, t.values, t.intermediate_values) for t in calm.proposer.trials()]


def test_the_search_waits_for_what_was_lost_though_its_time_is_up(memory):
    study = lane(memory, "late", 50)
    run = Run([study])
    trial_id, point = run.suggest()
    run.searcher.deadline = time.monotonic()
    assert break_off(run, trial_id, "preempted")
    assert run.searcher.suggest("too early") is None
    run.searcher.waiting[0].not_before = time.monotonic()
    trial_id, again = run.suggest()
    assert again == point
    for _ in run.train(trial_id, point):
        pass
    assert run.searcher.suggest("too late") == Searcher.FINISHED
    assert states(study) == [TrialState.COMPLETE]


def test_a_study_that_cannot_be_written_ends_the_run_in_a_sentence(tmp_path):
    """Tune would make a text of what the searcher raises."""
    storage = Store.create(str(tmp_path))
    database = optuna.storages.RDBStorage(f"sqlite:///{whole_database(storage)}")
    run = Run([lane(database, "full", 9, steps=(1,))])
    trial_id, _ = run.suggest()

    @event.listens_for(database.engine, "connect")
    def limit(connection, record):
        connection.execute("PRAGMA query_only = 1")

    database.engine.dispose()

    def train():
        with Writer() as run.searcher.writer:
            run.report(trial_id, 1)
            run.searcher.writer.step()

    def search():
        with planner._kept(storage):
            train()

    database.scoped_session.remove()
    with pytest.raises(StorageError, match=r"optuna\.db: .*readonly database\)\. Put"):
        search()


@pytest.mark.slow
def test_a_search_whose_driver_died_ends_with_its_trials_and_leaves_none_running(sqlite):
    """With three points in nine trials some that the dead driver left are equal."""
    dims = (Dimension(name="x", default=0.5, choices=(0.1, 0.5, 0.9)),)
    dead = Run([lane(sqlite, "killed", 9, dims=dims, steps=(1,))])
    for _ in range(3):
        trial_id, _ = dead.suggest()
        dead.report(trial_id, 1)
    study = lane(sqlite, "killed", 9, dims=dims, steps=(1,))
    assert 3 < len(states(study)) < 9
    assert set(states(study)) == {TrialState.RUNNING}
    run = Run([study])
    run.to_end(at_once=2)
    assert len(run.notes.begun) == 3
    assert len(states(study)) == 9
    assert set(states(study)) <= {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_no_point_is_in_training_twice_at_once_or_ever(memory, sampler):
    """Twelve points in forty trials, two at a time."""
    dims = (
        Dimension(name="x", default=0.5, choices=(0.1, 0.3, 0.5, 0.9)),
        Dimension(name="kind", default="a", choices=("a", "b", "c")),
    )
    study = lane(memory, "twice", 40, dims=dims, sampler=sampler)
    run = Run([study])
    busy = run.to_end(at_once=2)
    assert max(map(len, busy)) == 2
    assert all(len(set(keys)) == len(keys) for keys in busy)
    trials = study.proposer.study.trials
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 40
    trained = [trials[number] for _, number in run.notes.begun]
    keys = [trial.user_attrs["key"] for trial in trained]
    assert len(set(keys)) == len(keys) <= 12
    assert [t.number for t in trials if t.user_attrs["source"] == "trained"] == sorted(
        trial.number for trial in trained
    )
    for trial in trials:
        assert trial.values == [accuracy(trial.params)]
        assert trial.user_attrs["epochs"] == (EPOCHS if trial in trained else 0)


def test_two_objectives_are_told_as_the_lane_has_them_and_nothing_is_pruned(memory):
    study = lane(memory, "front", 5, objectives=("maximize", "minimize"))
    run = Run([study])
    run.to_end(at_once=2)
    assert run.words == []
    for trial in study.proposer.study.trials:
        assert trial.values == [accuracy(trial.params), SECONDS]
        assert trial.state == TrialState.COMPLETE


def test_tune_may_pickle_and_save_it_whatever_it_holds(memory, tmp_path):
    study = lane(memory, "pickled", 3)
    run = Run([study])
    generator = SearchGenerator(run.searcher)
    first = run.suggest()
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        pickle.dumps(run.searcher.begun)
    for module in (pickle, cloudpickle):
        assert isinstance(pickle.loads(module.dumps(run.searcher)), StudySearcher)
    generator.save_to_dir(str(tmp_path), "session")
    for _ in run.train(*first):  # it goes on as if nothing had happened
        pass
    run.to_end()
    assert states(study) == [TrialState.COMPLETE] * 3


def signals():
    """The actor's class without the actor."""
    return StopSignals.__ray_metadata__.modified_class()


def test_a_word_that_came_first_is_there_for_who_asks():
    async def scene():
        actor = signals()
        await actor.give("k", 1, True)
        await actor.give("k", 3, False)
        await actor.give("other", 1, False)
        asked = [("k", 1), ("k", 3), ("other", 1), ("k", 1)]
        return [await actor.wait(*place) for place in asked]

    assert asyncio.run(scene()) == [True, False, False, True]


def test_who_asks_first_waits_for_the_word_on_this_trial_and_epoch():
    async def scene():
        actor = signals()
        waiting = [asyncio.create_task(actor.wait("k", 1)) for _ in range(2)]
        await actor.give("k", 3, True)
        await actor.give("other", 1, True)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await actor.give("k", 1, False)
        return await asyncio.gather(*waiting)

    assert asyncio.run(asyncio.wait_for(scene(), 5)) == [False, False]


@pytest.mark.parametrize("first", [True, False])
def test_a_second_word_changes_nothing(first):
    async def scene():
        actor = signals()
        await actor.give("k", 1, first)
        await actor.give("k", 1, not first)
        return await actor.wait("k", 1)

    assert asyncio.run(scene()) is first
