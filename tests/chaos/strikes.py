"""The faults of a storm, one function each. A new one is a new function in a list at the end.

Each takes the scene and returns what it hit, in words, or "" if there was nothing to hit.
"""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from chaos.drivers import Driver
from chaos.processes import named, psutil, send


@dataclass
class Scene:
    """What there is to hit: a storage, and the drivers at work on it. `start` starts another."""

    storage: Path
    random: Random
    start: Callable[[], Driver]
    drivers: list[Driver] = field(default_factory=list)

    def driver(self) -> Driver | None:
        """One of the drivers that are past their own imports."""
        ready = [one for one in self.drivers if one.is_at_work]
        return self.random.choice(ready) if ready else None

    def process(self, word: str) -> psutil.Process | None:
        """One of the drivers' processes that call themselves by `word`."""
        found = [one for driver in self.drivers for one in named(driver.family(), word)]
        return self.random.choice(found) if found else None

    def file(self, pattern: str) -> Path | None:
        """One of the storage's files."""
        found = sorted(path for path in self.storage.glob(pattern) if path.is_file())
        return self.random.choice(found) if found else None


Strike = Callable[[Scene], str]


def _kill(scene: Scene, word: str) -> str:
    process = scene.process(word)
    return send(process, signal.SIGKILL) if process else ""


def kill_worker(scene: Scene) -> str:
    """A training worker is killed."""
    return _kill(scene, "RayTrainWorker")


def kill_trial(scene: Scene) -> str:
    """The actor of a trial is killed."""
    return _kill(scene, "ImplicitFunc")


def kill_raylet(scene: Scene) -> str:
    """The raylet of a local cluster is killed: its only node is gone."""
    return _kill(scene, "/raylet")


def kill_head(scene: Scene) -> str:
    """The GCS of a local cluster is killed."""
    return _kill(scene, "/gcs_server")


def kill_driver(scene: Scene) -> str:
    """A driver is killed."""
    driver = scene.driver()
    return driver.send(signal.SIGKILL) if driver else ""


def interrupt(scene: Scene) -> str:
    """Ctrl-C."""
    driver = scene.driver()
    return driver.send(signal.SIGINT) if driver else ""


def pause_worker(scene: Scene) -> str:
    """A training worker stands still for some seconds."""
    process = scene.process("RayTrainWorker")
    hit = send(process, signal.SIGSTOP) if process else ""
    if not hit:
        return ""
    seconds = scene.random.uniform(0.5, 4)
    time.sleep(seconds)
    send(process, signal.SIGCONT)
    return f"{hit}, for {seconds:.1f} s"


def stop_worker(scene: Scene) -> str:
    """A training worker stands still for good."""
    process = scene.process("RayTrainWorker")
    return send(process, signal.SIGSTOP) if process else ""


def second_driver(scene: Scene) -> str:
    """Another driver joins in."""
    if len(scene.drivers) > 1:
        return ""
    return f"another driver, {scene.start().pid}"


def _damage(pattern: str) -> Strike:
    """A fault: one of the files `pattern` is overwritten, cut off or removed."""

    def damage(scene: Scene) -> str:
        path = scene.file(pattern)
        if path is None:
            return ""
        how = scene.random.choice(["overwritten", "cut off", "removed"])
        try:
            if how == "removed":
                path.unlink()
            else:
                size = path.stat().st_size
                garbage = scene.random.randbytes(min(size, 4096))
                with path.open("r+b") as file:
                    if how == "overwritten":
                        file.write(garbage * (size // max(1, len(garbage)) + 1))
                    file.truncate(size if how == "overwritten" else size // 2)
        except FileNotFoundError:
            return ""  # it was taken away in this moment
        return f"{path.relative_to(scene.storage)} {how}"

    return damage


PROCESSES = (
    *(kill_worker, kill_trial, kill_raylet, kill_head, kill_driver),
    *(interrupt, pause_worker, stop_worker),
)
FILES = tuple(
    _damage(pattern)
    for pattern in (
        *("results/*.parquet", "curves/*.parquet", "predictions/*.parquet"),
        *("teachers/*/*.safetensors", "teachers/*/*.json", "runs/*/*.json"),
        *("students/*/*.safetensors", "students/*/*.json"),
        *("reports/*/sweep.json", "reports/*/report.*", "mlflow.db"),
        *("ray/train/*/checkpoint_*/*", "ray/train/*/*.json"),
    )
)
FAULTS = {
    "study": (*PROCESSES, *FILES, second_driver),
    "search": (*PROCESSES, *FILES, _damage("reports/*/searches.json"), _damage("optuna.db")),
}
"""What may strike which command."""
