"""Two drivers share a plan: what each trains when, with a Tune that only pretends to train."""

import itertools
import json
import pickle
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, RayTaskError
from ray.tune.search import Searcher

from fdsweep.orchestrator.execution import leases, retries, stages, turns
from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.leases import Leases
from fdsweep.orchestrator.execution.ray_compat.tune import ActorMemoryError
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.orchestrator.execution.turns import InTurn, Turns
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.trials import Plan, TrialConfig

NETWORK = NetworkConfig(
    dataset="d",
    data_fingerprint="f",
    modality="m",
    backbone="b",
    backbone_version=1,
    loop_version=1,
    optim=OptimConfig(),
)
ALONE = StudentConfig(network=NETWORK, method="none", method_version=1)
TAUGHT = replace(ALONE, method="kd", teachers=(NETWORK,), teacher_state="trained")


OWN = RayTaskError("fit_trial", "it broke\noff", ValueError("off"))
ROOM = Room(plan_resources(ResourceRequest(), 1, 0))
LOST, MEMORY = ActorDiedError(), ActorMemoryError("Memory on the node was low.")


@dataclass
class World:
    """What is stored, and every training that took place; `gates` hold trainings up.

    `failing` has by key what trainings end with, one after the other, `at_once` how many trials
    were under way whenever one began.
    """

    done: set = field(default_factory=set)
    trained: list = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    gate: threading.Event = field(default_factory=threading.Event)
    failing: dict = field(default_factory=dict)
    at_once: list = field(default_factory=list)


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Trainings that are over at once, but that of a teacher, which waits for the gate."""
    world = World()

    def missing(trial):
        return tuple(seed for seed in trial.seeds if (trial.key, seed) not in world.done)

    def fit(trainable, resources, storage, callback):
        queue, begun = callback.queue, []
        for number in itertools.count():
            found = queue.suggest(str(number))
            if isinstance(found, dict):
                begun.append(SimpleNamespace(config=found, trial_id=str(number), status="RUNNING"))
                world.at_once.append(len(begun))
            elif begun:
                train(callback, begun.pop(0), tmp_path / "error.pkl")
            elif found == Searcher.FINISHED:
                return

    def train(callback, trial, error_file):
        own = trial.config["trial"]
        if own.kind == "teacher":
            world.begun.set()
            world.gate.wait()
        if world.failing.get(own.key):
            error_file.write_bytes(pickle.dumps(world.failing[own.key].pop(0)))
            trial.status, trial.pickled_error_file = "ERROR", str(error_file)
            callback.queue.on_trial_complete(trial.trial_id, error=True)
            callback.on_step_end(0, [trial])
            return
        for seed in own.seeds:
            world.trained.append((own.kind, own.key, seed))
            world.done.add((own.key, seed))
            callback.on_trial_result(0, [trial], trial, {"seed": seed, "outcome": json.dumps({})})
        callback.queue.on_trial_complete(trial.trial_id)
        callback.on_trial_complete(0, [trial], trial)

    monkeypatch.setattr(turns, "missing", missing)
    monkeypatch.setattr(stages, "fit", fit)
    monkeypatch.setattr(leases, "POLL_S", 0.01)
    monkeypatch.setattr(retries, "BACK_OFF_S", 0.001)
    return world


class Notes:
    """An observer that keeps what it is told, and opens the gate when it has to wait."""

    def __init__(self, world):
        self.world, self.finished_, self.failures, self.elsewhere = world, [], [], []
        self.interruptions = []

    def started(self, trial):
        pass

    def interrupted(self, trial, words):
        self.interruptions.append((trial.key, words))

    def keep(self, trial, seed, end):
        pass

    def finished(self, trial, seed, outcome):
        self.finished_.append((trial.key, seed))

    def failed(self, trial, seed, error):
        self.failures.append((trial.key, seed, error))

    def trained_elsewhere(self, trial):
        self.elsewhere += [(trial.key, seed) for seed in trial.seeds]

    def winding_down(self):
        pass

    def waiting(self, replicates, holder):
        if not self.world.gate.is_set():  # later the other may have ended in this moment
            assert "process" in holder
        self.world.gate.set()


def make_trial(storage, kind, config, seeds=(0, 1), **changes):
    key = config.network.teacher_key if kind == "teacher" else config.key
    trial = TrialConfig(
        kind=kind, key=key, config=config, seeds=seeds, group="0-all", storage=str(storage)
    )
    return replace(trial, **changes)


def make_plan(storage):
    return Plan(
        sweep="s",
        cells=(),
        seeds=(0, 1),
        teachers=(make_trial(storage, "teacher", ALONE),),
        students=(make_trial(storage, "student", TAUGHT), make_trial(storage, "student", ALONE)),
        done=0,
        total=4,
    )


def run_both(world, storage):
    """The notes of two drivers; the second begins when the first trains the teachers."""
    plan, one, other = make_plan(storage), Notes(world), Notes(world)
    resources = ROOM.resources
    first = threading.Thread(target=stages.run_plan, args=(plan, resources, str(storage), one))
    first.start()
    world.begun.wait()
    stages.run_plan(plan, resources, str(storage), other)
    first.join()
    return one, other


def test_two_drivers_train_each_replicate_once(world, tmp_path):
    one, other = run_both(world, tmp_path)
    assert len(world.trained) == len(set(world.trained)) == 6
    assert not one.failures + other.failures
    alone = {(ALONE.key, 0), (ALONE.key, 1)}
    assert alone <= {*other.finished_}  # the second had these while the first taught teachers
    for notes in (one, other):
        assert len({*notes.finished_, *notes.elsewhere}) == 6
    assert not [*Storage(str(tmp_path)).local("locks/leases").glob("*-*")]


def test_what_one_driver_fails_at_the_other_trains(world, tmp_path):
    teacher = ALONE.network.teacher_key
    world.failing[teacher] = [OWN]
    one, other = run_both(world, tmp_path)
    assert {failure for failure in one.failures if failure[0] == teacher} == {
        (teacher, 0, "off"),
        (teacher, 1, "off"),
    }
    assert not other.failures
    assert {(teacher, 0), (teacher, 1)} <= {*other.finished_}
    assert len(set(world.trained)) == len(world.trained) == 6


def test_what_is_stored_when_its_turn_comes_is_not_trained_again(world, tmp_path):
    trial = make_trial(tmp_path, "student", ALONE)
    with Leases(Storage(str(tmp_path))) as mine:
        some = Turns([trial], mine)
        world.done.add((trial.key, 0))
        (own,) = some
        assert own.seeds == (1,)
        assert [left.seeds for left in some.stored] == [(0,)]
        assert mine.held == {train_name(trial), f"{trial.key}-1"}
        world.done.add((trial.key, 1))
        some.free(own)
        assert list(Turns([trial], mine)) == []
        assert not mine.held


def test_seeds_of_another_driver_are_left_and_so_is_the_folder_of_a_run(world, tmp_path):
    trial = make_trial(tmp_path, "student", ALONE, seeds=(2, 0, 1))
    other_group = replace(trial, seeds=(1,), group="1-one")
    storage = Storage(str(tmp_path))
    with Leases(storage) as one, Leases(storage) as other, Leases(storage) as third:
        assert [own.seeds for own in Turns([other_group], one)] == [(1,)]
        second = Turns([trial], other)
        assert [own.seeds for own in second] == [(2, 0)]
        assert [(left.seeds, second.blocked) for left in second.others] == [
            ((1,), [f"{trial.key}-1"])
        ]
        one.free(list(one.held))
        last = Turns([trial], third)  # seed 1 is free, but not the folder that it would use
        assert list(last) == []
        assert last.blocked == [train_name(trial)]


def test_students_begin_as_soon_as_their_own_teachers_have_ended(world, tmp_path):
    """In the order of the plan; one seed of the second teacher fails."""
    other = replace(NETWORK, backbone="c")
    quick, slow = (replace(ALONE, network=replace(NETWORK, backbone=name)) for name in "xy")
    taught = [replace(TAUGHT, teachers=(one,)) for one in (NETWORK, other)]
    both = replace(TAUGHT, teachers=(NETWORK, other), method="both")
    teachers = [
        make_trial(tmp_path, "teacher", replace(ALONE, network=n)) for n in (NETWORK, other)
    ]
    students = [make_trial(tmp_path, "student", one) for one in (*taught, both, slow, quick)]
    with Leases(Storage(str(tmp_path))) as leases:
        turns = Turns([*teachers, *students], leases)
        assert turns.able == 4
        assert [next(turns, None) for _ in range(5)] == [*teachers, *students[3:], None]
        turns.failed.add((teachers[1].key, 1))
        turns.over(teachers[1])
        assert turns.able == 1
        assert [next(turns, None) for _ in range(2)] == [replace(students[1], seeds=(0,)), None]
        turns.over(students[4])  # nobody's teacher
        turns.over(teachers[0])
        assert [next(turns, None) for _ in range(3)] == [
            students[0],
            replace(students[2], seeds=(0,)),
            None,
        ]
        assert turns.orphans == [replace(students[i], seeds=(1,)) for i in (1, 2)]
        assert not turns.others


def test_what_lacked_memory_holds_others_back_that_would_run_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(retries, "BACK_OFF_S", 0.0)
    teacher = make_trial(tmp_path, "teacher", ALONE)
    students = [
        make_trial(tmp_path, "student", replace(ALONE, network=replace(NETWORK, backbone=f"b{i}")))
        for i in range(6)
    ]
    queue = InTurn(iter([teacher, *students]), Room(plan_resources(ResourceRequest(), 4, 0)))
    assert all(isinstance(queue.suggest(str(i)), dict) for i in range(4))
    words = queue.broke_off("0", "memory")
    assert words.endswith("tried once more, with at most 2 teachers at a time")
    assert queue.suggest("4") is None
    for ended in "12":
        queue.on_trial_complete(ended)
    assert queue.suggest("5")["trial"] == teacher
    assert queue.suggest("6") is None
    queue.on_trial_complete("5")
    assert [isinstance(queue.suggest(f"again {i}"), dict) for i in range(4)] == [True] * 3 + [False]


def run_alone(world, storage, failing, cpus=1):
    """The notes of one driver whose student without a teacher ends as in `failing` first."""
    world.gate.set()
    world.failing[ALONE.key] = list(failing)
    notes = Notes(world)
    stages.run_plan(
        make_plan(storage), plan_resources(ResourceRequest(), cpus, 0), str(storage), notes
    )
    assert len(set(world.trained)) == len(world.trained)
    assert not [*Storage(str(storage)).local("locks/leases").glob("*-*")]
    return notes


def test_a_lost_trial_has_three_more_turns_and_keeps_its_leases(world, tmp_path):
    notes = run_alone(world, tmp_path, [LOST] * 3)
    assert not notes.failures
    assert {key for key, _ in notes.interruptions} == {ALONE.key}
    words = "a process or a node was lost; tried again in"
    assert [told for _, told in notes.interruptions] == [
        f"{words} {seconds:g} s" for seconds in (0.001, 0.004, 0.016)
    ]
    assert len(world.trained) == 6


def test_the_fourth_time_a_lost_trial_fails(world, tmp_path):
    notes = run_alone(world, tmp_path, [LOST] * 4)
    why = "a process or a node was lost (The actor died unexpectedly before finishing this task.)"
    assert notes.failures == [(ALONE.key, seed, why) for seed in (0, 1)]
    assert len(notes.interruptions) == 3
    assert len(world.trained) == 4


def test_a_trial_that_fails_by_its_own_error_has_no_other_turn(world, tmp_path):
    notes = run_alone(world, tmp_path, [OWN])
    assert notes.failures == [(ALONE.key, seed, "off") for seed in (0, 1)]
    assert not notes.interruptions


def test_a_node_that_was_taken_away_and_a_lack_of_room_do_not_count(world, tmp_path):
    preempted = retries.BrokenOffError("preempted", "drained")
    room = retries.BrokenOffError("room", "timed out")
    told = [RayTaskError("fit_trial", "text", one) for one in (preempted, room)] * 4
    notes = run_alone(world, tmp_path, [LOST, *told, LOST, LOST])
    assert not notes.failures
    assert len(notes.interruptions) == 11
    assert len(world.trained) == 6


def test_a_trial_killed_for_memory_is_tried_once_with_half_as_many_of_its_kind(world, tmp_path):
    notes = run_alone(world, tmp_path, [MEMORY], cpus=2)
    words = "killed for lack of memory; tried once more, with at most 1 student at a time"
    assert notes.interruptions == [(ALONE.key, words)]
    assert not notes.failures
    assert world.at_once == [1, 2, 2, 1]  # a teacher, two students, and one of them again


def test_the_second_time_a_trial_is_killed_for_memory_it_fails(world, tmp_path):
    notes = run_alone(world, tmp_path, [MEMORY] * 2)
    why = "killed for lack of memory (Memory on the node was low.)"
    assert notes.failures == [(ALONE.key, seed, why) for seed in (0, 1)]


def test_what_is_killed_together_halves_once(tmp_path, monkeypatch):
    monkeypatch.setattr(retries, "BACK_OFF_S", 0.0)
    trials = [
        make_trial(tmp_path, "student", replace(ALONE, network=replace(NETWORK, backbone=f"b{i}")))
        for i in range(8)
    ]
    room = Room(plan_resources(ResourceRequest(), 8, 0))
    queue = InTurn(iter(trials), room)
    assert all(isinstance(queue.suggest(str(i)), dict) for i in range(8))
    assert queue.suggest("more") is None
    assert {queue.broke_off(str(i), "memory") for i in range(8)} == {
        "killed for lack of memory; tried once more, with at most 4 students at a time"
    }
    assert [isinstance(queue.suggest(f"again {i}"), dict) for i in range(6)] == [True] * 4 + [
        False
    ] * 2


def test_the_checkpoint_and_the_leases_of_a_trial_outlast_its_slow_rows(world, tmp_path):
    trial, notes = make_trial(tmp_path, "student", ALONE), Notes(world)
    checkpoint = tmp_path / layout.train_folder(train_name(trial))
    checkpoint.mkdir(parents=True)
    stored = threading.Event()
    notes.keep = lambda *end: stored.wait()
    with Leases(Storage(str(tmp_path))) as leases, Writer() as writer:
        some = Turns([trial], leases)
        (own,) = some
        relay = stages._Relay(InTurn(iter([own]), ROOM), some, notes, writer)
        told = SimpleNamespace(config={"trial": own})
        for seed in own.seeds:
            relay.on_trial_result(0, [], told, {"seed": seed, "outcome": "{}"})
        relay.on_trial_complete(0, [], told)
        relay.on_step_end(0, [])
        assert (notes.finished_, checkpoint.exists(), len(leases.held)) == ([], True, 3)
        stored.set()
        writer.flush()
        assert notes.finished_ == [(trial.key, 0), (trial.key, 1)]
        assert (checkpoint.exists(), len(leases.held)) == (False, 0)


def test_what_cannot_be_stored_ends_the_run_and_keeps_the_checkpoint(world, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "Writer", partial(Writer, pauses=()))
    trial, notes = make_trial(tmp_path, "student", ALONE), Notes(world)
    checkpoint = tmp_path / layout.train_folder(train_name(trial))
    checkpoint.mkdir(parents=True)

    def keep(trial, seed, end):
        if seed == 1:
            raise StorageError("the storage is full", str(tmp_path), "Make room there")

    notes.keep = keep
    plan = replace(make_plan(tmp_path), teachers=(), students=(trial,))
    with pytest.raises(StorageError, match="full"):
        stages.run_plan(plan, ROOM.resources, str(tmp_path), notes)
    assert notes.finished_ == [(trial.key, 0)]
    assert checkpoint.exists()
    assert not [*tmp_path.glob("locks/leases/*-*")]
