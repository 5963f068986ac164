"""Ask every node of a cluster: each has keys, a network and a torch of its own."""

from collections.abc import Callable
from typing import Any

SECONDS = 30.0
"""How long answers are waited for."""


def ask(
    look: Callable[..., object], *told: object, has: str, **takes: float
) -> tuple[list[tuple[str, Exception]], list[str]]:
    """What `look(*told)` raises on each node of the cluster that `has` a resource.

    `takes` is what it holds meanwhile, as Ray has it.

    Returns:
        Names of nodes with what was raised there, and the names of those that did not answer.
    """
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    task = ray.remote(num_cpus=0, max_retries=0, **takes)(look)
    asked: dict[Any, str] = {}
    for node in ray.nodes():
        if node["Alive"] and node["Resources"].get(has):
            here = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            asked[task.options(scheduling_strategy=here).remote(*told)] = node["NodeName"]
    if not asked:
        return [], []
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=SECONDS)
    found = []
    for one in done:
        try:
            ray.get(one)
        except RayError as error:
            found.append((asked[one], error))
    for one in late:
        ray.cancel(one)
    return found, [asked[one] for one in late]
