"""Sweeps of cross-modal knowledge distillation; the rooms lie at the top of the repository.

From Python: `fdsweep.open(storage)` and `fdsweep.sweep(name)`; from a terminal: `fdsweep --help`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fdsweep.orchestrator.notebook import OpenStorage
    from fdsweep.search_spaces.sweep import Sweep


def open(storage: str | Path = "fdsweep-runs") -> "OpenStorage":
    """The sweeps in a storage, a path or a URI, as DataFrames, and where to run more."""
    from fdsweep.orchestrator.notebook import OpenStorage  # brings pandas

    return OpenStorage(str(storage))


def sweep(what: "str | Path | Sweep", **changed: Any) -> "Sweep":  # noqa: ANN401
    """A study that comes with fdsweep, or that of a YAML file, with other `seeds`, `epochs`, …

    Raises:
        ConfigError: there is no such study, or a wrong value.
    """
    from fdsweep.orchestrator.notebook import make_sweep

    return make_sweep(what, **changed)
