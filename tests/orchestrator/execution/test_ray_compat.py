"""Contracts of Ray's private parts: a release that renames one of them fails here, not in a study.

No cluster is needed: nothing is started.
"""

import inspect
import pickle
import subprocess
import sys
from dataclasses import fields

import pytest
from ray import _raylet, tune
from ray._private import services, worker
from ray._private.node import Node
from ray.autoscaler import sdk
from ray.exceptions import (
    ActorDiedError,
    LocalRayletDiedError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
)
from ray.train import RunConfig, ScalingConfig, UserCallback
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.execution.context import TrainContext
from ray.train.v2._internal.execution.worker_group import WorkerGroup, WorkerGroupPollStatus
from ray.train.v2._internal.execution.worker_group.execution_group import ExecutionGroup
from ray.tune.execution import class_cache, tune_controller
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from fdsweep.orchestrator.execution import trial
from fdsweep.orchestrator.execution.devices.packing import Shape
from fdsweep.orchestrator.execution.ray_compat import head, trainer
from fdsweep.orchestrator.execution.ray_compat import torch as our_torch
from fdsweep.orchestrator.execution.ray_compat import tune as our_tune
from fdsweep.orchestrator.execution.ray_compat.trainer import LeanTrainer, TrainController


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.fixture
def lean(tmp_path):
    run = RunConfig(name="contract", storage_path=str(tmp_path))
    scaling = ScalingConfig(num_workers=1)
    return LeanTrainer(print, scaling_config=scaling, run_config=run, patience=9)


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


def test_whoever_has_a_gpu_or_company_is_trained_by_a_trainer_of_torch():
    """A lone worker on a core is not: then the process of a trial has no need to import torch."""
    for gpus, workers in ((1.0, 1), (0.5, 1), (0.0, 2), (1.0, 2)):
        chosen = trial._trainer(Shape(workers, gpus))
        assert issubclass(chosen, TorchTrainer)
        assert issubclass(chosen, LeanTrainer)
    assert trial._trainer(Shape(1, 0.0)) is LeanTrainer


def test_a_trial_on_one_core_imports_no_torch():
    names = ("orchestrator.execution.trial", "orchestrator.execution.ray_compat.trainer")
    names += ("orchestrator.execution.ray_compat.early", "orchestrator.execution.retries")
    code = "; ".join(f"import fdsweep.{name}" for name in names)
    code += "; import sys; print('torch' in sys.modules, 'ray.tune' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


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


def test_the_helpers_that_are_dropped_stand_among_the_default_ones(lean):
    usual = {type(one) for one in TorchTrainer._create_default_callbacks(lean)}
    dropped = {*trainer.NEVER_USED}
    assert dropped <= usual
    assert {type(one) for one in lean._create_default_callbacks()} == usual - dropped


def test_workers_are_placed_where_their_group_says():
    group = trainer.WorkerGroup
    assert "self.worker_group_cls.create(" in inspect.getsource(TrainController)
    assert (
        parameters(group._create_placement_group)[1:]
        == parameters(trainer._Group._create_placement_group)[1:]
    )
    assert "pg_handle = self._create_placement_group(" in inspect.getsource(group._start_impl)
    assert {"placement_group", "ready", "wait", "shutdown"} <= {*dir(trainer._Places)}


def test_no_actor_is_asked_for_the_places_that_a_trial_holds():
    policy = trainer.FixedScalingPolicy
    assert "scaling_policy=create_scaling_policy(" in inspect.getsource(TorchTrainer.fit)
    asks = [name for name in dir(policy) if name.endswith("_resource_request")]
    assert {*asks} - {"_get_num_workers_for_resource_request"} == {
        name for name in vars(trainer._Policy) if name.endswith("_resource_request")
    }
    for name in ("after_controller_start", "before_controller_abort"):
        assert "_resource_request()" in inspect.getsource(getattr(policy, name))


def test_each_worker_looks_at_its_gpu_before_torch_connects_them():
    backend = our_torch.CheckedTorch().backend_cls
    assert issubclass(backend, our_torch._TorchBackend)
    assert isinstance(vars(our_torch.TorchConfig)["backend_cls"], property)
    theirs = our_torch._TorchBackend.on_start
    assert parameters(theirs) == parameters(backend.on_start)
    assert "worker_group.get_resources_per_worker()" in inspect.getsource(theirs)
    assert parameters(ExecutionGroup.execute)[:2] == ["self", "fn"]


def test_the_autoscaler_takes_wishes_for_bundles(monkeypatch):
    assert "bundles" in parameters(sdk.request_resources)
    wishes = []
    monkeypatch.setattr(sdk, "request_resources", lambda *, bundles: wishes.append(bundles))
    head.ask_for_nodes([{"CPU": 1.0}])
    head.ask_for_nodes([])
    assert wishes == [[{"CPU": 1.0}], []]


def test_workers_outlast_their_trial_where_ray_would_end_them():
    group = trainer.WorkerGroup
    starts = inspect.getsource(group._start_impl)
    assert "self._create_workers(" in starts
    assert "replica_group_size=" in starts
    assert "SynchronizationActor.options(" in starts
    assert "SynchronizationActor" in vars(trainer.worker_group)
    ranked = parameters(group._assign_worker_ranks)
    assert ranked == ["workers", "starting_world_rank", "world_size", "replica_group_size"]
    ends = inspect.getsource(group.shutdown)
    assert ends.index("before_worker_group_shutdown") < ends.index("_worker_group_state.shutdown()")
    kept = [field.name for field in fields(trainer.WorkerGroupState)]
    assert {"workers", "sync_actor"} <= set(kept)
    for name in ("finished", "errors", "get_preemption_info"):
        assert hasattr(WorkerGroupPollStatus, name)
    assert "_latest_poll_status" in inspect.getsource(group.poll_status)


def test_a_worker_that_is_alone_meets_nobody():
    """All that Ray asks of the actor, outside of preemptions: to tell all what the first says."""
    told = inspect.getsource(TrainContext._sync_checkpoint_dir_name_across_ranks)
    assert "sync_actor.broadcast_from_rank_zero.remote(" in told
    assert "data=" in told
    alone = trainer._Meeting(1).options(label_selector={}).remote(timeout_s=1)
    assert pickle.loads(pickle.dumps(alone)).broadcast_from_rank_zero
    trainer._end_meeting(alone)
    ends = inspect.getsource(trainer.worker_group_state)
    assert ends.count("_shutdown_sync_actor(self.sync_actor)") == 2
    assert "_worker_group_context" in inspect.getsource(trainer.WorkerGroup.__init__)


def test_tune_is_told_of_every_death():
    manager = our_tune.RayActorManager
    for name in ("_actor_start_failed", "_actor_task_failed"):
        assert parameters(getattr(manager, name)) == parameters(getattr(our_tune._Actors, name))
        assert f"self.{name}(" in inspect.getsource(manager)
    made = "RayActorManager(resource_manager=resource_manager)"
    assert made in inspect.getsource(tune_controller.TuneController.__init__)
    with our_tune.every_death_told():
        assert tune_controller.RayActorManager is our_tune._Actors
    assert tune_controller.RayActorManager is manager
    killed = our_tune._as_actor_error(OutOfMemoryError("too much"))
    assert isinstance(killed, RayActorError)
    assert isinstance(killed, OutOfMemoryError)
    assert (str(killed), killed.preempted) == ("too much", False)
    other = our_tune._as_actor_error(LocalRayletDiedError())
    assert isinstance(other, RayActorError)
    for known in (ActorDiedError(), RayTaskError("f", "text", ValueError()), ValueError()):
        assert our_tune._as_actor_error(known) is known


def test_a_node_knows_its_processes_its_head_and_its_logs():
    started = inspect.getsource(Node.__init__) + inspect.getsource(Node.start_gcs_server)
    for name in ("all_processes", "PROCESS_TYPE_GCS_SERVER"):
        assert name in started
    assert "process" in services.ProcessInfo._fields
    assert hasattr(worker, "_global_node")
    assert hasattr(Node, "gcs_address")
    assert hasattr(worker.Worker, "current_node_id")
    assert parameters(Node.get_gcs_client) == parameters(Node.get_logs_dir_path) == ["self"]
    assert hasattr(_raylet.InnerGcsClient, "check_alive")
    assert hasattr(Node, "webui_url")
    assert head.fault() == head.dashboard() == ""


def test_what_ray_tells_a_driver_goes_through_the_function_that_is_hushed():
    assert "print_to_stdstream(" in inspect.getsource(worker.listen_error_messages)


def test_no_trial_asks_for_the_keys_of_a_storage(monkeypatch):
    assert "in ENV_VARS_TO_PROPAGATE" in inspect.getsource(class_cache._ActorClassCache.get)
    assert "RAY_CHDIR_TO_TRIAL_DIR" in class_cache.ENV_VARS_TO_PROPAGATE
    names = {"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "RAY_CHDIR_TO_TRIAL_DIR"}
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", names)
    our_tune.keep_keys_back()
    assert names == {"RAY_CHDIR_TO_TRIAL_DIR"}


def test_trials_and_workers_have_no_variables_of_their_own(monkeypatch):
    assert "env_vars = DEFAULT_ENV_VARS" in inspect.getsource(class_cache._ActorClassCache.get)
    defaults, handed_on = {**class_cache.DEFAULT_ENV_VARS}, {*class_cache.ENV_VARS_TO_PROPAGATE}
    monkeypatch.setattr(class_cache, "DEFAULT_ENV_VARS", defaults)
    monkeypatch.setattr(class_cache, "ENV_VARS_TO_PROPAGATE", handed_on)
    our_tune.ask_for_no_variables()
    assert defaults == {}
    assert handed_on == set()
    assert "self._get_worker_runtime_env(" in inspect.getsource(WorkerGroup._create_workers)
    assert parameters(WorkerGroup._get_worker_runtime_env) == ["custom_runtime_env"]


def test_what_a_local_cluster_does_without_is_started_by_methods_whose_result_nobody_takes():
    starts = inspect.getsource(Node.start_head_processes) + inspect.getsource(
        Node.start_ray_processes
    )
    for name in (*head.UNUSED, "start_log_monitor"):
        assert f"    self.{name}(" in starts
        with head.few_servers(logs=False):
            assert getattr(Node, name)(None) is None
    with head.few_servers(logs=True):
        assert inspect.signature(Node.start_log_monitor).parameters.keys() == {"self"}


def test_the_callbacks_and_the_trial_are_those_that_we_know():
    told = ["self", "iteration", "trials", "trial"]
    for name in ("on_trial_start", "on_trial_error", "on_trial_complete"):
        assert parameters(getattr(tune.Callback, name)) == [*told, "info"]
    assert parameters(tune.Callback.on_step_end) == ["self", "iteration", "trials", "info"]
    assert Trial.RUNNING == "RUNNING"
    assert parameters(tune.Callback.on_trial_result) == [*told, "result", "info"]
    assert parameters(UserCallback.after_report) == ["self", "run_context", "metrics", "checkpoint"]
    assert parameters(tune.Callback.on_step_end) == ["self", "iteration", "trials", "info"]
    assert isinstance(Trial.error_file, property)
    assert isinstance(Trial.pickled_error_file, property)
    assert Trial.ERROR == "ERROR"
    assert {"config", "trial_id"} <= {*parameters(Trial.__init__)}
    assert Searcher.FINISHED == "FINISHED"


def test_the_health_check_of_workers_takes_its_limit_from_the_environment():
    reads = inspect.getsource(WorkerGroup.__init__)
    assert "WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR" in reads
    checks = inspect.getsource(WorkerGroup._poll_workers_and_collect_errors)
    assert "self._worker_health_check_timeout_s" in checks
    run = inspect.getsource(LeanTrainer._initialize_and_run_controller)
    assert run.index("WORKER_HEALTH_CHECK_TIMEOUT_S_ENV_VAR") < run.index("_Controller(")
