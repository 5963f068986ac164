"""The jobs of a cluster, for `fdsweep status`."""

import time
from dataclasses import asdict
from typing import Any

from fdsweep.orchestrator.jobs.server import JobServer


def overview(address: str) -> list[dict[str, Any]]:
    """A dictionary per command of ours on the cluster whose job server is at `address`."""
    return [
        {key: value for key, value in asdict(job).items() if key != "message"}
        for job in JobServer(address).jobs()
    ]


def to_text(jobs: list[dict[str, Any]]) -> str:
    """`jobs` as lines for a person."""
    if not jobs:
        return "No job there yet. Type: fdsweep submit -- ablation"
    return "\n".join(f"{j['id']}: {j['status']}{_since(j)} ({j['command']})" for j in jobs)


def _since(job: dict[str, Any]) -> str:
    moment = job["ended"] or job["started"]
    return f" since {time.strftime('%Y-%m-%d %H:%M', time.localtime(moment))}" if moment else ""
