"""Imports ahead of their use, while this process has a core and nothing to do on it."""

import contextlib
import importlib
import threading


class Ahead:
    """Imports `modules` in a thread; one that cannot be imported is left to who uses it."""

    def __init__(self, *modules: str) -> None:
        self.modules = modules
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, unless that was done."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._import, name="ahead")
            self.thread.start()

    def wait(self) -> None:
        """Return when all that was begun is imported."""
        if self.thread is not None:
            self.thread.join()

    def _import(self) -> None:
        for module in self.modules:
            with contextlib.suppress(Exception):
                importlib.import_module(module)
