"""Commands as jobs of a real head with its job server, which asks for a token, on loopback."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from commands import INTERRUPTIBLE, calm, start
from packages import write_project

from fdsweep.orchestrator.jobs.packages import read_folder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

METHOD = """
from fdsweep.trainers.distillers import Distiller, registry


@registry.register("modest", version=1)
class Modest(Distiller):
    needs_teacher = False  # a training less

    def __init__(self) -> None:
        super().__init__()
        self.weights = {"modest": 0.01}

    def forward(self, student, teacher, labels):
        return {"modest": student.logits.square().mean()}
"""
SWEEP = """
title: Submitted
seeds: [0]
epochs: 2
directions: [accelerometer->gyroscope]
rows: [{name: Modest, method: modest}]
"""
RESULTS = ["row", "seed", "key", "val_score", "test_score", "best_epoch"]
SECONDS = 120


def free_ports(count):
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [str(listener.getsockname()[1]) for listener in listeners]


def family(pid):
    """The process and all that come from it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [pid]
    for one in found:
        found += [pid for pid, parent in parents if parent == one]
    return found


class Cluster:
    """A head of two cores and the folders around it."""

    def __init__(self, folder):
        self.folder, self.token = folder, secrets.token_hex(32)
        self.temporary = Path(tempfile.mkdtemp(prefix="ray-"))  # sockets want short paths
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "FDSWEEP_"))}
        scripts = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        secret = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        self.environment = {**kept, **secret, "PATH": scripts, "OMP_NUM_THREADS": "1"}
        names = ["port", "dashboard-port", "ray-client-server-port", "metrics-export-port"]
        names += ["dashboard-agent-listen-port", "dashboard-agent-grpc-port"]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.address = f"http://127.0.0.1:{ports['dashboard-port']}"
        options = {
            **ports,
            "node-ip-address": "127.0.0.1",
            "dashboard-host": "127.0.0.1",
            "temp-dir": str(self.temporary),
            "num-cpus": "2",
        }
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        with (folder / "head.log").open("w") as log:
            self.head = subprocess.Popen(
                [*ray, *words, "--disable-usage-stats"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self):
        request = urllib.request.Request(f"{self.address}/api/version")
        request.add_header("Authorization", f"Bearer {self.token}")
        until = time.monotonic() + SECONDS
        while True:
            try:
                with urllib.request.urlopen(request, timeout=5):
                    return
            except OSError:
                if time.monotonic() > until:
                    pytest.fail((self.folder / "head.log").read_text())
                time.sleep(0.2)

    def end(self):
        for pid in family(self.head.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.head.wait()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def start(self, *words, **environment):
        """fdsweep with `words`, as typed on another machine."""
        there = {**self.environment, "RAY_API_SERVER_ADDRESS": self.address, **environment}
        return start(*words, first=INTERRUPTIBLE, environment=there, folder=self.folder)

    def run(self, *words, **environment):
        """Its exit code, stdout and stderr."""
        process = self.start(*words, **environment)
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        return process.returncode, out, err


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("submit"))
    try:
        files, points = {"modest.py": METHOD}, {"modest": "modest"}
        write_project(cluster.folder / "modest", "modest", files, points)
        (cluster.folder / "mine.yaml").write_text(SWEEP)
        cluster.wait()
        yield cluster
    finally:
        cluster.end()


def rows(storage):
    return (
        pd.read_parquet(storage / "results")
        .sort_values(["row", "seed"])[RESULTS]
        .reset_index(drop=True)
    )


def test_submitted_twice_it_is_one_job_with_the_rows_of_a_local_run(cluster):
    there, here = cluster.folder / "there", cluster.folder / "here"
    words = ["submit", "--package", "modest", "--env", "PASSWORD", "--"]
    words += ["run", "mine.yaml", "--storage", str(there)]
    both = [cluster.start(*words, PASSWORD="swordfish") for _ in range(2)]
    told = [one.communicate(timeout=SECONDS) for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    (table, err), (same, other) = told
    assert table == same
    assert "| Modest" in table
    assert "is started with modest" in err + other
    assert "following it" in err + other

    code, jobs, _ = cluster.run("status", "--storage", str(there), "--address", cluster.address)
    assert (code, jobs.count("SUCCEEDED"), jobs.count("run-")) == (0, 1, 1)
    code, again, err = cluster.run(*words, PASSWORD="swordfish")
    assert (code, again) == (0, table)
    assert "is done; --again runs it once more" in err

    (site := cluster.folder / "site").mkdir()
    read_folder(cluster.folder / "modest").copy_to(site)
    path = f"{site}{os.pathsep}{cluster.environment.get('PYTHONPATH', '')}"
    subprocess.run(
        calm("run", "mine.yaml", "--storage", here),
        cwd=cluster.folder,
        env={**cluster.environment, "PYTHONPATH": path},
        check=True,
        timeout=SECONDS,
    )
    pd.testing.assert_frame_equal(rows(there), rows(here))

    said = "".join([jobs, *map("".join, told)]).encode()
    stored = [path for path in there.rglob("*") if path.is_file()]
    logs = (cluster.temporary / "session_latest" / "logs").rglob("*.log")
    for text in [said, *(path.read_bytes() for path in [*stored, *logs])]:
        assert cluster.token.encode() not in text
    assert b"swordfish" not in said


def test_a_failed_or_stopped_job_is_tried_anew(cluster):
    storage = ["--storage", str(cluster.folder / "there")]
    (cluster.folder / "bad.yaml").write_text("rows: none")
    failing = ["submit", "--", "run", "bad.yaml", *storage]
    for attempt in (1, 2):
        code, out, err = cluster.run(*failing)
        assert (code, out) == (2, "")
        assert "fdsweep: bad.yaml" in err
        assert f"-{attempt} is started" in err

    long = ["submit", "--detach", "ablation", "--epochs", "2000", *storage]
    code, out, _ = cluster.run(*long)
    name = out.strip()
    assert (code, name[-2:]) == (0, "-1")
    follower = cluster.start(*(word for word in long if word != "--detach"))
    assert "is at work already" in follower.stderr.readline()
    follower.stderr.readline()  # the first line of the log
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=SECONDS)
    assert follower.returncode == 130
    assert f"To stop it, type: fdsweep stop {name}" in err
    follower = cluster.start("logs", name)
    code, out, _ = cluster.run("stop", name[:-4])
    assert code == 0
    assert f"{name}: STOPPED. To go on, type: fdsweep submit --detach ablation" in out
    _, err = follower.communicate(timeout=SECONDS)
    assert follower.returncode == 130
    assert f"{name} was stopped" in err
    code, out, _ = cluster.run(*long)
    assert (code, out.strip()) == (0, name[:-1] + "2")
    assert cluster.run("stop", name)[1].startswith(f"{name} has ended before")
    assert cluster.run("stop", out.strip())[0] == 0


def test_another_token_is_one_sentence(cluster):
    code, out, err = cluster.run("status", "--address", cluster.address, RAY_AUTH_TOKEN="0" * 64)
    assert (code, out) == (2, "")
    assert "wants a token that is not this one" in err.splitlines()[-1]
    assert "0000" not in err
