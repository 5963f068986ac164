"""Start or join Ray, and fit trials to its resources."""

import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.execution.devices import everywhere, packing, starts, usable
from fdsweep.orchestrator.execution.devices.budget import Budget
from fdsweep.orchestrator.execution.devices.packing import Node, Shape, count
from fdsweep.search_spaces.errors import (
    ClusterError,
    ConfigError,
    FdsweepError,
    StorageError,
    first_line,
)
from fdsweep.search_spaces.storage import Storage, cache, remote, tell_once

if TYPE_CHECKING:
    import torch

MANY = 2**31
"""More than any cluster has."""

TOKENS = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
"""Either of these variables gives the token of a cluster."""

GpusPerTrial = float | Literal["auto"] | None
"""A number; "auto" for the part of one that a probe finds; None for the natural share."""

LEAST_GPU = 0.01
"""The smallest part of a GPU that a trial may take."""

UNAUTHENTICATED = "uthentication"
"""In what Ray says to who shows no token, or a wrong one."""

TOKEN_FIX = (
    "Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to what "
    "`ray get-auth-token` prints on the head"
)

MANY_MINUTES = 10**6
"""More than any step takes."""

SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # one report per poll: at the default of 2 s a
    # worker with shorter epochs would wait for the controller after each of them
    "THP_MEM_ALLOC_ENABLE": "1",  # torch takes large tensors from huge pages: a batch of pictures
    # costs a quarter of the time to allocate
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "5",  # of 30 s that a worker which was stopped is
    # waited for before it is killed
    "RAY_preload_python_modules": "fdsweep.orchestrator.execution.ray_compat.early",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1024",  # how many start at the same time is up to `Room`
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "inf",  # nothing is restored from what Tune would write of all its
    # trials, every 10 s
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """What the user asks of the cluster; None means all there is, or the natural share.

    A trial has as many workers as GPUs unless `workers_per_trial` says otherwise; they stand on one
    node unless they may `spread`. GPUs per trial that are "auto" are as if nothing were said until
    a probe has chosen them (`parts.choose`). `hang_minutes` is how long a trial may take no step
    before it is started again, `budget` the device time of the whole command.
    """

    address: str | None = None
    gpus: int | None = None
    gpus_per_trial: GpusPerTrial = None
    workers_per_trial: int | None = None
    hang_minutes: float = 10.0
    spread: bool = False
    budget: Budget = field(default_factory=Budget)

    @property
    def cluster(self) -> str:
        """The address of the running cluster that is meant, also by RAY_ADDRESS; "" if none is."""
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        return "" if address == "local" else address

    @property
    def joins(self) -> bool:
        """Whether a running cluster is meant."""
        return bool(self.cluster)

    @property
    def workers(self) -> int:
        """How many workers a trial has."""
        return self.workers_per_trial or max(1, int(self.given or 1))

    @property
    def devices(self) -> float:
        """How many devices a trial takes: GPUs, or cores if it takes none."""
        return self.given or float(self.workers)

    @property
    def given(self) -> float | None:
        """GPUs of a trial, if they are a number."""
        return None if self.gpus_per_trial == "auto" else self.gpus_per_trial


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """What each trial gets, and how many run at the same time on the cluster as it was found.

    Of GPUs that come later no more are used than `most_gpus` in all. `wanted` is how many trials
    are to run at the same time if the cluster can grow. `hang_seconds` is how long a trial may take
    no step before it is started again. No trial begins once the `budget` is spent. `cluster` is the
    address of the cluster that was joined, if one was.
    """

    shape: Shape
    nodes: tuple[Node, ...]
    most_gpus: float
    wanted: int
    hang_seconds: float
    budget: Budget
    cluster: str

    @property
    def concurrent(self) -> int:
        """How many trials fit on the nodes that were found, or will on those that are wanted."""
        return max(self.fitting(self.nodes), self.wanted)

    @property
    def cores_per_worker(self) -> int:
        """Cores on which a worker may read and decode while the others do so too; 1 at least."""
        cores = sum(node.cpus for node in self.nodes)
        return max(1, int(cores // (self.shape.workers * max(1, self.fitting(self.nodes)))))

    def fitting(self, nodes: Sequence[Node]) -> int:
        """How many trials fit on `nodes`."""
        return self.shape.fitting(nodes, self.most_gpus)


def check(request: ResourceRequest) -> None:
    """Refuse a request that cannot be met on any machine, or on this one if it is the cluster.

    Raises:
        ConfigError: numbers that make no sense.
        ClusterError: more GPUs than this machine has.
    """
    workers, per_trial = request.workers_per_trial, request.given
    if workers is not None and not 1 <= workers < MANY:
        raise ConfigError(f"{workers} workers asked for", "--workers-per-trial", "Give 1 or more")
    if request.gpus is not None and not 0 <= request.gpus < MANY:
        raise ConfigError(f"{request.gpus} GPUs asked for", "--gpus", "Give 0 or more")
    if request.gpus_per_trial == "auto" and request.workers > 1:
        what = f"auto looks for a part of a GPU, and {workers} workers take one each"
        raise ConfigError(what, "--gpus-per-trial, --workers-per-trial", "Give one of them")
    if per_trial is not None:
        _check_share(per_trial, request)
    if not 0 < request.hang_minutes < MANY_MINUTES:
        what = f"{request.hang_minutes} minutes without a step"
        raise ConfigError(what, "--hang-timeout", "Give more than 0")
    if request.gpus and not request.joins:
        import torch

        _check_gpus(request.gpus, torch.cuda.device_count(), "this machine has")


def _check_share(gpus: float, request: ResourceRequest) -> None:
    """Refuse GPUs of a trial that its workers cannot use: each computes on one, or on a part."""
    where = "--gpus-per-trial"
    if not (gpus == 0 or LEAST_GPU <= gpus < MANY):
        raise ConfigError(f"{gpus:g} GPUs asked for", where, f"Give 0, or {LEAST_GPU} or more")
    if gpus > 1 and gpus != int(gpus):
        raise ConfigError(f"{gpus:g} GPUs asked for", where, "Give a part of one, or whole ones")
    workers = request.workers
    if gpus in (0, workers) or (workers == 1 and gpus < 1):
        return
    asked = f"{count(gpus, 'GPU')} for {count(workers, 'worker')}"
    if gpus < workers:
        fix = f"Give {workers}, or 1 of --workers-per-trial"
        raise ConfigError(f"{asked}, and NCCL wants one for each", where, fix)
    fix = f"Give {workers}, or {gpus:g} of --workers-per-trial"
    raise ConfigError(f"{asked}, and each computes on one", where, fix)


def check_keys(request: ResourceRequest, storage: str) -> None:
    """Refuse keys in the URI `storage` where workers would have to be told them by Ray.

    Raises:
        ConfigError: there are some, and a running cluster is meant.
    """
    if request.joins and remote.has_keys(storage):
        what = "holds keys, which Ray would write into the cluster's logs"
        fix = "Leave them out: the nodes have a role or configuration of their own, or they are "
        fix += "set where `ray start` is typed (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        raise ConfigError(what, "--storage", fix)


def check_nodes(request: ResourceRequest, nodes: Sequence[Node], storage: Storage) -> None:
    """Refuse a cluster that was joined whose `nodes` are not what a study needs.

    Each has keys for a remote storage and a network of its own. One that does not answer is left
    to its trials.

    Raises:
        ClusterError: no worker is there yet that tells by its GPUs what trials take.
        StorageError: a node cannot read the storage.
    """
    if not request.joins:
        return
    if request.gpus is None and request.given is None and not any(map(any, nodes)):
        what = "no worker is there yet, and Ray does not tell what those to come have"
        fix = "Give --gpus: how many GPUs the cluster is to have for this command, 0 for cores"
        raise ClusterError(what, request.cluster, fix)
    if storage.is_local:
        return
    found, _ = everywhere.ask(Storage.exists, Storage(storage.root), has="CPU")
    for node, error in found:
        cause = getattr(error, "cause", None)
        if isinstance(cause, StorageError):
            fix = "Each node uses its own network and keys: a role, a configuration, or variables "
            fix += "that are set where `ray start` is typed"
            raise StorageError(f"from node {node} it {cause.what}", storage.root, fix)


def local_resources(request: ResourceRequest) -> ResourcePlan:
    """How trials share this machine, without starting Ray."""
    import torch

    from fdsweep.trainers.loaders.pipeline import usable_cores

    return plan_resources(request, float(usable_cores()), float(torch.cuda.device_count()))


def found_nodes() -> tuple[Node, ...]:
    """The nodes that the cluster has now."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return tuple(Node(found.get("CPU", 0.0), found.get("GPU", 0.0)) for found in alive)


def local_device(request: ResourceRequest) -> "torch.device":
    """Where this process computes: on a GPU if there is one, and `--gpus` is not 0."""
    import torch

    use_gpu = request.gpus != 0 and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def connect(request: ResourceRequest, meanwhile: Callable[[], None] = lambda: None) -> ResourcePlan:
    """Join the cluster at the address given (or in RAY_ADDRESS), else start a local one.

    A local one must have the devices for a trial, and torch must be able to use them.

    Args:
        request: what is asked of it.
        meanwhile: has threads begin something, since this one is about to wait for Ray.

    Raises:
        ClusterError: no cluster answers or can be started, or the local one cannot be used.
    """
    begun = time.monotonic()
    _prepare_environment(request)
    import ray

    from fdsweep.orchestrator.execution.ray_compat.head import hush, sigterm_kept
    from fdsweep.orchestrator.execution.ray_compat.tune import ask_for_no_variables, keep_keys_back

    if ray.is_initialized():
        meanwhile()
    else:
        hush()
        if request.joins:
            keep_keys_back()
        else:
            ask_for_no_variables()
        if not voice.is_verbose():
            logging.getLogger("ray").setLevel(logging.ERROR)
        with sigterm_kept():
            _join(request, meanwhile) if request.joins else _start(meanwhile)
        starts.keep(request.cluster, ray=time.monotonic() - begun)
    resources = share(request, found_nodes())
    if resources.shape.gpus_per_worker and not request.joins:
        usable.check_here()
    if unused := packing.idle(resources.shape, resources.nodes, resources.most_gpus):
        tell_once(f"{unused}.")
    return resources


def _said() -> dict[str, Any]:
    """What Ray says of itself and of its workers: errors alone, unless more is asked for."""
    return {
        "log_to_driver": voice.is_verbose(),
        "logging_level": "INFO" if voice.is_verbose() else "ERROR",
        "configure_logging": True,
    }


def _join(request: ResourceRequest, meanwhile: Callable[[], None]) -> None:
    import ray

    from fdsweep.orchestrator.execution.ray_compat.head import head_answers

    address = request.cluster
    try:
        head_answers(address)
        _check_tokens(address)
        meanwhile()
        variables = SETTINGS | cache.chosen()
        ray.init(address=address, runtime_env={"env_vars": variables}, **_said())
    except FdsweepError:
        raise
    except Exception as error:  # Ray raises everything here, Exception itself too
        if UNAUTHENTICATED in str(error):
            what = "the cluster wants a token that is not the one shown, or none is"
            raise ClusterError(what, address, TOKEN_FIX) from None
        raise ClusterError(
            f"no Ray cluster answers ({first_line(error)})",
            address,
            "Check --address, or leave it out to start a local one",
        ) from None


def _check_tokens(address: str) -> None:
    """Refuse to show a token where none is asked for: trials would die, since they have none.

    Raises:
        ClusterError: this process has a token, and the cluster has none.
    """
    from fdsweep.orchestrator.execution.ray_compat.head import head_answers

    if os.environ.get("RAY_AUTH_MODE") != "token":
        return
    try:
        head_answers(address, RAY_AUTH_MODE="disabled")
    except ConnectionError:
        return
    raise ClusterError(
        "the cluster has no token, but you have one (RAY_AUTH_TOKEN, or ~/.ray/auth_token)",
        address,
        "Set RAY_AUTH_MODE=disabled to join it, or start it with RAY_AUTH_MODE=token",
    )


def _start(meanwhile: Callable[[], None]) -> None:
    import ray

    from fdsweep.orchestrator.execution.driver import processes
    from fdsweep.orchestrator.execution.ray_compat.head import (
        few_servers,
        loopback,
        once_started,
    )
    from fdsweep.trainers.loaders.pipeline import usable_cores

    options: dict[str, Any] = {"include_dashboard": False, **_said()}
    cores = usable_cores()
    if cores < (os.cpu_count() or 1):  # Ray counts all, also where Slurm has given out a part
        options["num_cpus"] = cores
    try:
        with few_servers(logs=voice.is_verbose()), once_started(meanwhile), loopback() as here:
            ray.init(address="local", _node_ip_address=here, **options)
    except Exception as error:  # Ray raises everything here, Exception itself too
        ray.shutdown()
        processes.kill()  # Ray forgets those of a start that fails
        raise ClusterError(
            f"no Ray cluster can be started here ({first_line(error)})",
            fix="See to memory, free ports and room for its files (RAY_TMPDIR, or /tmp), and type "
            "the same command again",
        ) from None


def plan_resources(request: ResourceRequest, cpus: float, gpus: float) -> ResourcePlan:
    """Share the `cpus` and `gpus` of one node among trials, as `share` does."""
    return share(request, (Node(cpus, gpus),))


def share(request: ResourceRequest, nodes: tuple[Node, ...]) -> ResourcePlan:
    """Share `nodes` among trials.

    A trial of W workers takes W cores. With GPUs each worker takes one, or a single one the part
    that `gpus_per_trial` says.

    Raises:
        ClusterError: not even one trial fits on a cluster that does not grow, a local one.
    """
    gpus = sum(node.gpus for node in nodes)
    if request.gpus is not None and not request.joins:
        _check_gpus(request.gpus, gpus, "Ray sees")
    workers = request.workers
    per_trial = request.given
    if per_trial is None:
        per_trial = float(workers) if (gpus if request.gpus is None else request.gpus) else 0.0
    shape = Shape(workers, per_trial / workers, request.spread)
    most = float(MANY if request.gpus is None else request.gpus)
    asks = request.joins and request.gpus and per_trial
    resources = ResourcePlan(
        shape=shape,
        nodes=nodes,
        most_gpus=most,
        wanted=max(1, shape.in_gpus(most)) if asks else 1,
        hang_seconds=60 * request.hang_minutes,
        budget=request.budget,
        cluster=request.cluster,
    )
    if request.gpus is not None and per_trial > request.gpus:
        _refuse(shape, f"--gpus {request.gpus}")
    if not resources.fitting(nodes) and not request.joins:
        _refuse(shape, f"{sum(node.cpus for node in nodes):g} CPUs and {gpus:g} GPUs")
    return resources


def _refuse(shape: Shape, there: str) -> None:
    gpus = count(shape.workers * shape.gpus_per_worker, "GPU")
    raise ClusterError(
        f"a trial of {count(shape.workers, 'worker')} and {gpus} does not fit into {there}",
        "--workers-per-trial, --gpus-per-trial",
        "Ask for less per trial",
    )


def _check_gpus(asked: float, present: float, who: str) -> None:
    if asked > present:
        raise ClusterError(
            f"{asked:g} GPUs asked for, {who} {present:g}",
            "--gpus",
            "Leave it out to use what is there, or give the --address of a cluster that has them",
        )


def _prepare_environment(request: ResourceRequest) -> None:
    """Set what Ray reads from the environment; what the user has set stays.

    A local cluster of Ray 2.59 and later authenticates by token: ours gets one of its own, which
    only its processes know and which needs no home folder. A driver that joins a cluster by
    address must be told to use the user's token.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if request.joins:
        take_token()
    elif not TOKENS & set(os.environ):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def take_token() -> None:
    """Have Ray show the user's token to a cluster that runs, if there is one."""
    if TOKENS & set(os.environ) or (Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")
