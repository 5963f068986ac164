"""`fdsweep ui`: MLflow's own server on the storage, and links to a sweep's answer in it.

The database of a remote storage is this machine's: it is filled first.
"""

import os
import sys
from pathlib import Path
from typing import NoReturn

from fdsweep.orchestrator.tracking import database
from fdsweep.orchestrator.tracking.experiment import (
    artifacts_uri,
    find,
    is_own,
    route,
    tracking_uri,
)
from fdsweep.orchestrator.tracking.sync import sync
from fdsweep.orchestrator.tracking.tracker import IsTrained
from fdsweep.results.records import manifest
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError
from fdsweep.search_spaces.storage import Storage

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that nobody uses
}

BACKEND = "MLFLOW_BACKEND_STORE_URI"
"""Where MLflow looks for the URI, which may hold a password: everybody can read a command line."""


EVERYWHERE = {"0.0.0.0", "::"}
"""Addresses to listen on that no browser can open."""


def serve(
    storage: str, is_trained: IsTrained, host: str, port: int, sweep: str | None = None
) -> NoReturn:
    """Become MLflow's server: whoever ends this process ends the server.

    Where the answer of `sweep` (a name, its beginning, or None for the newest) is in it is said
    first.

    Raises:
        ConfigError: no such sweep.
        StorageError: nothing was logged there yet, or a remote storage cannot be read.
    """
    uri, where = tracking_uri(storage), Storage(storage)
    if not where.is_local and is_own(where, uri):
        print(sync(storage, uri, is_trained).to_text(), file=sys.stderr)
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        raise StorageError("holds no MLflow runs yet", storage, "Train a study first")
    for line in _links(Store(storage), uri, f"http://{_reachable(host)}:{port}", sweep):
        print(line, file=sys.stderr)
    command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", str(port)]
    command += ["--workers", "1"]
    command += ["--artifacts-destination", artifacts_uri(where)]
    os.execvpe(sys.executable, command, {**SETTINGS, **os.environ, BACKEND: uri})


def _links(store: Store, uri: str, address: str, sweep: str | None) -> list[str]:
    """Where to look, for a person; nothing where MLflow holds nothing of the sweep."""
    if sweep is None and not manifest.list_sweeps(store):
        return []
    name = manifest.find(store, sweep).sweep
    experiment = _experiment(store, uri, name)
    if experiment is None:
        return [f"MLflow holds nothing of {name} yet: fdsweep sync fills it in."]
    shown = {"table": "answer", "replicates and curves": "replicates"}
    return [
        f"{name}, its {what}: {address}{route(experiment, view)}" for what, view in shown.items()
    ]


def _experiment(store: Store, uri: str, name: str) -> str | None:
    """Id of the sweep's experiment; None where a database does not tell: the server says why."""
    if is_own(store, uri):
        path = database.home(store).local(layout.MLFLOW_DATABASE)
        if not path.stat().st_size or database.is_broken(path):
            return None
    try:
        return find(uri, name)
    except Exception:
        return None


def _reachable(host: str) -> str:
    return "localhost" if host in EVERYWHERE else f"[{host}]" if ":" in host else host
