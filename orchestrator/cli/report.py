"""Commands that read what is stored: report, diff, status."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, AsJson, Storage
from fdsweep.orchestrator.cli.output import (
    for_people,
    print_json,
    print_text,
    report_text,
    sections_text,
    show,
    terminal_width,
)


def report(
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(
            help="Name or the start of it, or STORAGE#NAME; last: the newest; several are "
            "compared by data sets. (default: last)",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="markdown, latex, html, csv or json. (default: markdown; fitted to a terminal)",
        ),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Say whether a report in this file still holds, instead.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Print the report of a sweep, or of several together, from what is stored."""
    with for_people():
        from fdsweep.results.records.store import Store
        from fdsweep.results.report import FORMATS, load, report_of, to_text
        from fdsweep.search_spaces.errors import unknown

        if form not in (None, *FORMATS):
            raise unknown("format", form, FORMATS, "--format")
        if sweeps and len(sweeps) > 1:
            _report_several(sweeps, storage, "json" if as_json else form, check)
            return
        if sweeps:
            from fdsweep.results.several import load_several

            (data,) = load_several(sweeps, storage).values()
        else:
            data = load(Store.open(storage))
        result = report_of(data)
        if check:
            from fdsweep.results.check import check as check_file

            differences = check_file(result, check, form)
            _tell_differences(differences, str(check), result.sweep, as_json)
            raise typer.Exit(1 if differences else 0)
        pictures = None
        if form == "html":
            from fdsweep.results import plots

            pictures = plots.render(plots.pictures(data))
        chosen = "json" if as_json else form
        print_text(to_text(result, chosen, pictures) if chosen else report_text(result))


def _report_several(places: list[str], storage: str, form: str | None, check: Path | None) -> None:
    from fdsweep.results import several
    from fdsweep.results.formats.several.pooled import pooled_sections
    from fdsweep.search_spaces.errors import ConfigError

    if check:
        raise ConfigError("a file is of one sweep", "--check", "Name that sweep alone")
    sweeps = several.load_several(places, storage)
    pooled = several.compare(sweeps)
    pictures = None
    if form == "html":
        from fdsweep.results import plots
        from fdsweep.results.plots.pooled import pooled_pictures

        pictures = plots.render(pooled_pictures(pooled, several.looks(sweeps)))
    text = several.to_text(pooled, form, pictures) if form else None
    print_text(text or sections_text(partial(pooled_sections, pooled)))


def diff(
    first: Annotated[
        str,
        typer.Argument(
            help="A sweep: name, start of it, or STORAGE#NAME.", autocompletion=completion.sweeps
        ),
    ],
    second: Annotated[
        str,
        typer.Argument(help="The one that is held against it.", autocompletion=completion.sweeps),
    ],
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Say in what two sweeps differ: how they were set up, and what came out."""
    with for_people():
        from fdsweep.results.formats.several.diff import diff_sections, to_json
        from fdsweep.results.several import difference, load_several

        found = difference(load_several([first, second], storage))
        print_text(to_json(found) if as_json else sections_text(lambda _: diff_sections(found)))


def _tell_differences(differences: list[str], path: str, sweep: str, as_json: bool) -> None:
    if as_json:
        print_json({"schema": "fdsweep.check/1", "sweep": sweep, "differences": differences})
        return
    for difference in differences:
        typer.echo(difference)
    if not differences:
        typer.echo(f"{path} matches the data of {sweep}.")


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="Name or the start of it; last: the newest. (default: all)",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again, until Ctrl-C.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    address: Annotated[
        str | None, typer.Option(help="A job server, such as http://head:8265: its jobs as well.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the sweeps of a storage: what is done, failed and left, and what is in training now."""
    with for_people():
        from fdsweep.orchestrator.studies.status import view
        from fdsweep.orchestrator.studies.status.looking import Looking, to_json
        from fdsweep.results.records.store import Store
        from fdsweep.search_spaces.errors import ConfigError, StorageError

        if watch:
            if as_json or address:
                what = "the storage alone is watched, by people"
                raise ConfigError(what, "--watch", "Leave out --json and --address")
            from fdsweep.orchestrator.studies.status import watch as watching

            watching.watch(storage, sweep)
            return
        document: dict[str, object] = {"schema": "fdsweep.status/1"}
        texts = []
        try:
            found = Looking(Store.open(storage), sweep).look()
            document["sweeps"] = [to_json(one) for one in found]
            texts.append("\n".join(view.lines(found, terminal_width())))
        except StorageError as error:  # the cluster's may be out of reach from here
            if not address:
                raise
            typer.echo(f"fdsweep: {error}", err=True)
        if address:
            from fdsweep.orchestrator.jobs import overview as jobs

            document["jobs"] = jobs_there = jobs.overview(address)
            texts.append(jobs.to_text(jobs_there))
        show("\n\n".join(texts), document, as_json)
