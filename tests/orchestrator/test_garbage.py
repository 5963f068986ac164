"""When Python looks for cycles."""

import gc
import subprocess
import sys

import pytest

from fdsweep.orchestrator import garbage


@pytest.fixture
def as_found():
    found = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*found)


def test_looking_late_ends_once(as_found):
    """What is made after that is looked at: frozen again, it would stay for ever."""
    garbage.look_late()
    assert gc.get_threshold()[0] == garbage.LATE
    garbage.look_as_usual()
    assert gc.get_threshold() == garbage.USUAL
    frozen = gc.get_freeze_count()
    assert frozen > 0
    garbage.look_as_usual()
    assert gc.get_freeze_count() == frozen


ENDS = """
import atexit, gc
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 0))  # the last to be called
from fdsweep.orchestrator.cli import app
app(["methods"])
"""


def test_a_command_ends_without_a_search_among_all_that_it_imported():
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("frozen True\n")


@pytest.mark.ray
def test_a_process_of_a_local_cluster_imports_before_it_is_asked_to(cluster):
    import ray

    @ray.remote
    def found():
        return "ray.tune" in sys.modules, gc.get_threshold()[0]

    assert ray.get(found.remote()) == (True, garbage.LATE)
