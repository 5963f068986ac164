"""Commands that train: ablation, compare, analyze, run, search."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.options import (
    Common,
    MethodOptions,
    Repeat,
    number_or_word,
    one_of,
    with_common,
)
from fdsweep.orchestrator.cli.output import (
    report_text,
    show_outcome,
    show_plan,
    terminal_width,
)
from fdsweep.orchestrator.search import pruners
from fdsweep.orchestrator.search.samplers import SAMPLERS

if TYPE_CHECKING:
    from fdsweep.search_spaces.sweep import Sweep


def trains(define: Callable[..., "Sweep"]) -> Callable[..., None]:
    """A command that trains the sweep which `define` gives, with an A/A row if it is asked for."""

    @functools.wraps(define)
    def act(common: Common, *, aa: bool, **given: object) -> None:
        _train(define(**given), common, aa=aa)

    own = inspect.signature(define).parameters.values()
    first = inspect.Parameter("common", inspect.Parameter.POSITIONAL_ONLY)
    repeat = inspect.Parameter(
        "aa", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Repeat
    )
    act.__signature__ = inspect.Signature([first, *own, repeat])  # type: ignore[attr-defined]
    return with_common(act)


def _train(sweep: "Sweep", common: Common, *, aa: bool) -> None:
    from fdsweep.orchestrator.studies import study as studies
    from fdsweep.search_spaces.sweep import with_aa

    if aa:
        sweep = with_aa(sweep)
    study = studies.fitted(studies.prepare(common.apply_to(sweep), common.study_options()))
    if common.dry_run or study.plan.left:
        cost = studies.estimate_study(study)
        _show_plan(studies.describe(study, cost), studies.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = studies.run(study)
        text = report_text(outcome.report)
        show_outcome(text, outcome.to_json(), outcome.failures, common.as_json, outcome.unfinished)


@trains
def ablation(
    *,
    study: Annotated[
        str,
        typer.Option(
            help="components, losses, cutoffs, controls or teachers.",
            autocompletion=completion.studies,
        ),
    ] = "components",
    full: Annotated[
        bool, typer.Option("--full", help="Every valid combination of the five components.")
    ] = False,
    cutoff: Annotated[
        str | None, typer.Option(help="Of the rows that have bands and name none; or learn.")
    ] = None,
    option: MethodOptions = None,
) -> "Sweep":
    """Train a study of FD-CMKD's parts and print its table; what is done is not done again."""
    from fdsweep.search_spaces.presets import every_component, load_preset, with_cutoff

    sweep = every_component() if full else load_preset(study)
    sweep = sweep if cutoff is None else with_cutoff(sweep, number_or_word(cutoff))
    return _with_options(sweep, option)


def _with_options(sweep: "Sweep", given: list[str] | None, *, over: bool = False) -> "Sweep":
    from fdsweep.orchestrator.studies.methods import describe
    from fdsweep.search_spaces.presets.changes import with_options

    return with_options(sweep, given or (), lambda name: describe(name)["options"], over=over)


@with_common
def compare(
    common: Common,
    *,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Such as kd,feat,kd+fd-cmkd; `+` adds methods up. (default: all)",
            autocompletion=completion.methods,
        ),
    ] = None,
    pairing: Annotated[
        str, typer.Option(help="Teacher samples: paired, same-class or unpaired.")
    ] = "paired",
    paper: Annotated[
        bool,
        typer.Option("--paper", help="The paper's table of the data set, as it was made there."),
    ] = False,
    align: Annotated[
        bool,
        typer.Option("--align", help="On pixels: fd-cmkd aligns classes, unlike in the paper."),
    ] = False,
    option: MethodOptions = None,
    aa: Repeat = False,
) -> None:
    """Train methods on equal terms and print what each gains over `none`."""
    from fdsweep.orchestrator.studies.compare import comparison, info_of, papers_table
    from fdsweep.search_spaces.errors import ConfigError
    from fdsweep.search_spaces.sweep import DATASET
    from fdsweep.trainers.datasets import DataLocation

    dataset, location = common.dataset or DATASET, DataLocation(common.storage)
    if paper:
        if methods or pairing != "paired" or align or option:
            what = "the rows are those of the paper's table, and its pairs are paired"
            fix = "Give it without --methods, --pairing, --align and -o"
            raise ConfigError(what, "--paper", fix)
        sweep, common = papers_table(dataset, location), replace(common, dataset=None)
    else:
        info = info_of(dataset, location)
        several = any(len(d.teachers) > 1 for d in info.directions(tuple(common.direction or ())))
        asked = {"align": align, "several": several}
        sweep = comparison(methods, pairing, info.task, suited=info.suited, **asked)
        sweep = _with_options(sweep, option, over=True)
    _train(sweep, common, aa=aa)


@with_common
def analyze(
    common: Common,
    *,
    cutoff: Annotated[float, typer.Option(help="Between the low and the high band.")] = 0.5,
) -> None:
    """Compare features across modalities: teachers' by band, a student's before and after."""
    from fdsweep.orchestrator.studies import analyze as analyzing
    from fdsweep.orchestrator.studies import study as studies

    sweep = common.apply_to(analyzing.base_sweep(cutoff))
    study = studies.fitted(analyzing.prepare(sweep, common.study_options()))
    if common.dry_run or study.plan.left:
        cost = studies.estimate_study(study)
        _show_plan(analyzing.describe(study, cost), studies.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = analyzing.run(study)
        text = outcome.to_text(terminal_width())
        show_outcome(text, outcome.to_json(), outcome.failures, common.as_json, outcome.unfinished)


@trains
def run(
    file: Annotated[
        Path, typer.Argument(help="A sweep in YAML; docs/how-to/studies.md shows one.")
    ],
) -> "Sweep":
    """Train the study that a YAML file describes; options given here win over the file."""
    from fdsweep.search_spaces.sweep import load_sweep

    return load_sweep(file)


@with_common
def search(
    common: Common,
    *,
    space: Annotated[
        str,
        typer.Option(
            help="loss-weights, cutoffs, all, or a YAML file.", autocompletion=completion.spaces
        ),
    ] = "loss-weights",
    method: Annotated[
        str | None,
        typer.Option(help="A method. (default: fd-cmkd)", autocompletion=completion.method),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            help="Several, such as fd-cmkd,kd,feat: equal budgets.",
            autocompletion=completion.methods,
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="For each method and direction.")] = 20,
    timeout: Annotated[
        float | None, typer.Option(help="Minutes after which no new trial begins.")
    ] = None,
    sampler: Annotated[str, typer.Option(help=f"{one_of(SAMPLERS)}.")] = "tpe",
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Stop trials that fall behind (ASHA).")
    ] = True,
    pruner: Annotated[
        str, typer.Option(help=f"What --prune stops them by: {one_of(pruners.PRUNERS)}.")
    ] = pruners.DEFAULT,
    objective: Annotated[
        str,
        typer.Option(help="score, or its name: accuracy, miou; score,cost; directions[,cost]."),
    ] = "score",
    tuning_seeds: Annotated[
        str, typer.Option(help="A count, or a list; --seeds are the fresh ones.")
    ] = "2",
    cutoff: Annotated[
        str | None, typer.Option(help="Set, not searched: a number, or learn.")
    ] = None,
    aa: Repeat = False,
) -> None:
    """Tune on the validation score, then compare with the default on fresh seeds."""
    from fdsweep.orchestrator.search import settings as planning
    from fdsweep.orchestrator.search.run import run as run_search
    from fdsweep.search_spaces.errors import ConfigError
    from fdsweep.search_spaces.fields import parse_names, parse_seeds
    from fdsweep.search_spaces.spaces import load_space

    if method and methods:
        raise ConfigError("both are given", "--method, --methods", "Give one of them")
    settings = planning.SearchSettings(
        space=load_space(space),
        methods=parse_names(methods or method or "fd-cmkd", "--methods"),
        options={} if cutoff is None else {"cutoff": number_or_word(cutoff)},
        trials=trials,
        minutes=timeout,
        sampler=sampler,
        pruner=pruner if prune else pruners.NONE,
        objective=objective,
        tuning_seeds=parse_seeds(tuning_seeds, "--tuning-seeds"),
        aa=aa,
    )
    sweep = common.apply_to(planning.base_sweep(settings))
    if common.seeds is not None and common.seeds.strip().isdecimal():
        sweep = sweep.model_copy(update={"seeds": planning.fresh_seeds(len(sweep.seeds))})
    study = planning.prepare(settings, sweep, common.study_options())
    cost = planning.estimate_search(study)
    _show_plan(planning.describe(study, cost), planning.plan_json(study, cost), common)
    if not common.dry_run:
        outcome = run_search(study)
        text = report_text(outcome.report)
        show_outcome(text, outcome.to_json(), outcome.failures, common.as_json, outcome.unfinished)


def _show_plan(text: str, document: dict[str, object], common: Common) -> None:
    show_plan(text, document, dry_run=common.dry_run, as_json=common.as_json)
