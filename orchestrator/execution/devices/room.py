"""How many trials run at the same time on a cluster that grows and shrinks."""

import threading
from collections.abc import Collection
from typing import Self

from fdsweep.orchestrator.execution.cluster import MANY, ResourcePlan, found_nodes
from fdsweep.orchestrator.execution.devices import packing
from fdsweep.search_spaces.storage import tell_once

LOOK_EVERY_S = 5.0
"""So often a running study asks how large the cluster is."""

PATIENCE_S = 5.0
"""So long an answer is waited for at the end."""


class Room:
    """How many trials may run at the same time, on a cluster that nodes leave and join.

    Within it as a context a thread looks after the cluster, for which a dead head would keep the
    main thread waiting, and the cluster is asked to grow if it lacks what is wanted.

    Args:
        resources: what a trial gets.
        trials: how many could begin now.
    """

    def __init__(self, resources: ResourcePlan, trials: int = MANY) -> None:
        self.resources, self.wanted = resources, min(resources.wanted, trials)
        self.most: dict[str, int] = {}
        self.nodes = self.found = resources.nodes
        self.grown = self.wanted
        self.asked, self.over = 0, threading.Event()

    def __enter__(self) -> Self:
        self.over.clear()
        self.looking = threading.Thread(target=self._look, name="room", daemon=True)
        self.looking.start()
        self._grow()
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.looking.join(PATIENCE_S)
        self._leave()

    def expect(self, trials: int) -> None:
        """Have the cluster grow for so many `trials`, if it can, and as far as the user wants."""
        self.wanted = max(self.wanted, min(self.resources.wanted, trials))

    def places(self, kinds: Collection[str] = ()) -> int:
        """What the cluster has room for now, if trials of these `kinds` are among what runs.

        One at least, which waits if there is none.
        """
        if self.nodes != self.found or self.wanted > self.grown:
            self.nodes = self.found
            self._grow()
        most = min((self.most.get(kind, MANY) for kind in kinds), default=MANY)
        return max(1, min(most, self.resources.fitting(self.nodes)))

    def halve(self, kind: str, at_once: int) -> int:
        """From now on run at most half as many as ran `at_once` beside one of a kind; how many."""
        self.most[kind] = min(self.most.get(kind, MANY), max(1, at_once // 2))
        return self.most[kind]

    def _look(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            self.found = found_nodes()

    def _grow(self) -> None:
        """Say what the cluster lacks, and ask its autoscaler for that, if it has one."""
        self.grown = self.wanted
        lacks = packing.lack(self.resources.shape, self.nodes, self.wanted)
        if not lacks:
            self._leave()
            return
        begins = "; it begins with these" if self.resources.fitting(self.nodes) else ""
        tell_once(f"waiting for {lacks}{begins}. A cluster that can grow is asked to.")
        if self.asked < self.wanted:
            self._ask(self.wanted)

    def _leave(self) -> None:
        """Ask for no nodes any more: those that are there stay for as long as they are used."""
        if self.asked:
            self._ask(0)

    def _ask(self, trials: int) -> None:
        from fdsweep.orchestrator.execution.ray_compat.head import ask_for_nodes

        ask_for_nodes(self.resources.shape.bundles(trials))
        self.asked = trials
