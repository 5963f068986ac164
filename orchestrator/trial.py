"""One Tune trial: build its TorchTrainer and fit it."""

from typing import Any

from orchestrator.cluster import Allotment
from search_spaces.configs import TrialConfig

SPARED = {"DatasetsCallback"}
"""Ray Train's helpers that we never use: it hands out Ray Data sets, in an actor of its own."""

SPARED_LOCALLY = SPARED | {"PlacementGroupCleanerCallback"}
"""On a cluster that ends with us there is nothing to clean up after us."""


def fit_trial(config: dict[str, int], *, trials: list[TrialConfig], allotment: Allotment) -> None:
    """Train the trial `config["index"]` of `trials` on its workers; Tune hears every report.

    The trainer's name is the content of the trial, so that Ray finds the checkpoint that an
    interrupted run of the same trial left.
    """
    import ray.train
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    spared = SPARED_LOCALLY if allotment.local else SPARED

    class LeanTrainer(TorchTrainer):  # type: ignore[misc]
        """A TorchTrainer without the helper actors that it has no use for.

        Each of them is a process that takes longer to start than a small epoch takes to train.
        A Ray without this hook starts them all the same.
        """

        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()
            return [one for one in callbacks if type(one).__name__ not in spared]

    trial = trials[config["index"]]
    resources = {"CPU": allotment.cpus_per_worker}
    if allotment.gpus_per_worker:
        resources["GPU"] = allotment.gpus_per_worker
    LeanTrainer(
        work,
        train_loop_config={"trial": trial},
        scaling_config=ray.train.ScalingConfig(
            num_workers=allotment.workers,
            use_gpu=bool(allotment.gpus_per_worker),
            resources_per_worker=resources,
        ),
        run_config=ray.train.RunConfig(
            name=train_name(trial),
            storage_path=f"{trial.storage}/ray/train",
            callbacks=[TuneReportCallback()],
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            failure_config=ray.train.FailureConfig(max_failures=1, controller_failure_limit=3),
        ),
    ).fit()


def work(handed: dict[str, TrialConfig]) -> None:
    """`trainers.worker.work`, imported where it runs: a trial itself need not pay for it."""
    from trainers.worker import work as work_here

    work_here(handed)


def train_name(trial: TrialConfig) -> str:
    """Name of a trial's Ray Train run: its kind, its key and its group of seeds."""
    return f"{trial.kind}-{trial.key}-{trial.group}"
