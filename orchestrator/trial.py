"""One Tune trial: build its TorchTrainer and fit it."""

from orchestrator.cluster import Allotment
from search_spaces.configs import TrialConfig


def fit_trial(config: dict[str, int], *, trials: list[TrialConfig], allotment: Allotment) -> None:
    """Train the trial `config["index"]` of `trials` on its workers; Tune hears every report.

    The trainer's name is the content of the trial, so that Ray finds the checkpoint that an
    interrupted run of the same trial left.
    """
    import ray.train
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    trial = trials[config["index"]]
    resources = {"CPU": allotment.cpus_per_worker}
    if allotment.gpus_per_worker:
        resources["GPU"] = allotment.gpus_per_worker
    TorchTrainer(
        work_lazily,
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


def train_name(trial: TrialConfig) -> str:
    """Name of a trial's Ray Train run: its kind, its key and where its seeds begin."""
    return f"{trial.kind}-{trial.key}-{trial.group}"


def work_lazily(handed: dict[str, TrialConfig]) -> None:
    """`trainers.worker.work`, whose imports only the workers pay for."""
    from trainers.worker import work

    work(handed)
