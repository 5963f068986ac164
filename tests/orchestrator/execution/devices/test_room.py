"""What a cluster has room for, and what it is asked for."""

import pytest

from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources, share
from fdsweep.orchestrator.execution.devices.packing import Node
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.execution.ray_compat import head


def test_half_as_many_is_never_more_and_never_none():
    room = Room(plan_resources(ResourceRequest(), 8, 0))
    assert room.places() == 8
    assert [room.halve("student", ran) for ran in (8, 8, 7, 3, 1)] == [4, 4, 3, 1, 1]
    assert room.places({"student"}) == room.places({"teacher", "student"}) == 1
    assert room.places() == room.places({"teacher"}) == 8


def test_a_room_says_once_what_it_waits_for_and_takes_its_wish_back(monkeypatch, capsys):
    wishes = []
    monkeypatch.setattr(head, "ask_for_nodes", wishes.append)
    joined = ResourceRequest("10.0.0.1:6379", gpus=4, workers_per_trial=2)
    with Room(share(joined, (Node(8, 3),))) as room:
        assert room.places() == 1
        assert wishes == [[{"CPU": 2.0, "GPU": 2.0}] * 2]
        room.found = (Node(8, 3), Node(8, 2))
        assert (room.places(), wishes[-1]) == (2, [])
    assert len(wishes) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "waiting for 4 GPUs, 3 are there; it begins with these" in line


def test_a_room_grows_when_more_trials_can_begin(monkeypatch):
    wishes = []
    monkeypatch.setattr(head, "ask_for_nodes", lambda bundles: wishes.append(len(bundles)))
    joined = ResourceRequest("10.0.0.1:6379", gpus=8)
    with Room(share(joined, (Node(8, 1),)), 2) as room:
        for trials in (1, 5, 3, 40, 40):
            room.expect(trials)
            room.places()
    assert wishes == [2, 5, 8, 0]


def test_nothing_is_asked_for_where_all_is_there_or_few_trials_are_left(monkeypatch):
    monkeypatch.setattr(head, "ask_for_nodes", lambda _: pytest.fail("asked"))
    nodes = (Node(8, 3),)
    with Room(share(ResourceRequest("10.0.0.1:6379"), nodes)):
        pass
    with Room(share(ResourceRequest("10.0.0.1:6379", gpus=8), nodes), trials=3) as room:
        assert room.places() == 3
