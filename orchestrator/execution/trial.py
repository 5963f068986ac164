"""One Tune trial: build its TorchTrainer and fit it."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from fdsweep.orchestrator.execution.cluster import ResourcePlan
from fdsweep.orchestrator.execution.devices.packing import Shape
from fdsweep.orchestrator.garbage import look_as_usual
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.trials import PointConfig, TrialConfig

if TYPE_CHECKING:
    from ray.actor import ActorHandle

    from fdsweep.orchestrator.execution.ray_compat.trainer import LeanTrainer


def fit_trial(config: dict[str, TrialConfig], *, resources: ResourcePlan) -> None:
    """Train the trial `config["trial"]` on its workers; Tune hears every report.

    The trainer's name is the content of the trial, so that Ray finds the checkpoint that an
    interrupted run of the same trial left.
    """
    trial = config["trial"]
    _fit(_train_replicates, {"trial": trial}, train_name(trial), trial.storage, resources)


def fit_point(
    config: dict[str, PointConfig], *, signals: "ActorHandle", resources: ResourcePlan
) -> None:
    """Train the point `config["point"]` of a search on its workers, as `fit_trial` does a trial.

    At its rungs the workers ask the actor `signals` whether to go on.
    """
    point = config["point"]
    handed = {"point": point, "signals": signals}
    _fit(_train_point, handed, point_name(point), point.storage, resources)


def _fit(
    function: Callable[[dict[str, Any]], None],
    handed: dict[str, Any],
    name: str,
    storage: str,
    resources: ResourcePlan,
) -> None:
    import ray.train
    from ray import tune

    from fdsweep.orchestrator.execution.retries import interruptions_told

    look_as_usual()

    class Report(ray.train.UserCallback):  # type: ignore[misc]
        """Passes on to Tune what the first worker reports."""

        @override
        def after_report(
            self,
            run_context: object,
            metrics: list[dict[str, object]],
            checkpoint: ray.train.Checkpoint | None,
        ) -> None:
            tune.report(metrics[0])

    watch = tune.get_context().get_trial_id(), resources.hang_seconds
    shape = resources.shape
    parts = {"cores": resources.cores_per_worker, "gpus": shape.gpus_per_worker}
    handed = {**handed, **parts, "watch": watch}
    trainer = _trainer(shape)(
        function,
        train_loop_config=handed,
        scaling_config=ray.train.ScalingConfig(
            num_workers=shape.workers,
            use_gpu=bool(shape.gpus_per_worker),
            resources_per_worker=shape.per_worker,
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=Storage(storage).uri(layout.RAY_TRAIN),
            callbacks=[Report()],
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
            failure_config=ray.train.FailureConfig(  # the driver alone decides on another try
                max_failures=0, max_preemption_failures=0, controller_failure_limit=0
            ),
        ),
        patience=resources.hang_seconds,
    )
    with interruptions_told(resources.shape.workers):
        trainer.fit()


def _trainer(shape: Shape) -> type["LeanTrainer"]:
    """Torch connects several workers, and looks after GPUs; a lone worker on a core needs none of
    that, and then a trial's own process need not import it."""
    if shape.gpus_per_worker or shape.workers > 1:
        from fdsweep.orchestrator.execution.ray_compat.torch import LeanTorchTrainer

        return LeanTorchTrainer
    from fdsweep.orchestrator.execution.ray_compat.trainer import LeanTrainer

    return LeanTrainer


def _train_replicates(handed: dict[str, Any]) -> None:
    """`trainers.worker.work`, imported where it runs: a trial itself need not pay for it."""
    from fdsweep.trainers.worker import work

    with _at_work(handed):
        work(handed)


def _train_point(handed: dict[str, Any]) -> None:
    """`trainers.worker.tune`, with an actor's word on whether to go on."""
    import ray

    from fdsweep.trainers.worker import tune

    point, signals = handed["point"], handed["signals"]

    def go_on(epoch: int) -> bool:
        answer: bool = ray.get(signals.wait.remote(point.key, epoch))
        return answer

    with _at_work(handed):
        tune(point, go_on)


@contextlib.contextmanager
def _at_work(handed: dict[str, Any]) -> Iterator[None]:
    """What a worker is before it trains: within its share of the cores and the GPU, and watched."""
    from fdsweep.orchestrator.execution.health.guard import watched
    from fdsweep.trainers.distributed import share_gpu
    from fdsweep.trainers.loaders.pipeline import share_cores

    look_as_usual()
    share_cores(handed["cores"])
    share_gpu(handed["gpus"])
    with watched(*handed["watch"]):
        yield


def point_name(point: PointConfig) -> str:
    """Name of what Ray Train keeps of a point."""
    return f"point-{point.key}"


def train_name(trial: TrialConfig) -> str:
    """Name of what Ray Train keeps of a trial: its kind, its key and its group of seeds."""
    return f"{trial.kind}-{trial.key}-{trial.group}"
