"""The command that makes room: gc."""

import sys
from typing import Annotated

import typer

from fdsweep.orchestrator.cli.options import DEFAULT_STORAGE, AsJson, Storage
from fdsweep.orchestrator.cli.output import for_people, show


def gc(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what there is, delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Find what no sweep of a storage names: replicates, teachers, students, checkpoints, cache."""
    with for_people():
        from fdsweep.orchestrator.upkeep import waste
        from fdsweep.results.records.store import Store

        store = Store.open(storage)
        found = waste.find(store)
        deletes = bool(found.count) and not dry_run and (yes or _agreed(found.count, as_json))
        if deletes:
            waste.delete(store, found)
        text = waste.to_text(found, deleted=deletes)
        show(text, waste.to_json(found, deleted=deletes), as_json)


def _agreed(count: int, as_json: bool) -> bool:
    """Whether whoever sits at the terminal wants them deleted.

    Raises:
        ConfigError: nobody sits there.
    """
    from fdsweep.search_spaces.errors import ConfigError

    if as_json or not sys.stdin.isatty():
        what = f"{count} files would be deleted, and nobody can be asked"
        raise ConfigError(what, "fdsweep gc", "Give --yes, or --dry-run to see them")
    return typer.confirm(f"Delete {count} files?", default=False, err=True)
