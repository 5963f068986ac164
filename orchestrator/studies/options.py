"""Where and how a study runs: nothing here changes a number, so nothing here enters a key."""

from dataclasses import dataclass, field
from typing import get_args

from fdsweep.orchestrator.execution.cluster import GpusPerTrial, ResourceRequest, check_keys
from fdsweep.search_spaces.errors import ConfigError, unknown
from fdsweep.search_spaces.trials import AUTO, Keep, Loading


def parse_seeds_per_trial(text: str) -> int | None:
    """The number that `text` is; None for `auto`.

    Raises:
        ConfigError: something else.
    """
    try:
        return None if text == "auto" else int(text)
    except ValueError:
        what = f"{text!r} is no number of seeds"
        raise ConfigError(what, "--seeds-per-trial", "Give 1 or more, or auto") from None


def parse_gpus_per_trial(text: str | None) -> GpusPerTrial:
    """The number that `text` is, or `auto`.

    Raises:
        ConfigError: something else.
    """
    try:
        return "auto" if text == "auto" else None if text is None else float(text)
    except ValueError:
        what = f"{text!r} is no number of GPUs"
        fix = "Give a whole number, a part of one such as 0.25, or auto"
        raise ConfigError(what, "--gpus-per-trial", fix) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyOptions:
    """What the user says beside a sweep.

    Args:
        storage: where results live, a path or a URI.
        request: the devices.
        seeds_per_trial: how many of a cell's replicates a trial holds; None for as many as keep
            all devices at work.
        loading: how workers hold the data.
        keep: which trained students stay in the storage.

    Raises:
        ConfigError: fewer than 1 seed per trial, an unknown choice of students, or keys in the URI
            of a storage for a cluster.
    """

    storage: str
    request: ResourceRequest = field(default_factory=ResourceRequest)
    seeds_per_trial: int | None = None
    loading: Loading = AUTO
    keep: Keep = "best"

    def __post_init__(self) -> None:
        if self.seeds_per_trial is not None and not 1 <= self.seeds_per_trial < 2**63:
            what = f"{self.seeds_per_trial} seeds per trial asked for"
            raise ConfigError(what, "--seeds-per-trial", "Give 1 or more")
        if self.keep not in get_args(Keep):
            raise unknown("choice", self.keep, get_args(Keep), "--keep")
        check_keys(self.request, self.storage)
