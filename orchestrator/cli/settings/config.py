"""`fdsweep config`: what options are where they are not typed, and who says so."""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.help.command import variable
from fdsweep.orchestrator.cli.options import AsJson
from fdsweep.orchestrator.cli.output import for_people, show
from fdsweep.orchestrator.cli.settings import files
from fdsweep.search_spaces.errors import public, unknown

BUILT_IN = "built in"


@dataclass(frozen=True, slots=True)
class Said:
    """The `value` of an `option`, and its `origin`; `command` is empty if it is for all."""

    command: str
    option: str
    value: object
    origin: str


def config(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(
            help="All options of this one. (default: what is set, of any command)",
            autocompletion=completion.commands,
        ),
    ] = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print what options are unless they are typed, as a fdsweep.toml would set them."""
    with for_people():
        settings = files.read(Path())
        root: Any = context.find_root()
        commands = dict(files.walk(root.command))
        if command is not None and command not in commands:
            raise unknown("command", command, commands, "fdsweep config")
        said = [*(_of(root, command, settings) if command else _set(commands, settings))]
        document = {"schema": "fdsweep.config/1", "options": [asdict(one) for one in said]}
        show("\n".join(_lines(said, origin=origin)), document, as_json)


def _set(commands: dict[str, Any], settings: files.Settings) -> Iterator[Said]:
    """What variables say, and what the file says where they do not."""
    known = dict.fromkeys(name for one in commands.values() for name in files.options(one))
    for option in known:
        name = variable(option)
        if os.environ.get(name):
            yield Said("", option, public(os.environ[name]), name)
        elif (value := _top(settings, option)) is not None:
            yield Said("", option, value, settings.name)
    for command in commands:
        table: Any = settings.values
        for part in command.split():
            table = table.get(part, {}) if isinstance(table, dict) else {}
        for key, value in table.items():
            option = key.replace("_", "-")
            if not isinstance(value, dict) or option in known:
                name = variable(option)
                if not os.environ.get(name):
                    yield Said(command, option, value, settings.name)


def _top(settings: files.Settings, option: str) -> object:
    return settings.values.get(option, settings.values.get(option.replace("-", "_")))


def _of(root: Any, command: str, settings: files.Settings) -> Iterator[Said]:  # noqa: ANN401
    """Every option of `command`, as it would be if nothing were typed."""
    context = root
    for name in command.split():
        inner = context.command.commands[name]
        context = inner.make_context(name, [], parent=context, resilient_parsing=True)
    for name, option in files.options(context.command).items():
        source = context.get_parameter_source(option.name).name
        origins = {"ENVIRONMENT": _variable(option), "DEFAULT_MAP": settings.name}
        value = context.params[option.name]
        shown = public(value) if isinstance(value, str) else value
        yield Said("", name, shown, origins.get(source, BUILT_IN))


def _variable(option: Any) -> str:  # noqa: ANN401
    return option.envvar if isinstance(option.envvar, str) else BUILT_IN


def _lines(said: list[Said], *, origin: bool) -> Iterator[str]:
    """`said` as TOML; what has no value stands in comments."""
    if not said:
        yield "# No file and no variable sets an option; `fdsweep config ablation` prints them all."
    command = ""
    for one in said:
        if one.command != command:
            command = one.command
            yield f"\n[{'.'.join(command.split())}]"
        end = f"  # {one.origin}" if origin else ""
        is_set = one.value is not None
        yield (f"{one.option} = {_toml(one.value)}" if is_set else f"# {one.option} =") + end


def _toml(value: object) -> str:
    """`value` as TOML spells it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
