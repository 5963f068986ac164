"""A command for a cluster: what it says, and what goes along."""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fdsweep.orchestrator.execution.cluster import SETTINGS
from fdsweep.orchestrator.jobs.packages import Package
from fdsweep.search_spaces.errors import ConfigError, public

TEXTS = (".yaml", ".yml")
"""Files of these endings go along if the command names them."""

OURS = "FDSWEEP_"
"""Variables whose names begin so go along."""

TOKENS = "RAY_AUTH"
"""Variables whose names begin so do not."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command for a cluster.

    Args:
        words: as they are typed, the command's name first.
        typed: all that was typed to submit it, for people.
        settings: every option of the command with its value, however it was given.
        packages: what is imported by it and not part of fdsweep.
        environment: variables that it sees.

    Raises:
        ConfigError: it names a place or a cluster that only this machine knows, or a secret.
    """

    words: tuple[str, ...]
    typed: str
    settings: Mapping[str, object]
    packages: tuple[Package, ...]
    environment: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.settings.get("address"):
            fix = "Leave it out: the job is part of the cluster that it is submitted to"
            raise ConfigError("names a cluster of its own", "--address", fix)
        _check_storage(str(self.settings["storage"]))

    @property
    def command(self) -> str:
        """What is typed to run it here, for people."""
        return public(shlex.join(["fdsweep", *self.words]))

    def ship(self, folder: Path) -> list[str]:
        """Copy into `folder` what goes along; the words as they are to be typed there."""
        for package in self.packages:
            package.copy_to(folder)
        return [_ship_text(word, folder) for word in self.words]


def environment(names: Sequence[str]) -> dict[str, str]:
    """The variables of this process that go along: our own, and `names`.

    Raises:
        ConfigError: a name that is not set, that fdsweep sets itself, or of a token of Ray's.
    """
    for name in names:
        if name in SETTINGS:
            raise ConfigError("is set by fdsweep itself", f"--env {name}", "Leave it out")
        if name.startswith(TOKENS):
            fix = "Leave it out: the cluster has its own"
            raise ConfigError("is a token of this machine", f"--env {name}", fix)
        if name not in os.environ:
            fix = "Give the name of a variable, without a value"
            raise ConfigError("is not set here", f"--env {name.partition('=')[0]}", fix)
    ours = (name for name in os.environ if name.startswith(OURS))
    return {name: os.environ[name] for name in sorted({*ours, *names})}


def _ship_text(word: str, folder: Path) -> str:
    option, mark, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    if not (value.endswith(TEXTS) and Path(value).is_file()):
        return word
    name = Path(value).name
    shutil.copy(value, folder / name)
    return f"{option}{mark}{name}"


def _check_storage(storage: str) -> None:
    """Refuse what other machines do not have, and secrets, which lists of jobs would show."""
    if "://" not in storage and not os.path.isabs(storage):
        fix = "Give the --storage of the cluster, such as /shared/runs or s3://bucket/runs"
        raise ConfigError("is a folder of this machine", storage, fix)
    if public(storage) != storage:
        fix = "Leave it out, and give it by --env AWS_ACCESS_KEY_ID --env AWS_SECRET_ACCESS_KEY"
        raise ConfigError("holds a secret, which lists of jobs would show", "--storage", fix)
