"""A command as people meet it: options in panels, each with a variable, and how much is said."""

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperOption

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.cli.help.examples import epilog

STUDY, RESOURCES, DATA, OUTPUT = "Study", "Resources", "Data", "Output"
PANELS = {
    RESOURCES: (
        *("--gpus", "--gpus-per-trial", "--workers-per-trial", "--spread", "--seeds-per-trial"),
        *("--budget-hours", "--hang-timeout", "--memory-gb", "--address", "--device"),
    ),
    DATA: (
        *("--dataset", "--pretrained", "--teacher", "--loading", "--cache-dir", "--cache-gb"),
        *("--split-dir", "--task", "--variant", "--tokenizer", "--frame-side", "--shard-mb"),
        *("--allow-skips", "--label", "--masks"),
    ),
    OUTPUT: (
        *("--storage", "--out", "--format", "--keep", "--dry-run", "--json", "--origin"),
        *("--quiet", "--verbose", "--no-color"),
    ),
}
"""Where options stand in the help of every command; all others are what a command is about."""

PREFIX = "FDSWEEP_"
"""Begins the variables that options are read from."""


def long_name(option: Any) -> str:  # noqa: ANN401
    """The long spelling of a command's parameter, such as "--json"; an argument's name."""
    return next((word for word in option.opts if word.startswith("--")), str(option.name))


def variable(option: str) -> str:
    """The variable that is read where the `option` is not typed: FDSWEEP_DRY_RUN.

    Example:
        >>> variable("--dry-run")
        'FDSWEEP_DRY_RUN'
    """
    return PREFIX + option.removeprefix("--").replace("-", "_").upper()


class Command(TyperCommand):
    """A command whose options stand in panels and can be set by variables."""

    def __init__(self, name: str | None, *, params: Sequence[Any] = (), **given: Any) -> None:  # noqa: ANN401
        panels = {option: panel for panel, names in PANELS.items() for option in names}
        others = STUDY if "--seeds" in map(long_name, params) else None
        for param in params:
            if isinstance(param, TyperOption):
                option = long_name(param)
                param.rich_help_panel = panels.get(option, others)
                if param.envvar is None:  # told by `fdsweep config`, not beside every option
                    param.envvar, param.show_envvar = variable(option), False
        order = [None, STUDY, RESOURCES, DATA, OUTPUT]
        ordered = sorted(params, key=lambda x: order.index(getattr(x, "rich_help_panel", None)))
        super().__init__(name, params=ordered, **given)


@dataclass(frozen=True, kw_only=True)
class Voice:
    """The options of every command: how much it says."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No plan, no progress: results and warnings.")
    ] = False
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Logs, workers' output, places of errors.")
    ] = False
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours, as with the variable NO_COLOR.")
    ] = False

    def heed(self) -> None:
        """Speak so from now on."""
        voice.choose(quiet=self.quiet, verbose=self.verbose, no_color=self.no_color)


def spoken(act: Callable[..., None]) -> Callable[..., None]:
    """The command `act` with the options of `Voice` beside its own."""
    shared = inspect.signature(Voice).parameters
    own = inspect.signature(act).parameters.values()

    @functools.wraps(act)
    def command(**given: object) -> None:
        told = cast(dict[str, Any], {name: given.pop(name) for name in shared})
        Voice(**told).heed()
        act(**given)

    parameters = [*own, *shared.values()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def add(
    group: typer.Typer,
    act: Callable[..., None],
    *,
    name: str | None = None,
    owner: str = "",
    panel: str | None = None,
    **settings: object,
) -> None:
    """Make `act` a command of `group`.

    Args:
        group: whose command it is.
        act: does it.
        name: of the command; the function's by default.
        owner: the group's own name, if it is not fdsweep itself.
        panel: where the group's help has it.
        settings: of its parser.
    """
    called = name or act.__name__.replace("_", "-")
    group.command(
        called,
        cls=Command,
        rich_help_panel=panel,
        epilog=epilog(f"{owner} {called}".strip()),
        context_settings=settings or None,
    )(spoken(act))
