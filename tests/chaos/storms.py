"""A command under faults: typed again until it ends well."""

import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from chaos.drivers import Driver
from chaos.processes import left_after
from chaos.strikes import Scene, Strike

GAP_S = (0.5, 3.5)
"""Between two faults, s; one that finds nothing to hit counts."""

POLL_S = 0.2
"""Between two looks at the drivers."""

PATIENCE_S = 300.0
"""A driver that nothing hits ends within this time."""

CALM_RUNS = 4
"""After the last fault the command is typed at most so many times until it ends with 0."""

LINGER_S = 15.0
"""Processes of a driver that has ended end within this time."""


class Storm:
    """Faults, drawn from `seed`, over the command `words` on the storage `folder`/runs.

    Attributes:
        story: what happened, a line for each fault and each end of a driver.
        wrong: what must not happen: tracebacks, exit codes nobody knows, processes left alive.
        strikes: how many faults there were.
    """

    def __init__(self, words: Sequence[str], folder: Path, seed: int) -> None:
        self.words, self.folder, self.random = words, folder, Random(seed)
        self.scene = Scene(folder / "runs", self.random, self._start)
        self.began = time.monotonic()
        self.drivers: list[Driver] = []
        self.story: list[str] = []
        self.wrong: list[str] = []
        self.strikes = 0

    def rage(self, faults: Sequence[Strike], seconds: float) -> None:
        """Let faults strike a driver at work for so many seconds, then let the command end well."""
        try:
            first = self._start()
            while not (first.is_at_work or first.ends(POLL_S)):
                pass
            self._strike(faults, time.monotonic() + seconds)
            self._calm_down()
        finally:
            for driver in self.drivers:
                driver.family()
                driver.process.kill()
                driver.process.wait()
            seen = {process for driver in self.drivers for process in driver.seen}
            self.wrong += [f"left alive: {one}" for one in left_after(seen, LINGER_S)]

    def _start(self) -> Driver:
        words = [*self.words, "--storage", str(self.scene.storage)]
        driver = Driver(words, self.folder / f"{len(self.drivers):02}.log")
        self.drivers.append(driver)
        self.scene.drivers.append(driver)
        return driver

    def _strike(self, faults: Sequence[Strike], until: float) -> None:
        while time.monotonic() < until:
            if not self.scene.drivers:
                self._start()
            next_one = time.monotonic() + self.random.uniform(*GAP_S)
            while time.monotonic() < min(next_one, until):
                self._ended([one for one in self.scene.drivers if one.ends(POLL_S)])
                if not self.scene.drivers:
                    break
            else:
                self._draw(faults)

    def _draw(self, faults: Sequence[Strike]) -> None:
        strike = self.random.choice(faults)
        if hit := strike(self.scene):
            self.strikes += 1
            self._tell(hit)

    def _calm_down(self) -> None:
        self._wait_for([*self.scene.drivers])
        for _ in range(CALM_RUNS):
            last = self._start()
            self._wait_for([last])
            if last.process.returncode == 0:
                return
        raise AssertionError(f"no end with 0\n{self}")

    def _wait_for(self, drivers: Sequence[Driver]) -> None:
        for driver in drivers:
            assert driver.ends(PATIENCE_S), f"driver {driver.pid} does not end\n{self}"
            self._ended([driver])

    def _ended(self, drivers: Sequence[Driver]) -> None:
        for driver in drivers:
            self.scene.drivers.remove(driver)
            self.wrong += driver.faults()
            self._tell(f"driver {driver.pid} ended with {driver.process.returncode}")

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self.began:6.1f} s  {what}")

    def __str__(self) -> str:
        told = f"{self.strikes} faults, {time.monotonic() - self.began:.0f} s"
        return "\n".join([told, *self.story, *self.wrong])
