"""Commands on a cluster's jobs: submit, logs, stop."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fdsweep.orchestrator.cli.options import one_of
from fdsweep.orchestrator.cli.output import TYPED, for_people
from fdsweep.orchestrator.cli.output import again as as_typed
from fdsweep.orchestrator.cli.settings import files
from fdsweep.search_spaces.errors import unknown

if TYPE_CHECKING:
    from fdsweep.orchestrator.jobs.packages import Package
    from fdsweep.orchestrator.jobs.request import Request
    from fdsweep.orchestrator.jobs.server import Job, JobServer

COMMANDS = ("ablation", "compare", "analyze", "run", "search", "prepare")
"""What takes long, and ends the same however often it is typed."""

Server = Annotated[
    str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="The job server of a Ray cluster.")
]
DEFAULT_SERVER = "http://127.0.0.1:8265"
JobName = Annotated[str, typer.Argument(help="A job's name, or the start of it.")]


def submit(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(help=f"{one_of(COMMANDS)}, with its options; write -- before it.")
    ],
    address: Server = DEFAULT_SERVER,
    package: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of a package to ship, beside those installed; repeatable."),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(help="NAME of a variable that the command needs; repeatable."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for its end.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Even if it is done already.")] = False,
) -> None:
    """Run a command as a job of a cluster and print its table; typed again, it is followed."""
    with for_people():
        from fdsweep.orchestrator.jobs.packages import own_packages
        from fdsweep.orchestrator.jobs.request import Request, environment
        from fdsweep.orchestrator.jobs.server import JobServer
        from fdsweep.orchestrator.jobs.submit import submit as start

        settings, filed = _parsed(context, command[0], command[1:])
        request = Request(
            words=(*command, *filed),
            typed=as_typed(),
            settings=settings,
            packages=tuple(_fitting(own_packages(package or (), Path.cwd()))),
            environment={**environment(env or ()), TYPED: as_typed()},
        )
        server = JobServer(address)
        job, new = start(server, request, again=again or bool(settings.get("dry_run")))
        _tell_start(job, new, request)
        if detach:
            typer.echo(job.id)
            raise typer.Exit(job.exit_code if job.over else 0)
        _follow(server, job, quiet=job.over)


def logs(name: JobName, address: Server = DEFAULT_SERVER) -> None:
    """Print a job's log and follow it to its end; what its command prints goes to stdout."""
    with for_people():
        from fdsweep.orchestrator.jobs.server import JobServer
        from fdsweep.orchestrator.jobs.submit import find

        server = JobServer(address)
        _follow(server, find(server.jobs(), name))


def stop(name: JobName, address: Server = DEFAULT_SERVER) -> None:
    """Stop a job; what it has done stays, and the same command goes on from there."""
    with for_people():
        from fdsweep.orchestrator.jobs.server import JobServer
        from fdsweep.orchestrator.jobs.submit import find

        server = JobServer(address)
        job = find(server.jobs(), name)
        if job.over:
            typer.echo(f"{job.id} has ended before ({job.status}).")
            return
        job = server.stop(job.id)
        typer.echo(f"{job.id}: {job.status}. To go on, type: {job.typed}")


def _parsed(
    context: typer.Context, name: str, words: list[str]
) -> tuple[dict[str, object], list[str]]:
    """Every option of the command `name` with its value here, as it would be run with `words`.

    And those as words that a file of settings gives, which is not there on the cluster.
    """
    if name not in COMMANDS:
        raise unknown("command for a cluster", name, COMMANDS, "fdsweep submit")
    group: Any = context.find_root().command
    command = group.get_command(context, name)
    inner = command.make_context(name, words, parent=context.parent)
    settings = {name: str(x) if isinstance(x, Path) else x for name, x in inner.params.items()}
    return settings, files.as_words(inner)


def _fitting(packages: "list[Package]") -> "list[Package]":
    """Those that run on any machine; of others is told."""
    for package in packages:
        if package.compiled:
            what = "holds compiled modules and is not shipped: the cluster must have it"
            typer.echo(f"fdsweep: {package.name} {what}.", err=True)
    return [package for package in packages if not package.compiled]


def _tell_start(job: "Job", new: bool, request: "Request") -> None:
    if new:
        along = ", ".join(package.name for package in request.packages)
        typer.echo(f"Job {job.id} is started{f' with {along}' if along else ''}.", err=True)
    elif job.over:
        typer.echo(f"Job {job.id} is done; --again runs it once more. It printed:", err=True)
    else:
        typer.echo(f"Job {job.id} is at work already; following it.", err=True)


def _follow(server: "JobServer", job: "Job", *, quiet: bool = False) -> None:
    """Print what the job prints and, unless `quiet`, what it says; end as it does."""
    from fdsweep.orchestrator.jobs.server import NOT_FOUND
    from fdsweep.orchestrator.jobs.submit import parted

    def say(line: str) -> None:
        if not quiet:
            typer.echo(line, err=True)

    try:
        job = server.follow(job.id, parted(say, typer.echo))
    except KeyboardInterrupt:
        typer.echo(
            f"\nfdsweep: {job.id} goes on. To follow it, type: {as_typed()}\n"
            f"To stop it, type: fdsweep stop {job.id}",
            err=True,
        )
        raise typer.Exit(130) from None
    if job.status == "STOPPED":
        typer.echo(f"fdsweep: {job.id} was stopped. To go on, type: {job.typed}", err=True)
    elif job.driver_code == NOT_FOUND:
        fix = "Install it there, or have its folder on the PATH of `ray start`"
        typer.echo(f"fdsweep: the head of the cluster finds no fdsweep. {fix}.", err=True)
    elif job.status == "FAILED" and job.exit_code != job.driver_code:
        why = (job.message.strip() or "no reason is known").splitlines()[0]
        typer.echo(f"fdsweep: {job.id} failed: {why}", err=True)
    raise typer.Exit(job.exit_code)
