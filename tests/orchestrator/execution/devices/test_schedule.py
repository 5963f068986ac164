"""The schedule, simulated: nobody idles at the end."""

import random
from dataclasses import dataclass

import pytest

from fdsweep.orchestrator.execution.devices.schedule import (
    START,
    longest_first,
    makespan,
    seeds_per_trial,
)


@dataclass(frozen=True)
class Trial:
    name: int
    seeds: tuple[int, ...] = (0,)


def test_a_makespan_by_hand():
    assert makespan([4, 3, 3, 2], 2) == 6
    assert makespan([2, 3, 3, 4], 2) == 7
    assert makespan([], 3) == 0


def test_two_thousand_trials_on_64_gpus_are_within_a_tenth_of_the_ideal():
    """Their lengths differ thirtyfold, and are known to within a third of the truth."""
    draw = random.Random(0)
    expected = [draw.uniform(1, 30) for _ in range(2000)]
    trials = longest_first([Trial(i) for i in range(2000)], lambda one: expected[one.name])
    truth = [expected[one.name] * draw.uniform(0.67, 1.33) for one in trials]
    ideal = max(sum(truth) / 64, max(truth))
    assert makespan(truth, 64) < 1.1 * ideal


def test_one_long_trial_begins_first_though_it_is_planned_last():
    trials = [*(Trial(i) for i in range(8)), Trial(8, tuple(range(8)))]
    assert longest_first(trials, lambda one: 1.0)[0].name == 8
    assert [one.name for one in longest_first(trials[:8], lambda one: 1.0)] == [*range(8)]


@pytest.mark.parametrize(
    ("cells", "seeds", "places", "size"),
    [
        (16, 5, 1, 5),  # one device: no reason to start more trials than cells
        (16, 5, 2, 5),  # 16 cells on two devices come out even
        (2, 5, 64, 1),  # more devices than replicates
        (1, 5, 2, 3),
        (400, 5, 64, 4),  # 2,000 replicates: a fifth trial of five seeds would come too late
        (3, 1, 8, 1),
    ],
)
def test_seeds_share_a_trial_as_long_as_that_delays_nothing(cells, seeds, places, size):
    assert seeds_per_trial(cells, seeds, places) == size


@pytest.mark.parametrize("cells", [1, 2, 5, 7, 16, 100, 400])
def test_what_is_chosen_is_near_the_ideal(cells):
    for places in (1, 2, 3, 7, 8, 24, 64):
        size, seeds = seeds_per_trial(cells, 5, places), 5
        whole, rest = divmod(seeds, size)
        groups = [*[size] * whole, *[rest] * bool(rest)]
        durations = sorted((START + n for n in groups for _ in range(cells)), reverse=True)
        ideal = max(cells * seeds / places, 1.0)
        assert makespan(durations, places) <= ideal * 1.15 + 1 + START, places
