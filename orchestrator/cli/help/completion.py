"""What a shell proposes for an unfinished word; nothing here imports torch, Ray or MLflow.

A proposal must come at once and may be wrong: whatever cannot be read proposes nothing.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import typer

from fdsweep.search_spaces.errors import FdsweepError

IN_BASH = "complete_bash"
"""What Typer's scripts set _FDSWEEP_COMPLETE to where the answer is pasted as it is."""

Proposes = Callable[[typer.Context, str], list[str]]


def proposed(names: Callable[[Any], Iterable[str]]) -> Proposes:
    """What proposes those of `names(context)` that go on as the unfinished word does."""

    def propose(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return [_quoted(name) for name in names(ctx) if name.startswith(incomplete)]
        except FdsweepError:
            return []

    return propose


def _quoted(name: str) -> str:
    r"""`name` as it is pasted: bash would take the `>` of "a->b" for a file to write."""
    return name.replace(">", r"\>") if os.environ.get("_FDSWEEP_COMPLETE") == IN_BASH else name


def _storage(ctx: Any) -> str:  # noqa: ANN401
    from fdsweep.orchestrator.cli.settings import files

    given = ctx.params.get("storage")
    is_typed = ctx.get_parameter_source("storage").name in ("COMMANDLINE", "ENVIRONMENT")
    return str(given if is_typed else files.read(Path()).values.get("storage", given))


def _sweeps(ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.results.records.manifest import list_sweeps
    from fdsweep.results.records.store import Store

    return ["last", *list_sweeps(Store(_storage(ctx)))]


def _datasets(ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.trainers import registry
    from fdsweep.trainers.datasets import table

    ours = registry.registrations("fdsweep.trainers.datasets")
    return sorted({*ours, *table.names(_storage(ctx))})


def _directions(ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.search_spaces.sweep import DATASET
    from fdsweep.trainers import datasets

    location = datasets.DataLocation(_storage(ctx))
    found = datasets.find(ctx.params.get("dataset") or DATASET, location)
    names = [modality.name for modality in found.modalities]
    return [f"{a}->{b}" for a in names for b in names if a != b]


def _methods() -> Iterable[str]:
    from fdsweep.orchestrator.studies import methods

    return methods.names()


def _studies(_ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.search_spaces.presets import presets

    return presets()


def _spaces(_ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.search_spaces.spaces import spaces

    return spaces()


def _commands(ctx: Any) -> Iterable[str]:  # noqa: ANN401
    from fdsweep.orchestrator.cli.settings import files

    return [name for name, _ in files.walk(ctx.find_root().command)]


sweeps = proposed(_sweeps)
datasets = proposed(_datasets)
directions = proposed(_directions)
method = proposed(lambda _ctx: _methods())
studies = proposed(_studies)
spaces = proposed(_spaces)
commands = proposed(_commands)
schemas = proposed(lambda _ctx: ("sweep", "space", "data"))


def methods(_ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of methods after the last comma or plus of the unfinished word."""
    done, last = re.fullmatch(r"(.*[,+])?(.*)", incomplete).groups()  # type: ignore[union-attr]
    return [f"{done or ''}{name}" for name in _methods() if name.startswith(last)]
