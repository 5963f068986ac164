"""`fdsweep ui` becomes MLflow's server: one that is ended leaves nothing behind.

MLflow takes as long to start as a cluster, so this runs with the tests that need one.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request

import pytest
from commands import command

from fdsweep.search_spaces import layout

pytestmark = pytest.mark.ray

SECONDS = 60


def free_port():
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def listens(port):
    with contextlib.closing(socket.socket()) as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


def members(group):
    """Processes of a process group, zombies aside."""
    table = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True)
    rows = [line.split(maxsplit=2) for line in table.stdout.splitlines()]
    return [args for pgid, stat, args in rows if int(pgid) == group and stat[0] != "Z"]


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_ending_it_ends_the_server_and_its_children(tmp_path):
    (tmp_path / layout.MLFLOW_DATABASE).touch()
    port = free_port()
    words = command("ui", "--storage", tmp_path, "--port", port)
    with open(tmp_path / "log", "w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health") or server.poll() is not None)
        assert server.poll() is None, (tmp_path / "log").read_text()
        assert not any("job" in args for args in members(server.pid)), members(server.pid)
        server.terminate()
        server.wait(SECONDS)
        until(lambda: not members(server.pid))
        assert not listens(port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
