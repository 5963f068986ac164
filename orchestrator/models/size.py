"""What the students of a plan will take in the storage."""

from collections.abc import Iterable
from dataclasses import dataclass

from fdsweep.search_spaces.trials import Keep, TrialConfig
from fdsweep.trainers.datasets import DatasetInfo


@dataclass(frozen=True, slots=True)
class Keeping:
    """Which students will be kept, how many there may be, and their bytes, the heads aside."""

    which: Keep
    students: int
    nbytes: int

    def __str__(self) -> str:
        """A line of a plan."""
        if self.which == "none":
            return "students are not kept (--keep none)"
        words = {"best": "the best seed of each configuration", "all": "every seed"}[self.which]
        size = f"{self.nbytes / 1e6:,.1f} MB"
        return f"students that are kept: {words}, {self.students} in about {size} (--keep)"


def keeping(trials: Iterable[TrialConfig], info: DatasetInfo, which: Keep) -> Keeping:
    """What keeping `which` students of `trials` will take."""
    if which == "none":
        return Keeping(which, 0, 0)
    kept = [(trial.key, seed, trial.config.network) for trial in trials for seed in trial.seeds]
    if which == "best":
        kept = list({key: (key, seed, network) for key, seed, network in kept}.values())
    from fdsweep.trainers import teachers  # brings torch

    nbytes = sum(teachers.traits(network, info).nbytes for _, _, network in kept)
    return Keeping(which, len(kept), nbytes)
