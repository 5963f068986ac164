"""Commands on archives of sweeps: export, import."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, AsJson, Storage
from fdsweep.orchestrator.cli.output import for_people, show


def export(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="Name or the start of it; last: the newest. (default: last)",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="(default: SWEEP.zip)")] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Write a sweep to one archive: rows, report, pictures, versions, how to train it again."""
    with for_people():
        from fdsweep.orchestrator.upkeep.export import export as write
        from fdsweep.results.records.store import Store

        found = write(Store.open(storage), sweep, out)
        text = (
            f"{found.path}: {found.sweep}, {found.replicates} replicates, {found.size / 1e6:.1f} MB"
        )
        document = {"schema": "fdsweep.export/1", **asdict(found), "path": str(found.path)}
        show(text, document, as_json)


def import_archive(
    archive: Annotated[Path, typer.Argument(help="What `fdsweep export` wrote.")],
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Take the sweep of an archive into a storage; what is done there stays as it is."""
    with for_people():
        from fdsweep.orchestrator.upkeep.imports import take_in
        from fdsweep.results.records.store import Store

        found = take_in(archive, Store.create(storage))
        text = f"{found.sweep}: {found.new} replicates are new here, {found.known} were known"
        show(text, {"schema": "fdsweep.import/1", **asdict(found)}, as_json)
