"""Options in ./fdsweep.toml, or else in [tool.fdsweep] of ./pyproject.toml.

A key at the top is for every command that has an option of this name, a key in a table that is
called as a command for this one alone:

    storage = "/shared/runs"
    gpus = 8

    [search]
    trials = 50

What is typed wins over variables, these over a table, and a table over the top.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from fdsweep.orchestrator.cli.help.command import long_name
from fdsweep.search_spaces.errors import ConfigError, first_line, unknown

FILE, PROJECT, TABLE = "fdsweep.toml", "pyproject.toml", "tool.fdsweep"
OWN_OF_A_SWEEP = {
    "run": {
        *("dataset", "seeds", "epochs", "direction", "pretrained", "teacher"),
        *("features", "protocol", "backbone", "freeze", "adapters", "gradient-checkpointing"),
        *("accumulate", "class-weights", "sampling", "teacher-weight"),
    }
}
"""What a sweep's own file says: for that command a key at the top of a TOML does not count."""

Value = str | bool | list[str]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a file holds, and its name for people; empty without a file."""

    name: str
    values: Mapping[str, Any]


def read(folder: Path) -> Settings:
    """The settings of a `folder`: a fdsweep.toml wins over a pyproject.toml.

    Raises:
        ConfigError: a file that cannot be read, or is not TOML.
    """
    own = _loaded(folder / FILE)
    if own is not None:
        return Settings(FILE, own)
    table: Any = _loaded(folder / PROJECT) or {}
    for part in TABLE.split("."):
        table = table.get(part, {}) if isinstance(table, dict) else {}
    name = f"{PROJECT} [{TABLE}]"
    if not isinstance(table, dict):
        raise ConfigError("is no table", name, "Give options, such as seeds = 5")
    return Settings(name, table)


def _loaded(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"is not TOML: {first_line(error)}", path.name) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot be read ({first_line(error)})", path.name) from None


def defaults(group: Any, settings: Settings) -> dict[str, Any]:  # noqa: ANN401
    """The values of `settings` by command and parameter, as Typer takes them for defaults.

    Args:
        group: the whole command line.
        settings: what a file says.

    Raises:
        ConfigError: an option or command that does not exist, or a value that it cannot have.
    """
    tables = {
        key: value
        for key, value in settings.values.items()
        if key in group.commands and isinstance(value, dict)
    }
    top = {_option(key): value for key, value in settings.values.items() if key not in tables}
    known = {name for _, command in walk(group) for name in options(command)}
    for key in top:
        if key not in known:
            raise unknown("option", key, known | group.commands.keys(), settings.name)
    return {
        name: _of_command(command, name, top, tables.get(name, {}), settings.name)
        for name, command in group.commands.items()
    }


def _of_command(
    command: Any,  # noqa: ANN401
    name: str,
    top: Mapping[str, Any],
    table: Any,  # noqa: ANN401
    where: str,
) -> dict[str, Any]:
    place = f"{where}, {name}"
    if not isinstance(table, dict):
        raise ConfigError("is the name of a command", place, "Write a table")
    own, inner = options(command), getattr(command, "commands", {})
    top = {key: value for key, value in top.items() if key not in OWN_OF_A_SWEEP.get(name, ())}
    said = top | {_option(key): value for key, value in table.items() if key not in inner}
    for key in said.keys() - top.keys() - own.keys():
        raise unknown(f"option of {name}", key, own, where)
    found: dict[str, Any] = {
        option.name: _spelt(said[key], option, f"{where}, {key}")
        for key, option in own.items()
        if key in said
    }
    for part, one in inner.items():
        found[part] = _of_command(one, f"{name} {part}", top, table.get(part, {}), where)
    return found


def walk(group: Any, owner: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Every command below `group` with its whole name, groups before what stands in them."""
    for name, command in group.commands.items():
        whole = f"{owner} {name}".strip()
        yield whole, command
        if hasattr(command, "commands"):
            yield from walk(command, whole)


def options(command: Any) -> dict[str, TyperOption]:  # noqa: ANN401
    """The options of a command, by the names that they have in a file: "dry-run"."""
    return {
        long_name(option).removeprefix("--"): option
        for option in command.params
        if isinstance(option, TyperOption) and not option.is_eager
    }


def as_words(context: Any) -> list[str]:  # noqa: ANN401
    """What a file says of the options of a command that was parsed, as it would be typed."""
    words = []
    for name, option in options(context.command).items():
        if context.get_parameter_source(option.name).name != "DEFAULT_MAP":
            continue
        value = context.params[option.name]
        if option.is_flag:
            words += [f"--{name}"] if value else option.secondary_opts[:1]
        else:
            values = value if isinstance(value, list | tuple) else [value]
            words += [f"--{name}={one}" for one in values]
    return words


def _option(key: str) -> str:
    return key.replace("_", "-")


def _spelt(value: object, option: TyperOption, where: str) -> Value:
    """`value` as a variable would have it; a list for an option that is repeatable.

    Raises:
        ConfigError: a value that no option has, or a switch that is neither on nor off.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise ConfigError(f"{value!r} is neither true nor false", where)
        return value
    if option.multiple:
        if isinstance(value, dict):
            return [f"{name}={_word(one, where)}" for name, one in value.items()]
        return [_word(one, where) for one in (value if isinstance(value, list) else [value])]
    return ",".join(_word(one, where) for one in (value if isinstance(value, list) else [value]))


def _word(value: object, where: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise ConfigError(f"{value!r} is no value of an option", where, "Give a text or a number")
    return str(value)
