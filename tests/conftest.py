"""One local Ray cluster for all tests that need one, started at the first of them."""

import gc

import pytest

from fdsweep.orchestrator.execution.cluster import ResourcePlan, ResourceRequest, connect

pytest_plugins = ["faults"]

# What imports leave stays until the end: looking through it for garbage, again and again, would
# take a fifth of the time of the fast tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Garbage is looked for again, among what the tests themselves make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def cluster() -> ResourcePlan:
    """What a trial gets on the shared local cluster of two cores."""
    import os

    import ray

    os.environ.pop("RAY_ADDRESS", None)
    resources = connect(ResourceRequest())
    yield resources
    ray.shutdown()
