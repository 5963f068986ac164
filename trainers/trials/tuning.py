"""A point of a search: its replicates take turns, an epoch each, and only validation is read."""

import time
from dataclasses import replace
from statistics import fmean
from typing import Any

import torch

from fdsweep.search_spaces.trials import PointConfig
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loop import Training
from fdsweep.trainers.replicate import make_roles


class Tuning:
    """The replicates of `point`: every seed of every configuration, epoch by epoch.

    Each is the replicate that a study would train, but for the test split, which it never sees.

    Args:
        point: what is trained.
        device: where.
        resume: a snapshot to go on from; the end is the same as if never interrupted.

    Attributes:
        epoch: epochs that all replicates have done.
        seconds: what they took in all.
    """

    def __init__(
        self, point: PointConfig, device: torch.device, resume: dict[str, Any] | None = None
    ) -> None:
        dataset = datasets.find(
            point.configs[0].network.dataset, datasets.DataLocation(point.storage, point.loading)
        )
        modalities = {m: None for config in point.configs for m in config.modalities}
        dataset.fetch()
        fold_of = dataset.folds(tuple(modalities))
        folds = {seed: without_test(fold_of(seed)).to(device) for seed in point.seeds}
        info, storage, runtime = dataset.info, point.storage, Runtime.here(device)
        members = [(config, seed) for config in point.configs for seed in point.seeds]
        saved = resume["members"] if resume else [None] * len(members)
        self.seeds = point.seeds
        self.seconds: float = resume["seconds"] if resume else 0.0
        self.trainings = []
        for (config, seed), state in zip(members, saved, strict=True):
            fold = folds[seed]
            roles = make_roles(config, info, fold, seed, storage=storage, runtime=runtime)
            self.trainings.append(Training(config, seed, fold, roles, state))

    @property
    def epoch(self) -> int:
        """Epochs that all replicates have done."""
        return self.trainings[0].history.epochs

    @property
    def epochs(self) -> int:
        """Epochs of a full training."""
        return self.trainings[0].config.network.optim.epochs

    def run_epoch(self) -> None:
        """One epoch of each replicate; ReplicateError if a loss is no longer finite."""
        start = time.perf_counter()
        for training in self.trainings:
            training.run_epoch()
        self.seconds += time.perf_counter() - start

    def metrics(self) -> dict[str, Any]:
        """The epoch, and for each configuration the mean over seeds of the best score so far.

        The best so far of an epoch is what choosing on validation would give if it were the last.
        """
        scores = [training.history.best_score for training in self.trainings]
        n = len(self.seeds)
        return {
            "epoch": self.epoch,
            "epochs": self.epochs,
            "values": [fmean(scores[i : i + n]) for i in range(0, len(scores), n)],
            "seconds": self.seconds,
        }

    def snapshot(self) -> dict[str, Any]:
        """All that another process needs to go on from here."""
        members = [training.snapshot() for training in self.trainings]
        return {"members": members, "seconds": self.seconds}

    def outcome(self) -> dict[str, Any]:
        """Plain values: for each replicate `seed`, `student_modality` and what it showed."""
        return {
            "replicates": [
                {
                    "seed": training.seed,
                    "student_modality": training.config.network.modality,
                    "val_score": training.history.best_score,
                    "best_epoch": training.history.best_epoch,
                    "best_head": training.history.best_head,
                }
                for training in self.trainings
            ]
        }


def without_test(fold: Fold) -> Fold:
    """`fold` with no test sample in any split."""
    return replace(fold, test=fold.test[:0])
