"""An S3 server of moto's on loopback, with one bucket."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEYS = ("AKIATESTTESTTESTTEST", "wJalr/Secret+of+mine")
BUCKET = "bucket"
APP = """
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
app = DomainDispatcherApplication(create_backend_app)
"""
"""Served by gunicorn: moto's own server makes a client wait a second for each file it puts."""


@dataclass(frozen=True)
class ObjectStore:
    """The server's address; `environment` is what a client needs to reach it."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        there = {"AWS_ENDPOINT_URL": self.url, "AWS_DEFAULT_REGION": "us-east-1"}
        return {**there, **dict(zip(names, KEYS, strict=True))}

    def ask(self, method: str, path: str, content: bytes = b"") -> bytes:
        """What the server answers without any client library."""
        kind = {"Content-Type": "text/plain"}
        request = urllib.request.Request(f"{self.url}{path}", content or None, kind, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read()

    def check_keys(self, on: bool) -> None:
        """From now on refuse keys that the server does not know: all of them."""
        self.ask("POST", "/moto-api/reset-auth", b"0" if on else b"1000000000")


@contextmanager
def served(folder: Path) -> Iterator[ObjectStore]:
    """Run a server, whose files are in `folder`."""
    (folder / "served_app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--threads", "8", "--no-control-socket"]
    command += ["--graceful-timeout", "1"]
    command += ["--bind", f"127.0.0.1:{port}", "served_app:app"]
    settings = os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": "1000000000"}
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log)
    store = ObjectStore(f"http://127.0.0.1:{port}")
    try:
        deadline = time.monotonic() + 60
        while True:
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline
            try:
                store.ask("PUT", f"/{BUCKET}")
                break
            except OSError:
                time.sleep(0.2)
        yield store
    finally:
        server.terminate()
        server.wait(timeout=20)
