"""The page of commands: every command, argument and option, from the command line itself."""

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File, Files
from typer.main import get_command

from fdsweep.orchestrator.cli import app

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

PAGE = "reference/commands.md"
HEAD = """\
# Commands

Every command with its arguments and options, as `fdsweep COMMAND --help` has them. An option that
names a variable takes its value from there if it is not given. Commands that train share most of
their options. Exit codes: 0 all done, 1 some replicates failed or the cluster was lost, 2 bad input
or no cluster, 130 interrupted. Results go to stdout, all else to stderr.
"""


def on_files(files: Files, config: "MkDocsConfig") -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """The page in Markdown, a section per command."""
    sections = [_section(name, command) for name, command in _commands(get_command(app))]
    return "\n".join([HEAD, *sections])


def _commands(group: Any, before: str = "fdsweep") -> Iterator[tuple[str, Any]]:
    """Every command with all the words that call it, in the order of the help."""
    for name, command in group.commands.items():
        words = f"{before} {name}"
        if getattr(command, "invoke_without_command", True):
            yield words, command
        if hasattr(command, "commands"):
            yield from _commands(command, words)


def _section(words: str, command: Any) -> str:
    named = [one for one in command.params if not getattr(one, "hidden", False)]
    arguments = [one for one in named if one.param_type_name == "argument"]
    options = [one for one in named if one.param_type_name == "option" and one.name != "help"]
    usage = " ".join([words, *(f"[{one.name.upper()}]" for one in arguments)])
    parts = [
        f"## {words}",
        inspect.cleandoc(command.help or ""),
        f"```text\n{usage} [OPTIONS]\n```",
    ]
    if command.epilog:
        examples = inspect.cleandoc(command.epilog).removeprefix("Examples:").strip()
        parts.append(f"```sh\n{examples}\n```")
    panels: dict[str, list[Any]] = {}
    for one in (*arguments, *options):
        panels.setdefault(getattr(one, "rich_help_panel", None) or "", []).append(one)
    for panel, members in panels.items():
        parts += [f"**{panel}**"] if panel else []
        columns = ["option", "default", "", "variable"]
        columns = columns if any(one.envvar for one in members) else columns[:-1]
        lines = [columns, ["---"] * len(columns), *(_cells(one)[: len(columns)] for one in members)]
        parts.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    return "\n\n".join(parts) + "\n"


def _cells(one: Any) -> list[str]:
    """Names, default, help and variable of an argument or option."""
    names = ", ".join(f"`{name}`" for name in _names(one))
    told = " ".join((getattr(one, "help", None) or "").split()).replace("|", "\\|")
    return [names, _default(one), told, f"`{one.envvar}`" if one.envvar else ""]


def _names(one: Any) -> list[str]:
    return (
        [one.name.upper()]
        if one.param_type_name == "argument"
        else [*one.opts, *one.secondary_opts]
    )


def _default(one: Any) -> str:
    if one.required:
        return "must be given"
    if one.default in (None, False, (), []) or callable(one.default):
        return ""
    return f"`{one.default}`"
