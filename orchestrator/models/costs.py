"""Measure what predictions of a study's networks cost, once for each network."""

from collections.abc import Sequence

from fdsweep.orchestrator.execution.cluster import ResourceRequest, local_device
from fdsweep.results.records import costs
from fdsweep.results.records.costs import Costs, NetworkCost
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.search_spaces.storage import tell_once
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers.datasets import Dataset


def keep_costs(
    store: Store, sweep: str, cells: Sequence[Cell], dataset: Dataset, request: ResourceRequest
) -> None:
    """Measure on this machine what `store` does not know yet of the networks of `cells`.

    No number depends on it: where that cannot be done, it is told and no more.

    Args:
        store: where it is written down.
        sweep: whose networks they are.
        cells: of the sweep.
        dataset: its data.
        request: says which device this machine computes on.
    """
    try:
        _keep(store, sweep, cells, dataset, request)
    except FdsweepError as error:
        tell_once(f"What the networks cost is not known: {error}")


def _keep(
    store: Store, sweep: str, cells: Sequence[Cell], dataset: Dataset, request: ResourceRequest
) -> None:
    known = costs.look_up(store, sweep)
    students = {cell.key: cell.config.network.teacher_key for cell in cells}
    networks = {
        network.teacher_key: network
        for cell in cells
        for network in (cell.config.network, *cell.config.trained_teachers.values())
        if network.teacher_key not in known.networks
    }
    if not networks and students.items() <= known.students.items():
        return
    from fdsweep.trainers.trials.costs import measure  # brings torch

    found = measure(list(networks.values()), dataset, store.root, local_device(request))
    measured = {
        key: NetworkCost(
            modality=network.modality,
            backbone=network.backbone,
            parameters=cost.parameters,
            flops=cost.flops,
            latency=cost.latency,
            batch=cost.batch,
            batch_latency=cost.batch_latency,
            device=cost.device,
        )
        for (key, network), cost in zip(networks.items(), found, strict=True)
    }
    costs.add(store, sweep, Costs(networks=measured, students=students))
