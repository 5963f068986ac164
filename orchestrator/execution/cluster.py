"""Start or join Ray, and fit trials to its resources."""

import logging
import os
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fdsweep.search_spaces.errors import ClusterError, ConfigError, first_line
from fdsweep.search_spaces.storage import cache, remote

if TYPE_CHECKING:
    import torch

MANY = 2**31
"""More than any cluster has."""

LOOK_EVERY_S = 5.0
"""So often a running study asks how large the cluster is."""

TOKENS = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
"""Either of these variables gives the token of a cluster."""

MANY_MINUTES = 10**6
"""More than any step takes."""

SETTINGS = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",  # one report per poll: at the default of 2 s a
    # worker with shorter epochs would wait for the controller after each of them
    "THP_MEM_ALLOC_ENABLE": "1",  # torch takes large tensors from huge pages: a batch of pictures
    # costs a quarter of the time to allocate
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "5",  # of 30 s that a worker which was stopped is
    # waited for before it is killed
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1024",  # how many start at the same time is up to `Room`
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True, slots=True)
class ResourceRequest:
    """What the user asks of the cluster; None means all there is, or the natural share.

    `hang_minutes` is how long a trial may take no step before it is started again.
    """

    address: str | None = None
    gpus: int | None = None
    gpus_per_trial: float | None = None
    workers_per_trial: int = 1
    hang_minutes: float = 10.0

    @property
    def joins(self) -> bool:
        """Whether a running cluster is meant, by `address` or by RAY_ADDRESS."""
        return (self.address or os.environ.get("RAY_ADDRESS") or "local") != "local"


@dataclass(frozen=True, slots=True)
class ResourcePlan:
    """What each trial gets, and how many run at the same time on the cluster as it was found.

    Of GPUs that come later no more are used than `most_gpus` in all. `hang_seconds` is how long a
    trial may take no step before it is started again.
    """

    concurrent: int
    workers: int
    gpus_per_worker: float
    cpus: float
    gpus: float
    most_gpus: float
    hang_seconds: float

    @property
    def per_worker(self) -> dict[str, float]:
        """What a worker gets, as Ray has it. A trial itself asks for nothing beside."""
        gpus = {"GPU": self.gpus_per_worker} if self.gpus_per_worker else {}
        return {"CPU": 1.0, **gpus}

    @property
    def cores_per_worker(self) -> int:
        """Cores on which a worker may read and decode while the others do so too; 1 at least."""
        return max(1, int(self.cpus // (self.workers * max(1, self.concurrent))))

    def fitting(self, cpus: float, gpus: float) -> int:
        """How many trials fit into so many devices."""
        by_cpu = int(cpus // self.workers)
        if not self.gpus_per_worker:
            return by_cpu
        per_trial = self.gpus_per_worker * self.workers
        return min(by_cpu, int(min(gpus, self.most_gpus) / per_trial + 1e-9))


class Room:
    """How many trials of a kind may run at the same time, on a cluster that nodes leave and join.

    Args:
        resources: what a trial gets.
        kind: what such a trial is called for people.
    """

    def __init__(self, resources: ResourcePlan, kind: str) -> None:
        self.resources, self.kind = resources, kind
        self.most, self.seen = MANY, resources.concurrent
        self.looked = time.monotonic()

    def places(self) -> int:
        """What the cluster has room for now; one at least, which waits if there is none."""
        import ray

        if time.monotonic() - self.looked >= LOOK_EVERY_S and ray.is_initialized():
            found = ray.cluster_resources()
            self.seen = self.resources.fitting(found.get("CPU", 0.0), found.get("GPU", 0.0))
            self.looked = time.monotonic()
        return max(1, min(self.most, self.seen))

    def halve(self, at_once: int) -> int:
        """From now on run at most half as many as ran `at_once`; how many that is."""
        self.most = min(self.most, max(1, at_once // 2))
        return self.most


def check(request: ResourceRequest) -> None:
    """Refuse a request that cannot be met on any machine, or on this one if it is the cluster.

    Raises:
        ConfigError: numbers that make no sense.
        ClusterError: more GPUs than this machine has.
    """
    if not 1 <= request.workers_per_trial < MANY:
        raise ConfigError(
            f"{request.workers_per_trial} workers asked for",
            "--workers-per-trial",
            "Give 1 or more",
        )
    if request.gpus is not None and not 0 <= request.gpus < MANY:
        raise ConfigError(f"{request.gpus} GPUs asked for", "--gpus", "Give 0 or more")
    if request.gpus_per_trial is not None and not 0 <= request.gpus_per_trial < MANY:
        raise ConfigError(
            f"{request.gpus_per_trial} GPUs asked for", "--gpus-per-trial", "Give 0 or more"
        )
    if not 0 < request.hang_minutes < MANY_MINUTES:
        what = f"{request.hang_minutes} minutes without a step"
        raise ConfigError(what, "--hang-timeout", "Give more than 0")
    if request.gpus and not request.joins:
        import torch

        _check_gpus(request.gpus, torch.cuda.device_count(), "this machine has")


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


def local_resources(request: ResourceRequest) -> ResourcePlan:
    """How trials share this machine, without starting Ray."""
    import torch

    from fdsweep.trainers.loaders.pipeline import usable_cores

    return plan_resources(request, float(usable_cores()), float(torch.cuda.device_count()))


def local_device(request: ResourceRequest) -> "torch.device":
    """Where this process computes: on a GPU if there is one, and `--gpus` is not 0."""
    import torch

    use_gpu = request.gpus != 0 and torch.cuda.is_available()
    return torch.device("cuda" if use_gpu else "cpu")


def connect(request: ResourceRequest) -> ResourcePlan:
    """Join the cluster at the address given (or in RAY_ADDRESS), else start a local one.

    Raises:
        ClusterError: no cluster answers or can be started, or it has too few devices for one trial.
    """
    _prepare_environment(request)
    import ray

    from fdsweep.orchestrator.execution.ray_compat import hush, keep_keys_back

    if not ray.is_initialized():
        hush()
        keep_keys_back()
        logging.getLogger("ray").setLevel(logging.ERROR)
        _join(request) if request.joins else _start()
    found = ray.cluster_resources()
    return plan_resources(request, found.get("CPU", 0.0), found.get("GPU", 0.0))


QUIET = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}


def _join(request: ResourceRequest) -> None:
    import ray

    from fdsweep.orchestrator.execution.ray_compat import head_answers

    address = request.address or os.environ["RAY_ADDRESS"]
    try:
        head_answers(address)
        variables = SETTINGS | cache.chosen()
        ray.init(address=address, runtime_env={"env_vars": variables}, **QUIET)
    except Exception as error:  # Ray raises everything here, Exception itself too
        raise ClusterError(
            f"no Ray cluster answers ({first_line(error)})",
            address,
            "Check --address, or leave it out to start a local one",
        ) from None


def _start() -> None:
    import ray

    from fdsweep.orchestrator.execution.driver import processes
    from fdsweep.orchestrator.execution.ray_compat import loopback
    from fdsweep.trainers.loaders.pipeline import usable_cores

    # Ray counts all cores of a node, also where Slurm has given out a part of them
    cores = usable_cores() if usable_cores() < (os.cpu_count() or 1) else None
    options = {"num_cpus": cores, "include_dashboard": False, **QUIET}
    try:
        with loopback() as here:
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
    """Share `cpus` and `gpus` among trials.

    A trial of W workers takes W cores. With GPUs it takes `gpus_per_trial` of them (one per worker
    unless said otherwise), shared by its workers.

    Raises:
        ClusterError: not even one trial fits.
    """
    if request.gpus is not None:
        _check_gpus(request.gpus, gpus, "Ray sees")
        gpus = request.gpus
    workers = request.workers_per_trial
    per_trial = request.gpus_per_trial
    if per_trial is None:
        per_trial = float(workers) if gpus else 0.0
    resources = ResourcePlan(
        concurrent=0,
        workers=workers,
        gpus_per_worker=per_trial / workers,
        cpus=cpus,
        gpus=gpus,
        most_gpus=float(MANY if request.gpus is None else request.gpus),
        hang_seconds=60 * request.hang_minutes,
    )
    concurrent = resources.fitting(cpus, gpus)
    if concurrent < 1:
        raise ClusterError(
            f"a trial of {workers} workers and {per_trial:g} GPUs does not fit into "
            f"{cpus:g} CPUs and {gpus:g} GPUs",
            "--workers-per-trial, --gpus-per-trial",
            "Ask for less per trial",
        )
    return replace(resources, concurrent=concurrent)


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
