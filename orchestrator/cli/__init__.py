"""The command line: parse, call one function, print. stdout carries results, stderr the rest."""

import contextlib
import functools
import inspect
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fdsweep.search_spaces.errors import FdsweepError

if TYPE_CHECKING:
    from fdsweep.orchestrator.tracking.recorder import Failure
    from fdsweep.search_spaces.sweep import Sweep

app = typer.Typer(
    name="fdsweep",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Sweeps of cross-modal knowledge distillation, with paired seeds and honest selection.",
)

DEFAULT_STORAGE = "./fdsweep-runs"
Storage = Annotated[
    str,
    typer.Option(envvar="FDSWEEP_STORAGE", help="Where results live: a path, or a URI."),
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster. (default: RAY_ADDRESS, else local)")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options of every command that trains a study."""

    dataset: Annotated[str | None, typer.Option(help="Data set; `watch` is embedded.")] = None
    seeds: Annotated[str | None, typer.Option(help="A count, or a list such as 0,3,7.")] = None
    epochs: Annotated[int | None, typer.Option(help="Epochs of every network.")] = None
    direction: Annotated[
        list[str] | None,
        typer.Option(help="teacher->student, such as 'audio->visual'; repeatable. (default: all)"),
    ] = None
    storage: Storage = DEFAULT_STORAGE
    gpus: Annotated[int | None, typer.Option(help="GPUs to use. (default: all that Ray sees)")] = (
        None
    )
    gpus_per_trial: Annotated[float | None, typer.Option(help="May be a part, such as 0.25.")] = (
        None
    )
    workers_per_trial: Annotated[int, typer.Option(help="Data-parallel workers of each trial.")] = 1
    seeds_per_trial: Annotated[
        int | None, typer.Option(help="Split a cell's seeds into trials of so many.")
    ] = None
    loading: Annotated[
        str, typer.Option(help="Data: resident in memory, streaming, or auto by size.")
    ] = "auto"
    memory_gb: Annotated[
        float, typer.Option(help="For each trial's data; larger ones are streamed.")
    ] = 8.0
    pretrained: Annotated[
        list[str] | None,
        typer.Option(help="modality=NAME_OR_PATH: a checkpoint to start from; repeatable."),
    ] = None
    address: Address = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False
    as_json: AsJson = False


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


def _echo(text: str) -> None:
    typer.echo(text, nl=not text.endswith("\n"))


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


def with_common(act: Callable[..., None]) -> Callable[..., None]:
    """A command from `act(common, own options)`; the options of `Common` are added to its own."""
    own = list(inspect.signature(act).parameters.values())[1:]
    shared = inspect.signature(Common).parameters.values()

    @functools.wraps(act)
    def command(**given: Any) -> None:
        common = Common(**{option.name: given.pop(option.name) for option in shared})
        with for_people():
            act(common, **given)

    parameters = [*own, *shared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def trains(define: Callable[..., "Sweep"]) -> Callable[..., None]:
    """A command that trains the sweep which `define` gives."""

    @functools.wraps(define)
    def act(common: Common, **given: Any) -> None:
        _train(define(**given), common)

    own = inspect.signature(define).parameters.values()
    first = inspect.Parameter("common", inspect.Parameter.POSITIONAL_ONLY)
    act.__signature__ = inspect.Signature([first, *own])  # type: ignore[attr-defined]
    return with_common(act)


@app.command()
@trains
def ablation(
    *,
    study: Annotated[
        str, typer.Option(help="components, losses, cutoffs or controls.")
    ] = "components",
    full: Annotated[
        bool, typer.Option("--full", help="Every valid combination of the four components.")
    ] = False,
    cutoff: Annotated[
        str | None, typer.Option(help="Of the rows that have bands and name none; or learn.")
    ] = None,
) -> "Sweep":
    """Train a study of FD-CMKD's parts and print its table; what is done is not done again."""
    from fdsweep.search_spaces.presets import every_component, load_preset, with_cutoff

    sweep = every_component() if full else load_preset(study)
    return sweep if cutoff is None else with_cutoff(sweep, _number_or_word(cutoff))


@app.command()
@trains
def compare(
    *,
    methods: Annotated[
        str | None,
        typer.Option(help="Such as kd,feat,kd+fd-cmkd; `+` adds methods up. (default: all)"),
    ] = None,
    pairing: Annotated[
        str, typer.Option(help="Teacher samples: paired, same-class or unpaired.")
    ] = "paired",
) -> "Sweep":
    """Train methods on equal terms and print what each gains over `none`."""
    from fdsweep.orchestrator.studies.compare import comparison

    return comparison(methods, pairing)


@app.command()
@with_common
def analyze(
    common: Common,
    *,
    cutoff: Annotated[float, typer.Option(help="Between the low and the high band.")] = 0.5,
) -> None:
    """Compare the teachers' features across modalities, band by band, beside controls."""
    from fdsweep.orchestrator.studies import analyze as analyzing
    from fdsweep.orchestrator.studies import study as studies

    study = analyzing.prepare(
        _overridden(analyzing.base_sweep(cutoff), common), **_arguments(common)
    )
    if common.dry_run or study.plan.left:
        cost = studies.estimate_study(study)
        _tell_plan(analyzing.describe(study, cost), studies.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = analyzing.run(study)
        _show(outcome.to_markdown(), outcome.to_json(), outcome.failures, common.as_json)


@app.command()
@trains
def run(
    file: Annotated[Path, typer.Argument(help="A sweep in YAML; the README shows one.")],
) -> "Sweep":
    """Train the study that a YAML file describes; options given here win over the file."""
    from fdsweep.search_spaces.sweep import load_sweep

    return load_sweep(file)


@app.command()
@with_common
def search(
    common: Common,
    *,
    space: Annotated[
        str, typer.Option(help="loss-weights, cutoffs, all, or a YAML file.")
    ] = "loss-weights",
    method: Annotated[str | None, typer.Option(help="A method. (default: fd-cmkd)")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Several, such as fd-cmkd,kd,feat: equal budgets.")
    ] = None,
    trials: Annotated[int, typer.Option(help="For each method and direction.")] = 20,
    timeout: Annotated[
        float | None, typer.Option(help="Minutes after which no new trial begins.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe, random, cmaes or gp.")] = "tpe",
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Stop trials that fall behind (ASHA).")
    ] = True,
    objective: Annotated[
        str, typer.Option(help="accuracy; accuracy,cost; directions; directions,cost.")
    ] = "accuracy",
    tuning_seeds: Annotated[
        str, typer.Option(help="A count, or a list; --seeds are the fresh ones.")
    ] = "2",
    cutoff: Annotated[
        str | None, typer.Option(help="Set, not searched: a number, or learn.")
    ] = None,
) -> None:
    """Tune on validation accuracy, then compare with the default on fresh seeds."""
    from fdsweep.orchestrator.search import settings as planning
    from fdsweep.orchestrator.search.run import run as run_search
    from fdsweep.results.report import to_markdown
    from fdsweep.search_spaces.errors import ConfigError
    from fdsweep.search_spaces.fields import parse_names, parse_seeds
    from fdsweep.search_spaces.spaces import load_space

    if method and methods:
        raise ConfigError("both are given", "--method, --methods", "Give one of them")
    wish = planning.SearchSettings(
        space=load_space(space),
        methods=parse_names(methods or method or "fd-cmkd", "--methods"),
        options={} if cutoff is None else {"cutoff": _number_or_word(cutoff)},
        trials=trials,
        minutes=timeout,
        sampler=sampler,
        prune=prune,
        objective=objective,
        tuning_seeds=parse_seeds(tuning_seeds, "--tuning-seeds"),
    )
    sweep = _overridden(planning.base_sweep(wish), common)
    if common.seeds is not None and common.seeds.strip().isdecimal():
        sweep = sweep.model_copy(update={"seeds": planning.fresh_seeds(len(sweep.seeds))})
    study = planning.prepare(wish, sweep, **_arguments(common))
    cost = planning.estimate_search(study)
    _tell_plan(planning.describe(study, cost), planning.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = run_search(study)
        _show(to_markdown(outcome.report), outcome.to_json(), outcome.failures, common.as_json)


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _overridden(sweep: "Sweep", common: Common) -> "Sweep":
    from fdsweep.search_spaces.fields import parse_pairs, parse_seeds
    from fdsweep.search_spaces.sweep import override

    return override(
        sweep,
        dataset=common.dataset,
        seeds=None if common.seeds is None else parse_seeds(common.seeds),
        epochs=common.epochs,
        directions=tuple(common.direction) if common.direction else None,
        pretrained=parse_pairs(common.pretrained, "--pretrained") if common.pretrained else None,
    )


def _arguments(common: Common) -> dict[str, Any]:
    """What `study.prepare` takes beside a sweep."""
    from fdsweep.orchestrator.execution.cluster import ResourceRequest
    from fdsweep.search_spaces.trials import Loading

    return {
        "storage": common.storage,
        "request": ResourceRequest(
            common.address, common.gpus, common.gpus_per_trial, common.workers_per_trial
        ),
        "seeds_per_trial": common.seeds_per_trial,
        "loading": Loading(mode=common.loading, memory_gb=common.memory_gb),  # type: ignore[arg-type]
    }


def _train(sweep: "Sweep", common: Common) -> None:
    from fdsweep.orchestrator.studies import study as studies
    from fdsweep.results.report import to_markdown

    study = studies.prepare(_overridden(sweep, common), **_arguments(common))
    if common.dry_run or study.plan.left:
        cost = studies.estimate_study(study)
        _tell_plan(studies.describe(study, cost), studies.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = studies.run(study)
        _show(to_markdown(outcome.report), outcome.to_json(), outcome.failures, common.as_json)


def _tell_plan(text: str, document: dict[str, Any], common: Common) -> None:
    """Print a plan: on stdout if it is all that was asked for."""
    if common.dry_run and common.as_json:
        _print(document)
    else:
        typer.echo(text, err=not common.dry_run)


def _show(
    text: str, document: dict[str, Any], failures: "Sequence[Failure]", as_json: bool
) -> None:
    """Print what came out; exit code 1 if something failed."""
    if as_json:
        _print(document)
    else:
        _echo(text)
    for failure in failures:
        who = failure.name if failure.seed is None else f"{failure.name}, seed {failure.seed}"
        typer.echo(f"failed: {who}: {failure.error} Log: {failure.log}", err=True)
    raise typer.Exit(1 if failures else 0)


@app.command()
def report(
    sweep: Annotated[
        str | None, typer.Argument(help="Name or the start of it. (default: the newest)")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="markdown, latex, html, csv or json. (default: markdown)"),
    ] = None,
    check: Annotated[
        Path | None, typer.Option(help="Say whether a report in this file still holds, instead.")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Print a sweep's report from what is stored; neither Ray nor MLflow is needed."""
    with for_people():
        from fdsweep.results.check import check as check_file
        from fdsweep.results.records.store import Store
        from fdsweep.results.report import FORMATS, load, report_of, to_text
        from fdsweep.search_spaces.errors import unknown

        if form not in (None, *FORMATS):
            raise unknown("format", form, FORMATS, "--format")
        store = Store.open(storage)
        data = load(store, sweep)
        result = report_of(data)
        if check:
            differences = check_file(result, check, form)
            _tell_differences(differences, str(check), result.sweep, as_json)
            raise typer.Exit(1 if differences else 0)
        pictures = None
        if form == "html":
            from fdsweep.results import plots

            pictures = plots.render(plots.pictures(data))
        text = to_text(result, "json" if as_json else form or "markdown", pictures)
        _echo(text)


def _tell_differences(differences: list[str], path: str, sweep: str, as_json: bool) -> None:
    if as_json:
        _print({"schema": "fdsweep.check/1", "sweep": sweep, "differences": differences})
        return
    for difference in differences:
        typer.echo(difference)
    if not differences:
        typer.echo(f"{path} matches the data of {sweep}.")


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help="A name from `fdsweep datasets`.")],
    raw: Annotated[Path, typer.Argument(help="The folder that was downloaded.")],
    split_dir: Annotated[
        Path | None, typer.Option(help="Published lists. (default: a split of our own)")
    ] = None,
    task: Annotated[str | None, typer.Option(help="One of several labellings.")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="A checkpoint's. (default: a vocabulary of the data)")
    ] = None,
    shard_mb: Annotated[float, typer.Option(help="Size of a shard.")] = 128,
    allow_skips: Annotated[
        int | None, typer.Option(help="Damaged files to leave out. (default: 1 %)")
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Decode a downloaded data set into the storage; what is decoded is not decoded again."""
    with for_people():
        from dataclasses import asdict

        from fdsweep.orchestrator.data.prepare import prepare as run_prepare
        from fdsweep.orchestrator.data.prepare import to_text
        from fdsweep.search_spaces.errors import ConfigError
        from fdsweep.trainers import datasets
        from fdsweep.trainers.datasets.prepared import Prepared
        from fdsweep.trainers.preparation.catalog import Options

        found = datasets.find(dataset, datasets.DataLocation(storage))
        if not isinstance(found, Prepared):
            raise ConfigError(
                "needs no preparation", dataset, f"Type: fdsweep datasets show {dataset}"
            )
        options = Options(split_dir=split_dir, task=task, tokenizer=tokenizer)
        manifest = run_prepare(
            found, raw, storage, options,
            shard_mb=shard_mb, allow_skips=allow_skips, address=address,
        )  # fmt: skip
        if as_json:
            _print({"schema": "fdsweep.data/1", **asdict(manifest)})
        else:
            typer.echo(to_text(manifest))


datasets = typer.Typer(invoke_without_command=True, help="List the data sets, or show one.")
app.add_typer(datasets, name="datasets")


@datasets.callback()
def list_datasets(
    context: typer.Context, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False
) -> None:
    """List the data sets: what they hold, where they are to be had, what is prepared here."""
    if context.invoked_subcommand:
        return
    with for_people():
        from fdsweep.orchestrator.data.overview import overview, to_text

        found = overview(storage)
        if as_json:
            _print({"schema": "fdsweep.datasets/1", "datasets": found})
        else:
            typer.echo(to_text(found))


@datasets.command()
def show(
    name: Annotated[str, typer.Argument(help="A data set that is ready.")],
    out: Annotated[Path | None, typer.Option(help="(default: NAME.png)")] = None,
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Draw a contact sheet: samples of every modality and how many there are of each class."""
    with for_people():
        from fdsweep.orchestrator.data.preview import draw
        from fdsweep.search_spaces.trials import FEW
        from fdsweep.trainers import datasets

        dataset = datasets.find(name, datasets.DataLocation(storage, FEW))
        typer.echo(draw(dataset, out or Path(f"{name}.png")))


@app.command()
def methods(as_json: AsJson = False) -> None:
    """List the methods: what they distil, what they need, where they were published."""
    with for_people():
        from fdsweep.orchestrator.studies.methods import overview, to_text

        found = overview()
        if as_json:
            _print({"schema": "fdsweep.methods/1", "methods": found})
        else:
            typer.echo(to_text(found))


@app.command()
def status(storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False) -> None:
    """List the sweeps of a storage: what is done, what failed, what is left."""
    with for_people():
        from fdsweep.orchestrator.studies.status import overview, to_text

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
        from fdsweep.orchestrator.tracking.ui import serve

        raise typer.Exit(serve(storage, host, port))


@app.command()
def doctor(
    storage: Storage = DEFAULT_STORAGE, address: Address = None, as_json: AsJson = False
) -> None:
    """Say what is installed, which devices Ray sees, what can be written."""
    with for_people():
        from fdsweep.orchestrator.execution.doctor import examine, to_text

        findings = examine(storage, address)
        if as_json:
            _print({"schema": "fdsweep.doctor/1", **findings})
        else:
            typer.echo(to_text(findings))
        raise typer.Exit(0 if findings["ok"] else 2)
