"""One Tune trial: build its TorchTrainer and fit it."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.trials import PointConfig, TrialConfig

if TYPE_CHECKING:
    from ray.actor import ActorHandle

SPARED = {"DatasetsCallback"}
"""Ray Train's helpers that we never use: it hands out Ray Data sets, in an actor of its own."""

SPARED_LOCALLY = SPARED | {"PlacementGroupCleanerCallback"}
"""On a cluster that ends with us there is nothing to clean up after us."""


def fit_trial(
    config: dict[str, int], *, trials: list[TrialConfig], allotment: ResourcePlan
) -> None:
    """Train the trial `config["index"]` of `trials` on its workers; Tune hears every report.

    The trainer's name is the content of the trial, so that Ray finds the checkpoint that an
    interrupted run of the same trial left.
    """
    trial = trials[config["index"]]
    _fit(work, {"trial": trial}, train_name(trial), trial.storage, allotment)


def fit_point(
    config: dict[str, PointConfig], *, verdicts: "ActorHandle", allotment: ResourcePlan
) -> None:
    """Train the point `config["point"]` of a search on its workers, as `fit_trial` does a trial.

    At its rungs the workers ask the actor `verdicts` whether to go on.
    """
    point = config["point"]
    handed = {"point": point, "verdicts": verdicts}
    _fit(tune, handed, point_name(point), point.storage, allotment)


def _fit(
    function: Callable[[dict[str, Any]], None],
    handed: dict[str, Any],
    name: str,
    storage: str,
    allotment: ResourcePlan,
) -> None:
    import ray.train
    from ray import tune
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.execution.controller import TrainController

    spared = SPARED_LOCALLY if allotment.local else SPARED

    class LeanTrainer(TorchTrainer):  # type: ignore[misc]
        """A TorchTrainer without the helper processes that it has no use for.

        Each of them takes longer to start than a small epoch takes to train. The controller runs
        in the trial's own process, which would otherwise sleep until it is done.
        """

        def _initialize_and_run_controller(self, **parts: Any) -> Any:
            controller = TrainController(**parts)
            asyncio.run(controller.run())
            return controller.get_result()

        def _create_default_callbacks(self) -> list[Any]:
            callbacks = super()._create_default_callbacks()
            return [one for one in callbacks if type(one).__name__ not in spared]

    class Report(ray.train.UserCallback):  # type: ignore[misc]
        """Passes on to Tune what the first worker reports."""

        def after_report(
            self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any
        ) -> None:
            tune.report(metrics[0])

    resources = {"CPU": allotment.cpus_per_worker}
    if allotment.gpus_per_worker:
        resources["GPU"] = allotment.gpus_per_worker
    LeanTrainer(
        function,
        train_loop_config=handed,
        scaling_config=ray.train.ScalingConfig(
            num_workers=allotment.workers,
            use_gpu=bool(allotment.gpus_per_worker),
            resources_per_worker=resources,
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=Storage(storage).uri(layout.RAY_TRAIN),
            callbacks=[Report()],
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            failure_config=ray.train.FailureConfig(max_failures=1, controller_failure_limit=3),
        ),
    ).fit()


def work(handed: dict[str, TrialConfig]) -> None:
    """`trainers.worker.work`, imported where it runs: a trial itself need not pay for it."""
    from fdsweep.trainers.worker import work as work_here

    work_here(handed)


def tune(handed: dict[str, Any]) -> None:
    """`trainers.worker.tune`, with an actor's word on whether to go on."""
    import ray

    from fdsweep.trainers.worker import tune as tune_here

    point, verdicts = handed["point"], handed["verdicts"]

    def go_on(epoch: int) -> bool:
        answer: bool = ray.get(verdicts.wait.remote(point.key, epoch))
        return answer

    tune_here(point, go_on)


def point_name(point: PointConfig) -> str:
    """Name of a point's Ray Train run."""
    return f"point-{point.key}"


def train_name(trial: TrialConfig) -> str:
    """Name of a trial's Ray Train run: its kind, its key and its group of seeds."""
    return f"{trial.kind}-{trial.key}-{trial.group}"
