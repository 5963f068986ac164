"""Who can reach a local cluster: addresses of its sockets, and its token."""

import os
import subprocess
from pathlib import Path

import pytest
import ray

pytestmark = pytest.mark.ray

LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1 as IPv4 and within IPv6, and ::1, as Linux spells them."""
LISTENS = "0A"


def family():
    """This process and all that come from it."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    parents = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
    found = [os.getpid()]
    for one in found:
        found += [pid for pid, parent in parents if parent == one]
    return found


def listening(pid):
    """Addresses on which the process listens; none if it has just ended."""
    held = set()
    for handle in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            held.add(os.readlink(handle))
        except OSError:
            continue
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return {
        cells[1].split(":")[0]
        for cells in lines
        if cells[3] == LISTENS and f"socket:[{cells[9]}]" in held
    }


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_a_local_cluster_listens_on_loopback_and_hides_its_token(cluster):
    @ray.remote(num_cpus=0.5)
    class Worker:
        def pid(self):
            return os.getpid()

    worker = Worker.remote()
    pid = ray.get(worker.pid.remote())
    processes = family()
    assert pid in processes
    found = {one: listening(one) for one in processes}
    assert len(set().union(*found.values())) >= 1
    assert found[pid]
    assert set().union(*found.values()) <= LOOPBACK
    token = os.environ["RAY_AUTH_TOKEN"].encode()
    for one in processes:
        arguments = Path(f"/proc/{one}/cmdline")
        assert not arguments.exists() or token not in arguments.read_bytes()
    ray.kill(worker)
