"""Does searching pay? TPE and random search on an objective whose optimum is known.

Both go through the Searcher that Ray Tune drives in `fdsweep search`, two trials at a time, with
the space `loss-weights` of fd-cmkd. The objective is a smooth peak in the logarithms of the three
weights, with the highest value 1; its place differs between repetitions.

    python benchmarks/search.py [repetitions] [trials]

Prints a table for people, then one JSON line.
"""

import json
import math
import random
import sys
import tempfile
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import optuna

from fdsweep.orchestrator.execution.cluster import ResourceRequest, plan_resources
from fdsweep.orchestrator.execution.devices.room import Room
from fdsweep.orchestrator.search.optuna_study import Problem, Proposal, Proposer
from fdsweep.orchestrator.search.searcher import Lane, StudySearcher
from fdsweep.orchestrator.writer import Writer
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import LR, dimensions, load_space
from fdsweep.search_spaces.trials import PointConfig
from fdsweep.trainers import distillers

LANES = 2


@dataclass(frozen=True)
class Peak:
    """An objective: 1 at `place` (log10 of each weight), falling with the distance from it."""

    place: dict[str, float]

    def __call__(self, point: dict[str, Any]) -> float:
        gaps = [math.log10(point[name]) - place for name, place in self.place.items()]
        return math.exp(-sum(gap**2 for gap in gaps) / 2)


class Silent:
    """An observer that shows nothing and keeps what was trained."""

    def __init__(self) -> None:
        self.trained: list[str] = []
        self.points: dict[str, dict[str, Any]] = {}

    def started(self, _: Proposer, proposal: Proposal) -> None:
        self.trained.append(proposal.key)
        self.points[proposal.key] = proposal.point

    def epoch(self, *told: object) -> None: ...

    def keep(self, *told: object) -> None: ...

    def ended(self, *told: object) -> None: ...


def best(sampler: str, peak: Peak, name: str, trials: int) -> tuple[float, int]:
    """The best value that `sampler` found, and how many of its points were trained twice."""
    defaults = {**distillers.resolve_options("fd-cmkd", {}), LR: 0.01}
    problem = Problem(
        dimensions=dimensions(load_space("loss-weights"), "fd-cmkd", defaults),
        constraints=(),
        defaults=defaults,
        objectives=("maximize",),
        rungs=(),
        key_of=lambda point: content_key(point=point),
        look_up=lambda _: None,
    )
    proposer = Proposer(optuna.storages.InMemoryStorage(), name, problem, trials, sampler)
    notes, room = Silent(), Room(plan_resources(ResourceRequest(), LANES, 0))
    with tempfile.TemporaryDirectory() as storage, Writer() as writer:

        def make_point(proposal: Proposal) -> PointConfig:
            return PointConfig(key=proposal.key, configs=(), seeds=(), rungs=(), storage=storage)

        lane = Lane(proposer, make_point, lambda report: tuple(report["values"]))
        searcher = StudySearcher([lane], room, notes, lambda *_: None, writer)
        running: dict[str, str] = {}
        for number in range(trials + LANES):
            suggested = searcher.suggest(str(number))
            if isinstance(suggested, dict):
                running[str(number)] = suggested["point"].key
            if len(running) == LANES or not isinstance(suggested, dict):
                first = next(iter(running), None)
                if first is None:
                    break
                value = peak(notes.points[running.pop(first)])
                result = {"epoch": 1, "epochs": 1, "values": [value], "seconds": 0.0}
                searcher.on_trial_result(first, {**result, "outcome": "{}"})
                searcher.on_trial_complete(first)
    return proposer.study.best_value, len(notes.trained) - len(set(notes.trained))


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    repetitions, trials = (*given, *(10, 40)[len(given) :])
    wins, repeated, values = 0, 0, []
    print(f"{trials} trials, {LANES} at a time; the best there is: 1\n")
    print("| repetition | random | tpe |\n| ---: | ---: | ---: |")
    for repetition in range(repetitions):
        draw = random.Random(repetition)
        names = {"weight_low": (-1, 4), "weight_high": (-1, 4), "weight_align": (-1, 2)}
        peak = Peak({name: draw.uniform(*bounds) for name, bounds in names.items()})
        found = {
            sampler: best(sampler, peak, f"{sampler} {repetition}", trials)
            for sampler in ("random", "tpe")
        }
        wins += found["tpe"][0] > found["random"][0]
        repeated += sum(twice for _, twice in found.values())
        values.append({sampler: value for sampler, (value, _) in found.items()})
        print(f"| {repetition} | {values[-1]['random']:.4f} | {values[-1]['tpe']:.4f} |")
    print(f"\ntpe is better in {wins} of {repetitions}; points trained twice: {repeated}")
    means = {sampler: fmean(one[sampler] for one in values) for sampler in ("random", "tpe")}
    print(json.dumps({"benchmark": "search", "mean of best": means, "wins": wins}))


if __name__ == "__main__":
    main()
