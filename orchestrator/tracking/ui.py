"""`fdsweep ui`: MLflow's own server on the storage."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from fdsweep.orchestrator.tracking.experiment import artifacts_uri, tracking_uri
from fdsweep.search_spaces.errors import StorageError

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that nobody uses
}

BACKEND = "MLFLOW_BACKEND_STORE_URI"
"""Where MLflow looks for the URI, which may hold a password: everybody can read a command line."""


def serve(storage: str, host: str, port: int) -> NoReturn:
    """Become MLflow's server: whoever ends this process ends the server.

    Raises:
        StorageError: nothing was logged there yet.
    """
    uri = tracking_uri(storage)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise StorageError("holds no MLflow runs yet", storage, "Train a study first")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--workers", "1"]
    artifacts = artifacts_uri(storage)
    if artifacts:
        command += ["--artifacts-destination", artifacts]
    os.execvpe(sys.executable, command, {**SETTINGS, **os.environ, BACKEND: uri})
