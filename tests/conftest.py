"""One local Ray cluster for all tests that need one, started at the first of them."""

import functools
import gc
import os
from typing import TYPE_CHECKING

import pytest
import typer.testing

if TYPE_CHECKING:
    from fdsweep.orchestrator.execution.cluster import ResourcePlan

pytest_plugins = ["faults"]

# What imports leave stays until the end: looking through it for garbage, again and again, would
# take a fifth of the time of the fast tests.
gc.disable()

# A process builds its command line once; tests that type a hundred commands would do it as often.
typer.testing._get_command = functools.cache(typer.testing._get_command)


def pytest_collection_finish() -> None:
    """Garbage is looked for again, now and then, among what the tests themselves make."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What tests/chaos takes."""
    group = parser.getgroup("chaos")
    group.addoption("--chaos-seed", type=int, default=0, help="what faults are drawn from")
    group.addoption("--chaos-seconds", type=float, default=8.0, help="how long faults strike")
    group.addoption("--hours", type=float, default=0.0, help="one seed after the other, so long")


@pytest.fixture(scope="session", autouse=True)
def node_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests, and processes that they start, keep on this machine goes with them."""
    os.environ["FDSWEEP_CACHE_DIR"] = str(tmp_path_factory.mktemp("node-cache"))


@pytest.fixture(scope="session")
def cluster() -> "ResourcePlan":
    """What a trial gets on the shared local cluster of two cores."""
    import ray

    from fdsweep.orchestrator.execution.cluster import ResourceRequest, connect

    os.environ.pop("RAY_ADDRESS", None)
    resources = connect(ResourceRequest())
    yield resources
    ray.shutdown()
