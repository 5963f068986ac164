"""One local Ray cluster for all tests that need one, started at the first of them."""

import pytest

from orchestrator.cluster import Allotment, Request, connect


@pytest.fixture(scope="session")
def cluster() -> Allotment:
    """What a trial gets on the shared local cluster of two cores."""
    import os

    import ray

    os.environ.pop("RAY_ADDRESS", None)
    allotment = connect(Request())
    yield allotment
    ray.shutdown()
