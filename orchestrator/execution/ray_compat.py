"""Every private thing of Ray that we use, and nothing else.

tests/orchestrator/execution/test_ray_compat.py fails when a release of Ray renames one of them.
"""

import asyncio
import json
from collections.abc import Callable

from ray.train import Result, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.constants import CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
from ray.train.v2._internal.execution.checkpoint.checkpoint_manager import _CheckpointManagerState
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.callback import RayTrainCallback
from typing_extensions import override

SNAPSHOT = CHECKPOINT_MANAGER_SNAPSHOT_FILENAME
"""The file in which Ray Train lists a run's checkpoints, in the run's folder."""

NEVER_USED = (DatasetsCallback,)
"""Hands out Ray Data sets, in an actor of its own."""

NEEDLESS_LOCALLY = (*NEVER_USED, PlacementGroupCleanerCallback)
"""On a cluster that ends with us there is nothing to clean up after us."""


def checkpoint_folders(snapshot: bytes) -> set[str]:
    """The checkpoints that Ray Train wants to find beside the content of its file SNAPSHOT.

    Raises:
        ValueError: this Ray would not read it.
    """
    fields = json.loads(snapshot)
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    state = _CheckpointManagerState(**fields)
    return {one.checkpoint_dir_name for one in state.checkpoint_results}


class LeanTrainer(TorchTrainer):  # type: ignore[misc]
    """A TorchTrainer without the helper processes that it has no use for.

    Each of them takes longer to start than a small epoch takes to train. The controller runs in
    the trial's own process, which would otherwise sleep until it is done.

    Args:
        function: what the workers run.
        handed: what it is handed.
        scaling: the workers.
        run: where and how.
        local: whether the cluster ends with us.
    """

    def __init__(
        self,
        function: Callable[[dict[str, object]], None],
        handed: dict[str, object],
        scaling: ScalingConfig,
        run: RunConfig,
        *,
        local: bool,
    ) -> None:
        self.needless = NEEDLESS_LOCALLY if local else NEVER_USED
        super().__init__(function, train_loop_config=handed, scaling_config=scaling, run_config=run)

    @override
    def _initialize_and_run_controller(self, **parts: object) -> Result:
        controller = TrainController(**parts)
        asyncio.run(controller.run())
        return controller.get_result()

    @override
    def _create_default_callbacks(self) -> list[RayTrainCallback]:
        callbacks = super()._create_default_callbacks()
        return [one for one in callbacks if not isinstance(one, self.needless)]
