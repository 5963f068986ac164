"""Shards made side by side, each as a task of Ray that takes one core."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fdsweep.search_spaces.errors import ClusterError, FdsweepError, first_line
from fdsweep.trainers.preparation.decoding import Job, Part, make_shard

RETRIES = 3
"""Of a shard whose worker died."""

TASKS_PER_CORE = 2
"""How many are handed to the cluster at a time: one runs, the other waits for its end."""

STOPPING_S = 5.0
"""How long shards that are being made may take to stop when one of them has failed."""


def make_shards(job: Job, parts: Sequence[Part], made: Callable[[Part], None]) -> None:
    """Make `parts` on the cluster and call `made` with each that is finished.

    Raises:
        ClusterError: a worker died RETRIES times and once more over the same shard.
        FdsweepError: what a worker raised for people, unchanged.
        RayTaskError: a fault of the importer, its traceback in the message.
    """
    import ray
    from ray.exceptions import RayError, RayTaskError

    make = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(make_shard)
    shared, left = ray.put(job), iter(parts)
    running: dict[Any, Part] = {}

    def hand_out() -> None:
        """As many tasks as the cluster, which may have grown, has cores for."""
        most = max(1, int(TASKS_PER_CORE * ray.cluster_resources().get("CPU", 1)))
        while len(running) < most and (part := next(left, None)) is not None:
            running[make.remote(shared, part)] = part

    with _stopped_at_a_failure(running):
        hand_out()
        while running:
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            part = running.pop(done)
            try:
                ray.get(done)
            except RayTaskError as error:
                if isinstance(error.cause, FdsweepError):
                    raise error.cause from None
                raise
            except RayError as error:
                raise ClusterError(
                    f"a worker failed while decoding ({first_line(error)})",
                    str(job.raw),
                    "Type the same command again to go on: finished shards are kept",
                ) from None
            made(part)
            hand_out()


@contextmanager
def _stopped_at_a_failure(running: dict[Any, Part]) -> Iterator[None]:
    """End what is `running` if the body fails, so that nobody writes what is made again.

    Its worker ends with it: torch, interrupted while it is imported, cannot be imported again.
    """
    import ray

    try:
        yield
    except BaseException:
        for task in running:
            ray.cancel(task, force=True)
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=STOPPING_S)
        raise
