"""`fdsweep ui`: MLflow's own server on the storage."""

import os
import subprocess
import sys
from pathlib import Path

from fdsweep.orchestrator.tracking.mlflow import tracking_uri
from fdsweep.search_spaces.errors import StorageError


def serve(storage: str, host: str, port: int) -> int:
    """Run MLflow's server in the foreground; its exit code.

    Raises:
        StorageError: nothing was logged there yet.
    """
    uri = tracking_uri(storage)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise StorageError("holds no MLflow runs yet", storage, "Train a study first")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--backend-store-uri", uri, "--workers", "1"]
    if "://" not in storage:
        artifacts = Path(storage).absolute() / "mlartifacts"
        command += ["--artifacts-destination", artifacts.as_uri()]
    environment = {"MLFLOW_DISABLE_TELEMETRY": "true", **os.environ}
    return subprocess.run(command, env=environment, check=False).returncode
