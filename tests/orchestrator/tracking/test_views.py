"""MLflow opens on the answer: the views of an experiment, and the links to them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from fdsweep.orchestrator.tracking import ui
from fdsweep.orchestrator.tracking.experiment import VIEW, find, route
from fdsweep.orchestrator.tracking.mlflow import MlflowTracker
from fdsweep.orchestrator.tracking.runs import VIEWS, Run, Summary
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.errors import ConfigError

pytestmark = pytest.mark.slow  # MLflow takes seconds to import

ROOMS = Path(__file__).parents[3] / "docs" / "studies" / "rooms"
SWEEP = "compare-rooms-6cc79f"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def log(storage):
    """A replicate and two lines of a table in the experiment of the sweep."""
    run = Run(
        identity=("k", "3"),
        name="FD, a->b, seed 3",
        tags={"fdsweep.key": "k", "fdsweep.seed": "3", "fdsweep.direction": "a->b"},
        params={"dataset": "rooms", "network.data_fingerprint": "f" * 20},
        metrics=[("final_test_score", 0.5, 0)],
        seconds=1.0,
        done=True,
    )
    lines = [
        Summary(
            row=row, direction="a->b", tags={"fdsweep.verdict": "worse"}, metrics={"delta": -1.5}
        )
        for row in ("FD", "KD")
    ]
    with MlflowTracker(str(storage), SWEEP, {}) as opened:
        opened.log(run)
        opened.finish({}, {}, {}, lines)


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    kept = Path("reports") / SWEEP / "sweep.json"
    (folder / kept).parent.mkdir(parents=True)
    shutil.copy(ROOMS / kept, folder / kept)
    return folder


def client_of(uri):
    import mlflow  # slow, and not needed by whoever collects this test and runs others

    return mlflow.MlflowClient(uri)


def test_an_experiment_has_its_views_and_old_ones_get_them(storage, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = f"sqlite:///{storage}/mlflow.db"
    store = Store(str(storage))
    log(storage)
    client = client_of(uri)
    experiment = client.get_experiment_by_name(SWEEP)
    views = {tag for tag in experiment.tags if tag.startswith(VIEW)}
    assert views == {f"{VIEW}{name}" for name in VIEWS}
    (run,) = client.search_runs([experiment.experiment_id], "tags.fdsweep.key = 'k'")
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("rooms", "f" * 20)

    client.set_experiment_tag(experiment.experiment_id, f"{VIEW}answer", "of an older fdsweep")
    id = experiment.experiment_id
    for named in (None, "compare"):
        assert ui._links(store, uri, "http://here:5000", named) == [
            f"{SWEEP}, its table: http://here:5000{route(id, 'answer')}",
            f"{SWEEP}, its replicates and curves: http://here:5000{route(id, 'replicates')}",
        ]
    assert client.get_experiment(id).tags == experiment.tags
    with pytest.raises(ConfigError):
        ui._links(store, uri, "http://here:5000", "other")


def test_where_nothing_was_logged_there_is_no_link(tmp_path, storage):
    """Neither in a storage without sweeps, nor in one whose MLflow knows nothing of them."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    (tmp_path / "mlflow.db").touch()
    assert ui._links(Store(str(tmp_path)), uri, "http://x", None) == []
    shutil.copytree(storage / "reports", tmp_path / "reports")
    (line,) = ui._links(Store(str(tmp_path)), uri, "http://x", None)
    assert line == f"MLflow holds nothing of {SWEEP} yet: fdsweep sync fills it in."


@pytest.mark.parametrize(
    ("host", "named"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")]
)
def test_an_address_is_one_that_a_browser_opens(host, named):
    assert ui._reachable(host) == named


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome here")
def test_a_link_shows_the_table_alone(server, monkeypatch, tmp_path):
    """What MLflow's pages make of the view, which no document of MLflow's promises."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    log(tmp_path / "runs")
    experiment = find(server.uri, SWEEP)
    page = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1600,1000"),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=20000"),
            *("--dump-dom", f"{server.uri}{route(experiment, 'answer')}"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    for shown in ("FD, a-&gt;b", "KD, a-&gt;b", "fdsweep.verdict", "-1.5", "Group: a-&gt;b"):
        assert shown in page
    for hidden in ("seed 3", "sweep.json", "Source"):
        assert hidden not in page
