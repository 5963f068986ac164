"""The sentences below the effects: what each number is, how sure it is, what is missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fdsweep.results.compute.notes import spell_seeds
from fdsweep.results.compute.statistics import seeds_needed, smallest_p
from fdsweep.results.compute.words import of_metric, of_switch

READING = (
    "Main effect: what the component adds, averaged with equal weight over the combinations of the "
    "others that were measured both with it and without it.",
    "Shapley value: what the component adds when all are turned on one after the other, averaged "
    "over all orders. The values add up to all on minus all off; share is that of their sum, told "
    "only where the interval of the sum leaves out 0.",
    "Interaction: how much more one component adds where the other is on than where it is off. "
    "Above 0 they help each other, below 0 each makes the other less needed.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossing:
    """What the sentences are about.

    `measured` is the number of combinations of the `switches` that are rows, `apart` are the pairs
    that have no interaction, `seeds` those for which all combinations are done, by direction.
    `families` counts, by what they are called, the effects that are tested together; it is empty
    where epochs are chosen on test.
    """

    switches: tuple[str, ...]
    metric: str
    measured: int
    apart: tuple[tuple[str, ...], ...]
    seeds: Mapping[tuple[str, str], tuple[int, ...]]
    families: Mapping[str, int]


def write(crossing: Crossing) -> tuple[str, ...]:
    """The notes of the effects."""
    return (*_seeds(crossing), *READING, *_unmeasured(crossing), *_certainty(crossing))


def _seeds(crossing: Crossing) -> Iterator[str]:
    yield (
        f"Points of {of_metric(crossing.metric).on_test.lower()}, computed for each seed for which "
        f"all {crossing.measured} combinations are done, then averaged, with the 95 % t interval "
        f"over these seeds: {', '.join(_spell_directions(crossing))}."
    )


def _spell_directions(crossing: Crossing) -> Iterator[str]:
    """Once where all directions have the same seeds."""
    if len(set(crossing.seeds.values())) == 1:
        yield spell_seeds(next(iter(crossing.seeds.values()))) or "none yet"
        return
    for direction, seeds in crossing.seeds.items():
        yield f"{' -> '.join(direction)} {spell_seeds(seeds) or 'none yet'}"


def _unmeasured(crossing: Crossing) -> Iterator[str]:
    every = 2 ** len(crossing.switches)
    if crossing.measured < every:
        yield (
            "A component that lacks another which it needs does nothing, so "
            f"{every - crossing.measured} of the {every} combinations were not measured; for "
            "Shapley values each of these is worth what its largest measured part is worth."
        )
    if crossing.apart:
        pairs = ", ".join(" × ".join(map(of_switch, pair)) for pair in crossing.apart)
        yield f"No interaction, since one of the two is nothing without the other: {pairs}."


def _certainty(crossing: Crossing) -> Iterator[str]:
    n = min((len(seeds) for seeds in crossing.seeds.values() if seeds), default=0)
    if not n:
        return
    if not crossing.families:
        yield (
            "Epoch and head are chosen on test: optimistic, so nothing here is tested, and nothing "
            "enters a verdict."
        )
        return
    counted = ", ".join(
        f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in crossing.families.items()
    )
    yield (
        "p Holm: two-sided sign-flip test, Holm-adjusted within each family of a direction: "
        f"{counted}."
    )
    needed = seeds_needed(max(crossing.families.values()))
    if n < needed:
        yield (
            f"Exploratory: with n = {n} seeds p cannot go below {smallest_p(n):.2g}; Holm over the "
            f"largest family needs at least {needed} seeds."
        )
