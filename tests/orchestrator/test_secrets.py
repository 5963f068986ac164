"""What is secret in a URI is not in what is said of it."""

import sys

import pytest

from fdsweep.orchestrator.cli.output import again
from fdsweep.orchestrator.tracking import ui
from fdsweep.search_spaces.errors import StorageError, public
from fdsweep.search_spaces.storage import tell_once


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://AKIA:wJa/lr@x@bucket/runs?region=eu", "s3://***@bucket/runs?region=eu"),
        ("at postgresql://me:pw@db:5432/mlflow: no", "at postgresql://***@db:5432/mlflow: no"),
        ("s3://b/r?secret_key=S&region=eu", "s3://b/r?secret_key=***&region=eu"),
        (
            "abfs://c@a/r?client_secret=S&SAS_Token=T",
            "abfs://***@a/r?client_secret=***&SAS_Token=***",
        ),
        ("s3://bucket/me@home?scheme=http", "s3://***@home?scheme=http"),
        ("mail me@home", "mail me@home"),
        ("/runs?key=1", "/runs?key=1"),
        ("s3://bucket/runs?endpoint_override=host:9", "s3://bucket/runs?endpoint_override=host:9"),
    ],
)
def test_secrets_are_struck_out(text, said):
    assert public(text) == said


def test_an_error_a_warning_and_the_command_to_type_hold_none(monkeypatch, capsys):
    uri = "s3://AKIA:wJalrX@bucket/runs?region=eu&session_token=FwoG"
    monkeypatch.setattr(sys, "argv", ["fdsweep", "run", "--storage", uri])
    tell_once(f"{uri} is damaged")
    said = [str(StorageError(f"cannot open {uri}", uri, f"Try {uri}")), again()]
    said.append(capsys.readouterr().err)
    for text in said:
        assert "s3://***@bucket/runs?region=eu&session_token=***" in text
        assert not any(secret in text for secret in ("AKIA", "wJalrX", "FwoG"))


def test_mlflows_server_gets_its_database_where_nobody_reads_it(monkeypatch):
    started = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hushhush@db/mlflow")
    monkeypatch.setattr(ui.os, "execvpe", lambda *given: started.append(given))
    ui.serve("runs", lambda _: False, "127.0.0.1", 5000)
    ((_, command, environment),) = started
    assert "hushhush" not in " ".join(command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:hushhush@db/mlflow"
