"""What `fdsweep submit` refuses before anything is sent, names of jobs, and logs in two parts."""

import os
import socket
import sys

import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.cli.output import TYPED, again
from fdsweep.orchestrator.jobs.request import environment
from fdsweep.orchestrator.jobs.server import Job
from fdsweep.orchestrator.jobs.submit import RESULT, find, parted
from fdsweep.search_spaces.errors import ConfigError

HERE = ["--storage", "/shared/runs"]


@pytest.fixture
def submit(monkeypatch):
    monkeypatch.delenv("FDSWEEP_STORAGE", raising=False)
    monkeypatch.delenv("RAY_API_SERVER_ADDRESS", raising=False)
    return lambda *words: CliRunner().invoke(app, ["submit", *words])


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["ablation"], ["./fdsweep-runs: is a folder of this machine", "/shared/runs"]),
        (["ablation", "--storage", "runs"], ["runs: is a folder"]),
        (["ablation", "--storage", "s3://k:v@b/runs"], ["--storage: holds a secret", "--env AWS"]),
        (["ablation", "--storage", "s3://b/r?secret_key=v"], ["--storage: holds a secret"]),
        (["ablation", "--address", "auto", *HERE], ["--address: names a cluster", "Leave it out"]),
        (["submit", "ablation"], ["'submit'", "ablation, analyze, compare, prepare, run, search"]),
        (["report", *HERE], ["'report'"]),
        (["--env", "RAY_AUTH_TOKEN", "ablation", *HERE], ["is a token", "has its own"]),
        (["--env", "PASS=word", "ablation", *HERE], ["--env PASS: is not set"]),
        (["--env", "RAY_TRAIN_METRICS_ENABLED", "ablation", *HERE], ["set by fdsweep itself"]),
        (["--package", "/nowhere", "ablation", *HERE], ["--package /nowhere", "pyproject.toml"]),
        (["--address", "auto", "ablation", *HERE], ["auto: is not the address", ":8265"]),
        (["--address", "ray://x:1", "ablation", *HERE], ["ray://x:1: is not the address"]),
    ],
)
def test_what_cannot_be_a_job_is_one_sentence(submit, words, needles):
    result = submit(*words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert "word" not in result.stderr
    for needle in needles:
        assert needle in result.stderr


def test_an_option_that_the_command_does_not_have_is_refused_here(submit):
    result = submit("--", "ablation", "--dataset", "watch", "--sed", "3", *HERE)
    assert result.exit_code == 2
    assert "--sed" in result.stderr


def test_a_server_that_does_not_answer_is_one_sentence(submit):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        result = submit("--address", f"http://{address}", "ablation", *HERE)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"fdsweep: {address}: no job server answers")


def test_a_missing_job_client_is_named(submit, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = submit("--address", f"127.0.0.1:{server.getsockname()[1]}", "ablation", *HERE)
    assert result.exit_code == 2
    assert "needs aiohttp. Type: pip install 'fdsweep[cluster]'" in result.stderr


def test_our_own_variables_go_along_and_named_ones(monkeypatch):
    for name in [name for name in os.environ if name.startswith("FDSWEEP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FDSWEEP_TRACKER", "mlflow")
    monkeypatch.setenv("AWS_REGION", "eu-1")
    assert environment([]) == {"FDSWEEP_TRACKER": "mlflow"}
    assert environment(["AWS_REGION"]) == {"AWS_REGION": "eu-1", "FDSWEEP_TRACKER": "mlflow"}


def test_a_job_is_found_by_the_start_of_its_name():
    names = ["ablation-11aa-1", "ablation-11aa-2", "ablation-11aa-10", "run-22bb-1", "run-23cc-1"]
    jobs = [Job(name, "RUNNING", "", "", None, None, None, "") for name in names]
    assert find(jobs, "ablation-11aa-1").id == "ablation-11aa-1"
    assert find(jobs, "abl").id == "ablation-11aa-10"
    assert find(jobs, "run-23").id == "run-23cc-1"
    with pytest.raises(ConfigError, match=r"2 commands begin so: run-22bb, run-23cc"):
        find(jobs, "run")
    with pytest.raises(ConfigError, match="unknown job 'search'"):
        find(jobs, "search")


def test_a_log_is_parted_at_its_line_however_it_is_cut():
    log = f"Running echo '{RESULT}'\nepoch 1\n{RESULT}\n| table |\n\nend\n"
    for size in (1, 5, len(log)):
        said, shown = [], []
        take = parted(said.append, shown.append)
        for start in range(0, len(log), size):
            take(log[start : start + size])
        assert said == [f"Running echo '{RESULT}'", "epoch 1"]
        assert shown == ["| table |", "", "end"]


def test_a_job_names_what_was_typed_to_submit_it(monkeypatch):
    monkeypatch.setenv(TYPED, "fdsweep submit -- ablation")
    assert again() == "fdsweep submit -- ablation"
