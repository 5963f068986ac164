"""Contracts of Ray's private parts: a release that renames one of them fails here, not in a study.

No cluster is needed: nothing is started.
"""

import inspect

import pytest
from ray import _raylet, tune
from ray._private import services, worker
from ray._private.node import Node
from ray.train import RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from fdsweep.orchestrator.execution import ray_compat
from fdsweep.orchestrator.execution.ray_compat import LeanTrainer, TrainController


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.fixture
def trainer(tmp_path):
    def make(local):
        run = RunConfig(name="contract", storage_path=str(tmp_path))
        return LeanTrainer(print, {}, ScalingConfig(num_workers=1), run, local=local, patience=9)

    return make


def test_a_trainer_runs_what_its_two_overridden_methods_give():
    """`fit` must call them, or the helpers come back without a word."""
    calls = inspect.getsource(TorchTrainer.fit)
    for name in ("_initialize_and_run_controller", "_create_default_callbacks"):
        assert name in vars(LeanTrainer)
        assert f"self.{name}(" in calls
    assert parameters(TorchTrainer._initialize_and_run_controller) == [
        "self",
        "controller_init_kwargs",
    ]
    assert parameters(TorchTrainer._create_default_callbacks) == ["self"]


def test_the_controller_is_made_from_what_fit_hands_on_and_run_as_a_coroutine():
    handed = inspect.getsource(TorchTrainer.fit)
    required = [
        name
        for name, parameter in inspect.signature(TrainController).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    assert required
    assert all(f"{name}=" in handed for name in (*required, "callbacks"))
    assert inspect.iscoroutinefunction(TrainController.run)
    assert parameters(TrainController.run) == parameters(TrainController.get_result) == ["self"]
    assert not inspect.iscoroutinefunction(TrainController.get_result)


@pytest.mark.parametrize("local", [True, False])
def test_the_helpers_that_are_dropped_stand_among_the_default_ones(trainer, local):
    lean = trainer(local)
    usual = {type(one) for one in TorchTrainer._create_default_callbacks(lean)}
    dropped = {*(ray_compat.NEEDLESS_LOCALLY if local else ray_compat.NEVER_USED)}
    assert dropped <= usual
    assert {type(one) for one in lean._create_default_callbacks()} == usual - dropped


def test_a_node_knows_its_processes_its_head_and_its_logs():
    started = inspect.getsource(Node.__init__) + inspect.getsource(Node.start_gcs_server)
    for name in ("all_processes", "PROCESS_TYPE_GCS_SERVER"):
        assert name in started
    assert "process" in services.ProcessInfo._fields
    assert hasattr(worker, "_global_node")
    assert hasattr(worker.Worker, "current_node_id")
    assert parameters(Node.get_gcs_client) == parameters(Node.get_logs_dir_path) == ["self"]
    assert hasattr(_raylet.InnerGcsClient, "check_alive")
    assert ray_compat.fault() == ""


def test_what_ray_tells_a_driver_goes_through_the_function_that_is_hushed():
    assert "print_to_stdstream(" in inspect.getsource(worker.listen_error_messages)


def test_the_callbacks_and_the_trial_are_those_that_we_know():
    told = ["self", "iteration", "trials", "trial"]
    for name in ("on_trial_start", "on_trial_error", "on_trial_complete"):
        assert parameters(getattr(tune.Callback, name)) == [*told, "info"]
    assert parameters(tune.Callback.on_step_end) == ["self", "iteration", "trials", "info"]
    assert Trial.RUNNING == "RUNNING"
    assert parameters(tune.Callback.on_trial_result) == [*told, "result", "info"]
    assert parameters(UserCallback.after_report) == ["self", "run_context", "metrics", "checkpoint"]
    assert parameters(Trial.get_error) == ["self"]
    assert {"config", "trial_id"} <= {*parameters(Trial.__init__)}
    assert Searcher.FINISHED == "FINISHED"


def test_the_health_check_of_workers_takes_its_limit_from_the_environment():
    reads = inspect.getsource(WorkerGroup.__init__)
    assert "WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR" in reads
    checks = inspect.getsource(WorkerGroup._poll_workers_and_collect_errors)
    assert "self._worker_health_check_timeout_s" in checks
    run = inspect.getsource(LeanTrainer._initialize_and_run_controller)
    assert run.index("WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR") < run.index("TrainController(")
