"""Commands on the tool itself and what stands around it: methods, ui, sync, doctor."""

from typing import Annotated

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, Address, AsJson, Storage
from fdsweep.orchestrator.cli.output import for_people, print_json, show


def methods(as_json: AsJson = False) -> None:
    """List the methods: what they distil, what they need, where they were published."""
    with for_people():
        from fdsweep.orchestrator.studies.methods import overview, to_text

        found = overview()
        show(to_text(found), {"schema": "fdsweep.methods/1", "methods": found}, as_json)


def schema(
    name: Annotated[
        str,
        typer.Argument(help="sweep, space or data.", autocompletion=completion.schemas),
    ],
) -> None:
    """Print the JSON schema of a file that people write, for editors to complete and check it."""
    with for_people():
        from fdsweep.orchestrator.drafts import schemas

        print_json(schemas.schema(name))


def ui(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="Name or the start of it. (default: the newest)",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Browse the runs: start MLflow's server and say where a sweep's table is in it."""
    with for_people():
        from fdsweep.orchestrator.execution.leases import may_be_trained
        from fdsweep.orchestrator.tracking.ui import serve

        serve(storage, may_be_trained(storage), host, port, sweep)


def sync(
    storage: Storage = DEFAULT_STORAGE,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            envvar="MLFLOW_TRACKING_URI",
            help="MLflow's server or database. (default: the storage's own mlflow.db)",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fill MLflow from the storage: the runs that it missed while it was away or broken."""
    with for_people():
        from fdsweep.orchestrator.execution.leases import may_be_trained
        from fdsweep.orchestrator.tracking.sync import sync as fill

        outcome = fill(storage, tracking_uri, may_be_trained(storage))
        show(outcome.to_text(), outcome.to_json(), as_json)
        raise typer.Exit(0 if outcome.ok else 1)


def doctor(
    storage: Storage = DEFAULT_STORAGE, address: Address = None, as_json: AsJson = False
) -> None:
    """Say what is installed, which devices Ray sees, what can be written."""
    with for_people():
        from fdsweep.orchestrator.execution.doctor import examine, to_text

        findings = examine(storage, address)
        show(to_text(findings), {"schema": "fdsweep.doctor/1", **findings}, as_json)
        raise typer.Exit(0 if findings["ok"] else 2)
