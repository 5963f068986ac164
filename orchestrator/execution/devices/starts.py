"""What a study takes beside its training: starts of Ray, processes and trials, and its report.

What was seen last is kept in the user's cache, for this machine and for each cluster that is joined
from it: estimates of plans go by it.
"""

import contextlib
from typing import Self

from pydantic import Field

from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.records import Record, UnreadableRecord
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.storage.cache import Cache

SCHEMA = "fdsweep.starts/1"


class Starts(Record):
    """What starts and the report take, in seconds; the defaults are those of two cores of a server.

    Attributes:
        ray: until Ray is up, or a cluster that runs was joined.
        first: from there on until the first trials train, in processes of their own.
        later: from a trial's last epoch until the next one trains in its processes.
        report: from the end of all trials to that of the command.
        seen: whether this was measured, all of it or a part.
    """

    ray: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    first: float = Field(default=8.0, ge=0, allow_inf_nan=False)
    later: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    report: float = Field(default=4.0, ge=0, allow_inf_nan=False)
    seen: bool = False

    @classmethod
    def last(cls, cluster: str) -> Self:
        """What was seen last on the `cluster` of this address, "" for one that is started here."""
        try:
            return cls.from_text(_here().read(_file(cluster)), SCHEMA)
        except (FdsweepError, UnreadableRecord):
            return cls()


def keep(cluster: str, **seconds: float) -> None:
    """Remember what was seen, by its name in `Starts`; not where nothing can be written."""
    found = Starts.last(cluster).replace(**seconds, seen=True)
    with contextlib.suppress(FdsweepError):
        _here().write_text(_file(cluster), found.to_text(SCHEMA))


def _here() -> Storage:
    return Storage(str(Cache.here().folder))


def _file(cluster: str) -> str:
    return f"starts-{content_key(cluster=cluster)[:8]}.json" if cluster else "starts.json"
