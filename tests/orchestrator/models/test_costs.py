"""What networks cost: measured once for each, and never what a study fails for."""

from dataclasses import replace

import pytest
from conftest import INFO, small_fold, small_trial

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.models.costs import keep_costs
from fdsweep.results.records import costs
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.sweep import Row
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers.datasets import Dataset

CPU = ResourceRequest(gpus=0)


class Small:
    """The small data set, counting how often it is read."""

    info = INFO
    view = Dataset.view

    def __init__(self):
        self.read = []

    def folds(self, modalities=None):
        self.read += modalities
        return small_fold


class Gone(Small):
    def folds(self, modalities=None):
        raise DataError("is gone", "small", "Prepare it again")


@pytest.fixture
def store(tmp_path):
    return Store.create(str(tmp_path / "runs"))


def cell(store, method, **changes):
    config = replace(small_trial(store.root, method=method).config, **changes)
    return Cell(Row(name=method, method=method), Direction(("left",), "right"), config)


def test_each_network_is_measured_once_however_many_rows_have_it(store):
    """A teacher that stays random is nobody's choice, so its cost is of no interest."""
    data, none = Small(), cell(store, "none")
    random = cell(store, "feat", teacher_state="random")
    keep_costs(store, "mine", [none, random], data, CPU)
    assert data.read == ["right"]
    known = costs.look_up(store, "mine")
    (network,) = known.networks
    assert known.students == {none.key: network, random.key: network}
    kd = cell(store, "kd", teacher_state="trained")
    keep_costs(store, "mine", [none, random, kd], data, CPU)
    assert data.read == ["right", "left"]
    more = costs.look_up(store, "mine")
    assert {cost.modality for cost in more.networks.values()} == {"left", "right"}
    assert known.networks.items() <= more.networks.items()
    assert more.students[kd.key] == network
    assert kd.config.teacher_keys[0] in more.networks
    keep_costs(store, "mine", [kd], data, CPU)
    assert data.read == ["right", "left"]


def test_what_cannot_be_measured_is_told_and_no_more(store, capsys):
    keep_costs(store, "mine", [cell(store, "none")], Gone(), CPU)
    told = capsys.readouterr().err
    assert told == (
        "fdsweep: What the networks cost is not known: small: is gone. Prepare it again.\n"
    )
    assert costs.look_up(store, "mine") == costs.Costs()
