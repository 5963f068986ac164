"""The command line: parse, call one function, print. stdout carries results, stderr the rest."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_spaces.errors import FdsweepError

if TYPE_CHECKING:
    from search_spaces.sweep import Sweep

app = typer.Typer(
    name="fdsweep",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sweeps of cross-modal knowledge distillation, with paired seeds and honest selection.",
)

Dataset = Annotated[str | None, typer.Option(help="Data set; `watch` is embedded.")]
Seeds = Annotated[str | None, typer.Option(help="A count, or a list such as 0,3,7.")]
Epochs = Annotated[int | None, typer.Option(help="Epochs of every network.")]
Direction = Annotated[
    list[str] | None,
    typer.Option(help="teacher->student, such as 'audio->visual'; repeatable. [default: all]"),
]
Storage = Annotated[
    str,
    typer.Option(envvar="FDSWEEP_STORAGE", help="Where results live: a path, or a URI."),
]
Gpus = Annotated[int | None, typer.Option(help="GPUs to use. [default: all that Ray sees]")]
GpusPerTrial = Annotated[float | None, typer.Option(help="May be a part, such as 0.25.")]
Workers = Annotated[int, typer.Option(help="Data-parallel workers of each trial.")]
SeedsPerTrial = Annotated[
    int | None, typer.Option(help="Split a cell's seeds into trials of so many.")
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster. [default: RAY_ADDRESS, else local]")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]
DEFAULT_STORAGE = "./fdsweep-runs"


@contextlib.contextmanager
def for_people() -> Iterator[None]:
    """Bad input, missing data, no cluster: one sentence on stderr, exit code 2."""
    try:
        yield
    except FdsweepError as error:
        typer.echo(f"fdsweep: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        command = shlex.join(["fdsweep", *sys.argv[1:]])
        typer.echo(f"\nfdsweep: interrupted. To go on, type: {command}", err=True)
        raise typer.Exit(130) from None


def _print(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


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


@app.command()
def ablation(
    study: Annotated[
        str, typer.Option(help="components, losses, cutoffs or controls.")
    ] = "components",
    full: Annotated[
        bool, typer.Option("--full", help="Every valid combination of the four components.")
    ] = False,
    dataset: Dataset = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    direction: Direction = None,
    storage: Storage = DEFAULT_STORAGE,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = None,
    workers_per_trial: Workers = 1,
    seeds_per_trial: SeedsPerTrial = None,
    address: Address = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train a study of FD-CMKD's parts and print its table; what is done is not done again."""
    with for_people():
        from orchestrator.cluster import Request
        from search_spaces.sweep import every_component, load_preset

        sweep = every_component() if full else load_preset(study)
        sweep = _override(sweep, dataset, seeds, epochs, direction)
        request = Request(address, gpus, gpus_per_trial, workers_per_trial)
        _train(sweep, storage, request, seeds_per_trial, dry_run, as_json)


@app.command()
def run(
    file: Annotated[Path, typer.Argument(help="A sweep in YAML; the README shows one.")],
    dataset: Dataset = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    direction: Direction = None,
    storage: Storage = DEFAULT_STORAGE,
    gpus: Gpus = None,
    gpus_per_trial: GpusPerTrial = None,
    workers_per_trial: Workers = 1,
    seeds_per_trial: SeedsPerTrial = None,
    address: Address = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Train the study that a YAML file describes; options given here win over the file."""
    with for_people():
        from orchestrator.cluster import Request
        from search_spaces.sweep import load_sweep

        sweep = _override(load_sweep(file), dataset, seeds, epochs, direction)
        request = Request(address, gpus, gpus_per_trial, workers_per_trial)
        _train(sweep, storage, request, seeds_per_trial, dry_run, as_json)


def _override(
    sweep: "Sweep",
    dataset: str | None,
    seeds: str | None,
    epochs: int | None,
    direction: list[str] | None,
) -> "Sweep":
    from search_spaces.sweep import override, parse_seeds

    return override(
        sweep,
        dataset=dataset,
        seeds=None if seeds is None else parse_seeds(seeds),
        epochs=epochs,
        directions=tuple(direction) if direction else None,
    )


def _train(
    sweep: "Sweep",
    storage: str,
    request: Any,
    seeds_per_trial: int | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    from orchestrator import study as studies
    from results.report import to_markdown

    study = studies.prepare(sweep, storage, request, seeds_per_trial)
    if dry_run or study.plan.left:
        cost = studies.estimate_study(study)
        if dry_run and as_json:
            _print(studies.plan_json(study, cost))
        else:
            typer.echo(studies.describe(study, cost), err=not dry_run)
    if dry_run:
        return
    outcome = studies.run(study)
    if as_json:
        _print(outcome.to_json())
    else:
        typer.echo(to_markdown(outcome.report))
    for failure in outcome.failures:
        text = f"failed: {failure.name}, seed {failure.seed}: {failure.error} Log: {failure.log}"
        typer.echo(text, err=True)
    raise typer.Exit(1 if outcome.failures else 0)


@app.command()
def report(
    sweep: Annotated[
        str | None, typer.Argument(help="Name or the start of it. [default: the newest]")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="markdown or json.")] = "markdown",
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Print a sweep's table from what is stored; neither Ray nor MLflow is needed."""
    with for_people():
        from results.report import report as make_report
        from results.report import to_json, to_markdown
        from results.store import Store
        from search_spaces.errors import unknown

        if form not in ("markdown", "json"):
            raise unknown("format", form, ("markdown", "json"), "--format")
        result = make_report(Store.open(storage), sweep)
        if as_json or form == "json":
            _print(to_json(result))
        else:
            typer.echo(to_markdown(result))


@app.command()
def status(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List the sweeps of a storage: what is done, what failed, what is left."""
    with for_people():
        from orchestrator.status import overview, to_text

        sweeps = overview(storage)
        if as_json:
            _print({"schema": "fdsweep.status/1", "sweeps": sweeps})
        else:
            typer.echo(to_text(sweeps))


@app.command()
def ui(
    storage: Storage = DEFAULT_STORAGE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5000,
) -> None:
    """Browse the runs: start MLflow's server on the storage, until Ctrl-C."""
    with for_people():
        from orchestrator.ui import serve

        raise typer.Exit(serve(storage, host, port))


@app.command()
def doctor(
    storage: Storage = DEFAULT_STORAGE, address: Address = None, as_json: AsJson = False
) -> None:
    """Say what is installed, which devices Ray sees, what can be written."""
    with for_people():
        from orchestrator.doctor import examine, to_text

        findings = examine(storage, address)
        if as_json:
            _print({"schema": "fdsweep.doctor/1", **findings})
        else:
            typer.echo(to_text(findings))
        raise typer.Exit(0 if findings["ok"] else 2)
