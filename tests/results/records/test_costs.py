import pytest

from fdsweep.results.records import costs
from fdsweep.results.records.costs import Costs, NetworkCost
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import StorageError

PLACE = "reports/mine/costs.json"


def of(latency: float) -> NetworkCost:
    return NetworkCost(
        modality="a",
        backbone="cnn1d",
        parameters=3,
        flops=4,
        latency=latency,
        batch=2,
        batch_latency=1.0,
        device="a chip",
    )


def test_what_was_measured_first_stays_and_rows_add_up(store: Store) -> None:
    assert costs.look_up(store, "mine") == Costs()
    costs.add(store, "mine", Costs(networks={"x": of(1.0)}, students={"r": "x"}))
    costs.add(store, "mine", Costs(networks={"x": of(2.0), "y": of(3.0)}, students={"s": "y"}))
    assert costs.look_up(store, "mine") == Costs(
        networks={"x": of(1.0), "y": of(3.0)}, students={"r": "x", "s": "y"}
    )


def test_a_damaged_file_is_none_and_another_version_is_told(store: Store) -> None:
    store.write_text(PLACE, "{")
    assert costs.look_up(store, "mine") == Costs()
    assert not store.exists(PLACE)
    store.write_text(PLACE, '{"schema": "fdsweep.costs/9"}')
    with pytest.raises(StorageError, match="is no costs of this version"):
        costs.look_up(store, "mine")
