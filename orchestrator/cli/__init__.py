"""The command line: parse, call one function, print. stdout carries results, stderr the rest."""

from importlib.metadata import version
from typing import Annotated

import typer

from fdsweep.orchestrator.cli import data, jobs, models, report, services, train

app = typer.Typer(
    name="fdsweep",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sweeps of cross-modal knowledge distillation, with paired seeds and honest selection.",
)

COMMANDS = (
    *(train.ablation, train.compare, train.analyze, train.run, train.search),
    *(report.report, report.diff, data.prepare, services.methods, report.status),
    *(models.models, models.export_model, models.predict),
    *(services.ui, services.sync, services.doctor),
)

for command in COMMANDS:
    app.command()(command)
# what follows the command's name is the command's own, with or without `--` before it
app.command(context_settings={"allow_interspersed_args": False})(jobs.submit)
app.command()(jobs.logs)
app.command()(jobs.stop)
app.add_typer(data.init, name="init")
app.add_typer(data.app, name="datasets")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fdsweep {version('fdsweep')}")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it, stop.")
    ] = False,
) -> None:
    """Options of fdsweep itself."""
