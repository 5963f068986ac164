"""A study that lives with its driver: another driver goes on from the copy in the storage."""

import optuna
import pytest

from fdsweep.orchestrator.search.journal import Journal
from fdsweep.orchestrator.search.optuna_study import Problem, Proposer
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import Dimension
from fdsweep.search_spaces.storage import Storage

NAME = "search-of-x"


@pytest.fixture
def far(tmp_path):
    return Storage(f"fsspec+file://{tmp_path}/far")


def proposer(storage, total=4):
    problem = Problem(
        dimensions=(Dimension(name="x", low=0.0, high=1.0, default=0.5),),
        constraints=(),
        defaults={"x": 0.5},
        objectives=("maximize",),
        rungs=(),
        key_of=lambda point: content_key(**point),
        look_up=lambda point: None,
    )
    return Proposer(storage, NAME, problem, total, "random")


def of(journal):
    return proposer(optuna.storages.JournalStorage(journal))


def tell(proposer, count):
    points = []
    for _ in range(count):
        proposal = proposer.ask()
        points.append(proposal.point)
        proposer.tell(proposal, values=(proposal.point["x"],), epochs=1)
    return points


def test_it_goes_on_elsewhere_as_if_never_broken_off(far):
    whole = tell(proposer(optuna.storages.InMemoryStorage()), 4)
    first = Journal(far, NAME)
    one = of(first)
    begun = tell(one, 2)
    first.copy()
    lost = one.ask().point  # after the last copy: this driver dies
    with Journal(far, NAME) as second:
        other = of(second)
        assert [begun[0], begun[1], *tell(other, 2)] == whole
        assert whole[2] == lost
        assert other.is_done
    assert of(Journal(far, NAME)).is_done


def test_what_was_running_is_proposed_again(far):
    first = Journal(far, NAME)
    running = of(first).ask()
    first.copy()
    again = of(Journal(far, NAME)).ask()
    assert (again.number, again.point) == (running.number, running.point)


def test_two_drivers_are_told_apart(far):
    first, second = Journal(far, NAME), Journal(far, NAME)
    tell(of(first), 1)
    tell(of(second), 2)
    second.copy()
    with pytest.raises(StorageError, match="another process is running this search"):
        first.copy()
    second.copy()  # nothing new: nothing is written


def test_a_damaged_copy_is_set_aside(far, capsys):
    far.write(layout.journal(NAME), b'{"op": 1}\n{"op"')
    assert Journal(far, NAME).lines == []
    assert "no whole journal; its search starts again" in capsys.readouterr().err
    assert not far.exists(layout.journal(NAME))
