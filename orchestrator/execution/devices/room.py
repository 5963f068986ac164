"""How many trials run at the same time on a cluster that grows and shrinks."""

import threading
from collections.abc import Mapping, Sequence
from typing import Self

from fdsweep.orchestrator.execution.cluster import MANY, ResourcePlan, found_nodes
from fdsweep.orchestrator.execution.devices import packing
from fdsweep.search_spaces.storage import tell_once

LOOK_EVERY_S = 5.0
"""So often a running study asks how large the cluster is."""

PATIENCE_S = 5.0
"""So long an answer is waited for at the end."""


class Room:
    """How many trials of a kind may run at the same time, on a cluster that nodes leave and join.

    Within it as a context a thread looks after the cluster, for which a dead head would keep the
    main thread waiting, and the cluster is asked to grow if it lacks what is wanted.

    Args:
        resources: what a trial gets.
        kind: what such a trial is called for people.
        trials: how many there are.
    """

    def __init__(self, resources: ResourcePlan, kind: str, trials: int = MANY) -> None:
        self.resources, self.kind = resources, kind
        self.most, self.wanted = MANY, min(resources.wanted, trials)
        self.nodes = self.found = resources.nodes
        self.asked, self.over = False, threading.Event()

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

    def places(self) -> int:
        """What the cluster has room for now; one at least, which waits if there is none."""
        if self.nodes != self.found:
            self.nodes = self.found
            self._grow()
        return max(1, min(self.most, self.resources.fitting(self.nodes)))

    def halve(self, at_once: int) -> int:
        """From now on run at most half as many as ran `at_once`; how many that is."""
        self.most = min(self.most, max(1, at_once // 2))
        return self.most

    def _look(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            self.found = found_nodes()

    def _grow(self) -> None:
        """Say what the cluster lacks, and ask its autoscaler for that, if it has one."""
        lacks = packing.lack(self.resources.shape, self.nodes, self.wanted)
        if not lacks:
            self._leave()
            return
        begins = "; it begins with these" if self.resources.fitting(self.nodes) else ""
        tell_once(f"waiting for {lacks}{begins}. A cluster that can grow is asked to.")
        if not self.asked:
            self._ask(self.resources.shape.bundles(self.wanted))

    def _leave(self) -> None:
        """Ask for no nodes any more: those that are there stay for as long as they are used."""
        if self.asked:
            self._ask([])

    def _ask(self, bundles: Sequence[Mapping[str, float]]) -> None:
        from fdsweep.orchestrator.execution.ray_compat import ask_for_nodes

        ask_for_nodes(bundles)
        self.asked = bool(bundles)
