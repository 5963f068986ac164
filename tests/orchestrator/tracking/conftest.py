"""A tracking server of MLflow's own."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import types
import urllib.request

import pytest

from fdsweep.orchestrator.tracking.database import SETTINGS


@pytest.fixture
def server(tmp_path):
    """A tracking server on a loopback port that can be stopped and started again."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    started = []

    def start():
        words = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        words += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db"]
        words += ["--artifacts-destination", str(tmp_path / "files")]
        with open(tmp_path / "server.log", "a") as log:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "mlflow", "server", *words],
                    env={**os.environ, **SETTINGS, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                return
            time.sleep(0.2)
        raise AssertionError((tmp_path / "server.log").read_text())

    def stop():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started[-1].pid, signal.SIGKILL)
        started[-1].wait()

    start()
    yield types.SimpleNamespace(uri=f"http://127.0.0.1:{port}", start=start, stop=stop)
    stop()
