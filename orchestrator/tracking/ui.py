"""`fdsweep ui`: MLflow's own server on the storage.

The database of a remote storage is this machine's: it is filled first.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from fdsweep.orchestrator.tracking.experiment import artifacts_uri, is_own, tracking_uri
from fdsweep.orchestrator.tracking.sync import sync
from fdsweep.orchestrator.tracking.tracker import IsTrained
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that nobody uses
}

BACKEND = "MLFLOW_BACKEND_STORE_URI"
"""Where MLflow looks for the URI, which may hold a password: everybody can read a command line."""


def serve(storage: str, is_trained: IsTrained, host: str, port: int) -> NoReturn:
    """Become MLflow's server: whoever ends this process ends the server.

    Raises:
        StorageError: nothing was logged there yet, or a remote storage cannot be read.
    """
    uri, where = tracking_uri(storage), Storage(storage)
    if not where.is_local and is_own(where, uri):
        print(sync(storage, uri, is_trained).to_text(), file=sys.stderr)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise StorageError("holds no MLflow runs yet", storage, "Train a study first")
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--workers", "1"]
    command += ["--artifacts-destination", artifacts_uri(where)]
    os.execvpe(sys.executable, command, {**SETTINGS, **os.environ, BACKEND: uri})
