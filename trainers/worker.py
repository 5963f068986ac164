"""What a Ray Train worker executes: the seeds of a trial, one after the other."""

import io
import json
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.exceptions import RayError

from fdsweep.search_spaces.errors import FdsweepError, ReplicateError, first_line, public
from fdsweep.search_spaces.storage import tell_once
from fdsweep.search_spaces.trials import PointConfig, TrialConfig
from fdsweep.trainers import datasets, distributed, environment
from fdsweep.trainers.loop import Snapshot
from fdsweep.trainers.protocol.history import History
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.trials.tuning import Tuning
from fdsweep.trainers.trials.usage import Usage, log_file

CHECKPOINT = "replicates.pt"
MORE_MEMORY = "Give each trial more of a GPU (--gpus-per-trial), or smaller batches (batch_size)"
SCHEMA = 5
"""Of what a checkpoint holds; one of another fdsweep is left aside, and training starts again."""

GoOn = Callable[[int], bool]
"""Asked after an epoch of a search's trial: is it worth another?"""


def work(handed: dict[str, TrialConfig]) -> None:
    """Train the replicates of `handed["trial"]`, reporting every epoch and every end.

    An epoch is reported as an `EpochReport`, an end as `seed` and `outcome`, the JSON text of
    `run_replicate`'s result with its `seconds`, or of `{"error", "traceback"}` for a replicate that
    failed. Replicates that an earlier attempt of this trial finished are reported again, so that a
    result cannot be lost between its end and the driver.
    """
    trial = handed["trial"]
    device = _device()
    dataset = datasets.find(
        trial.config.network.dataset, datasets.DataLocation(trial.storage, trial.loading)
    )
    dataset.fetch()
    fold_of = dataset.folds(trial.config.modalities)
    saved, usage = _load_checkpoint(trial.key), Usage(device)
    outcomes: dict[int, str] = saved.get("outcomes", {})
    for seed in trial.seeds:
        if seed not in outcomes:
            started = saved.get("running", {}).get(seed)
            before = started["seconds"] if started else 0.0
            watch = _Watch(trial, seed, outcomes, usage, before)
            try:
                outcome = run_replicate(
                    trial,
                    dataset.info,
                    fold_of(seed).to(device),
                    seed,
                    on_epoch=watch.epoch,
                    resume=started["snapshot"] if started else None,
                )
                outcome["seconds"] = watch.seconds()
            except Exception as error:
                outcome = _failure(error)
            if "error" in outcome:
                distributed.give_back(device)  # for the seeds that are left
            outcomes[seed] = json.dumps(outcome)
        _report(trial.key, {"seed": seed, "outcome": outcomes[seed]}, {"outcomes": outcomes})
        if not distributed.is_usable(device):
            raise RayError("the GPU failed")  # as if the process had died: another one goes on


def tune(point: PointConfig, go_on: GoOn) -> None:
    """Train a point of a search, reporting every epoch as a `PointReport`.

    The last one has `outcome` beside, the JSON text of `Tuning.outcome`. A point that fails is
    reported as `outcome` with `{"error", "traceback"}` alone.
    """
    device = _device()
    saved, usage = _load_checkpoint(point.key), Usage(device)
    try:
        tuning = Tuning(point, device, saved.get("tuning"))
        kept = time.perf_counter()
        for epoch in range(tuning.epoch + 1, tuning.epochs + 1):
            tuning.run_epoch()
            machine = {"usage": usage.sample(), "log": log_file()}
            metrics, state = {**tuning.metrics(), **machine}, None
            if epoch == tuning.epochs:
                metrics["outcome"] = json.dumps(tuning.outcome())
            elif (
                epoch not in point.rungs  # what resumes there must hear the word first
                and time.perf_counter() - kept >= point.checkpoint_seconds
            ):
                state, kept = {"tuning": tuning.snapshot()}, time.perf_counter()
            _report(point.key, metrics, state)
            if epoch in point.rungs and not go_on(epoch):
                return
    except Exception as error:
        failure = _failure(error)
        if not distributed.is_usable(device):  # nor is this process, which the next point may get
            raise RayError(f"the GPU failed: {failure['error']}") from None
        _report(point.key, {"outcome": json.dumps(failure)}, None)


def _device() -> torch.device:
    device: torch.device = ray.train.torch.get_device()
    environment.repeat(device)
    return device


def _failure(error: Exception) -> dict[str, str]:
    if distributed.world_size() > 1 and not isinstance(error, FdsweepError):
        raise error  # the other workers wait for this one: Ray restarts them together
    return {"error": public(_sentence(error)), "traceback": public(traceback.format_exc())}


class _Watch:
    """Reports a replicate's epochs, with a checkpoint when enough time has passed."""

    def __init__(
        self,
        trial: TrialConfig,
        seed: int,
        outcomes: dict[int, str],
        usage: Usage,
        before: float,
    ) -> None:
        self.trial, self.seed, self.outcomes, self.usage = trial, seed, outcomes, usage
        self.start = time.perf_counter() - before
        self.saved = time.perf_counter()

    def seconds(self) -> float:
        """Time spent on this replicate, also by earlier attempts."""
        return time.perf_counter() - self.start

    def epoch(self, history: History, snapshot: Snapshot) -> None:
        """Report the last epoch of `history`."""
        epochs = self.trial.config.network.optim.epochs
        if history.epochs == epochs:
            return  # the replicate's end is reported instead
        curves = [point for point in history.curves if point[0] == history.epochs - 1]
        values = {f"{split}_{metric}": value for _, split, metric, value in curves}
        split = "test" if history.val_score is None else "val"
        metrics = {
            "seed": self.seed,
            "epoch": history.epochs,
            "epochs": epochs,
            "loss": values["train_loss_total"],
            "split": split,
            "score": values[f"{split}_{history.metric}"],
            "curves": curves,
            "usage": self.usage.sample(),
            "log": log_file(),
        }
        state = None
        if time.perf_counter() - self.saved >= self.trial.checkpoint_seconds:
            running = {self.seed: {"seconds": self.seconds(), "snapshot": snapshot()}}
            state = {"outcomes": self.outcomes, "running": running}
            self.saved = time.perf_counter()
        _report(self.trial.key, metrics, state)


def _report(key: str, metrics: dict[str, Any], state: dict[str, Any] | None) -> None:
    distributed.beat()
    if state is None or distributed.rank() > 0:
        ray.train.report(metrics)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.save({"schema": SCHEMA, "key": key, **state}, Path(folder) / CHECKPOINT)
        ray.train.report(metrics, checkpoint=ray.train.Checkpoint.from_directory(folder))


def _load_checkpoint(key: str) -> dict[str, Any]:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return {}
    with checkpoint.as_directory() as folder:
        content = io.BytesIO((Path(folder) / CHECKPOINT).read_bytes())
    try:
        state: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever garbage makes of the unpickler
        tell_once(f"{key}: a checkpoint is damaged ({first_line(error)}); training starts again.")
        return {}
    return state if (state.get("schema"), state["key"]) == (SCHEMA, key) else {}


def _sentence(error: Exception) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        error = ReplicateError("the GPU's memory is full", first_line(error), MORE_MEMORY)
    return str(error) if isinstance(error, FdsweepError) else f"{type(error).__name__}: {error}"
