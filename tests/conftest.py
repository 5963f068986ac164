"""One local Ray cluster for all tests that need one, started at the first of them."""

import pytest

from fdsweep.orchestrator.execution.cluster import ResourcePlan, ResourceRequest, connect


@pytest.fixture(scope="session")
def cluster() -> ResourcePlan:
    """What a trial gets on the shared local cluster of two cores."""
    import os

    import ray

    os.environ.pop("RAY_ADDRESS", None)
    resources = connect(ResourceRequest())
    yield resources
    ray.shutdown()
