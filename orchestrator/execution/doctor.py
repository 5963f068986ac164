"""`fdsweep doctor`: what is installed, which devices Ray sees, what can be written."""

import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fdsweep.orchestrator.execution.cluster import ResourceRequest, connect
from fdsweep.orchestrator.execution.devices import usable
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import FdsweepError, public

PACKAGES = (
    "fdsweep",
    "torch",
    "ray",
    "optuna",
    "mlflow",
    "pandas",
    "pyarrow",
    "typer",
    "transformers",
    "seglearn",
)


def examine(storage: str, address: str | None) -> dict[str, Any]:
    """Findings by topic; `ok` is False if a study could not run here."""
    import torch

    problems: list[str] = []
    packages = {name: _version(name) for name in PACKAGES}
    problems += [f"{name} is not installed" for name, found in packages.items() if not found]
    devices: dict[str, Any] = {
        "cpus_here": os.cpu_count(),
        "gpus_here": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }
    try:
        nodes = connect(ResourceRequest(address=address)).nodes
        devices |= {"cpus_ray": sum(n.cpus for n in nodes), "gpus_ray": sum(n.gpus for n in nodes)}
        unusable, devices["nodes_not_tried"] = usable.on_every_node()
        problems += unusable
    except FdsweepError as error:
        problems.append(str(error))
    writable = {}
    tests = {"storage": lambda: Store.create(storage), "temporary": _try_temporary}
    for name, test in tests.items():
        try:
            test()
            writable[name] = True
        except (FdsweepError, OSError) as error:
            writable[name] = False
            problems.append(str(error))
    return {
        "ok": not problems,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "devices": devices,
        "storage": public(storage),
        "writable": writable,
        "ray_auth_mode": os.environ.get("RAY_AUTH_MODE", "not set"),
        "problems": problems,
    }


def to_text(findings: dict[str, Any]) -> str:
    """`findings` for a person."""
    lines = [f"Python {findings['python']} on {findings['platform']}"]
    lines += [f"  {name} {found or '-'}" for name, found in findings["packages"].items()]
    devices = findings["devices"]
    gpus = ", ".join(devices["gpus_here"]) or "no GPU"
    lines.append(f"Here: {devices['cpus_here']} CPUs, {gpus}")
    if "cpus_ray" in devices:
        lines.append(f"Ray sees: {devices['cpus_ray']:g} CPUs, {devices['gpus_ray']:g} GPUs")
    if devices.get("nodes_not_tried"):
        lines.append(f"GPUs not tried, all are taken: {', '.join(devices['nodes_not_tried'])}")
    lines.append(f"Ray authentication: {findings['ray_auth_mode']}")
    for name, can in findings["writable"].items():
        where = f" {findings['storage']}" if name == "storage" else " folder"
        lines.append(f"{name}{where}: {'writable' if can else 'NOT writable'}")
    lines += [f"Problem: {problem}" for problem in findings["problems"]]
    lines.append("All is well." if findings["ok"] else "Put these right first.")
    return "\n".join(lines)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _try_temporary() -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"fdsweep")
