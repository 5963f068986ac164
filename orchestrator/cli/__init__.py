"""The command line: parse, call one function, print. stdout carries results, stderr the rest."""

import atexit
from gc import freeze
from pathlib import Path
from typing import Annotated

import typer

from fdsweep.orchestrator.cli import data, jobs, models, report, services, train
from fdsweep.orchestrator.cli.help.command import add, spoken
from fdsweep.orchestrator.cli.output import for_people
from fdsweep.orchestrator.cli.settings import files
from fdsweep.orchestrator.cli.settings.config import config
from fdsweep.orchestrator.cli.storage import archives
from fdsweep.orchestrator.cli.storage.gc import gc
from fdsweep.orchestrator.garbage import look_late

app = typer.Typer(
    name="fdsweep",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sweeps of cross-modal knowledge distillation, with paired seeds and honest selection.",
)

COMMANDS = {
    "Study": (train.ablation, train.compare, train.search, train.run, train.analyze),
    "Results": (
        *(report.report, report.diff, report.status),
        *(models.models, models.export_model, models.predict),
    ),
    "Data": (data.prepare, services.methods, services.schema),
    "Upkeep": (archives.export, gc, config, services.ui, services.sync, services.doctor),
}
"""In the panels of `fdsweep --help`."""

CLUSTER = "Cluster"

for panel, commands in COMMANDS.items():
    for command in commands:
        add(app, command, panel=panel)
add(app, archives.import_archive, name="import", panel="Upkeep")
# what follows the command's name is the command's own, with or without `--` before it
add(app, jobs.submit, panel=CLUSTER, allow_interspersed_args=False)
add(app, jobs.logs, panel=CLUSTER)
add(app, jobs.stop, panel=CLUSTER)
app.add_typer(data.init, name="init", rich_help_panel="Data")
app.add_typer(data.app, name="datasets", rich_help_panel="Data")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # slow to import

        typer.echo(f"fdsweep {version('fdsweep')}")
        raise typer.Exit


@app.callback()
@spoken
def main(
    context: typer.Context,
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it, stop.")
    ] = False,
) -> None:
    """Options of fdsweep itself, and those that files set for its commands."""
    del show_version
    look_late()
    atexit.register(freeze)  # at its end Python would look for cycles among all that was imported
    if context.invoked_subcommand:
        with for_people():
            context.default_map = files.defaults(context.command, files.read(Path()))
