"""The effects of a crossed study over its seeds: computed for each, then averaged."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from fdsweep.results.compute.cells import Cell
from fdsweep.results.compute.effects import contrasts
from fdsweep.results.compute.effects.contrasts import Combination, Contrast, Vector
from fdsweep.results.compute.effects.notes import Crossing, write
from fdsweep.results.compute.statistics import holm, mean_interval, sign_flip_ps
from fdsweep.results.compute.tables import TO_PERCENT, title
from fdsweep.results.compute.verdicts import ALPHA
from fdsweep.results.compute.words import of_switch
from fdsweep.results.records.manifest import Manifest

Kind: TypeAlias = Literal["main effect", "Shapley value", "whole gain", "interaction"]
Scores: TypeAlias = Mapping[Combination, Vector]


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What one of the `switches`, two together or all of them add to the test score, in points.

    `estimate` is the mean of `values`, one for each of the `seeds`, and `ci` its 95 % t interval
    (None for one seed). `p_value` is of the sign-flip test, `p_adjusted` Holm's over the effects of
    this kind in this direction; None for the whole gain, which the table tests, and where epochs
    are chosen on test. `share` is that of a Shapley value in the whole gain, 1 for all of it; None
    where the interval of that gain does not leave out 0.
    """

    kind: Kind
    switches: tuple[str, ...]
    teacher_modality: str
    student_modality: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    estimate: float
    ci: tuple[float, float] | None
    p_value: float | None = None
    p_adjusted: float | None = None
    share: float | None = None

    @property
    def direction(self) -> tuple[str, str]:
        """(teacher modality, student modality)."""
        return self.teacher_modality, self.student_modality

    @property
    def name(self) -> str:
        """What it is an effect of, for people."""
        if self.kind == "whole gain":
            return "all on − all off"
        return " × ".join(map(of_switch, self.switches))

    @property
    def is_decided(self) -> bool:
        """Whether the interval leaves out 0 and Holm's p is below 0.05."""
        return _leaves_out_0(self.ci) and self.p_adjusted is not None and self.p_adjusted < ALPHA


@dataclass(frozen=True, kw_only=True, slots=True)
class Effects:
    """The effects of a sweep's switches, direction by direction, and how to read them.

    In a direction come the main effects, the Shapley values, the whole gain and the interactions.
    `metric` is what the scores are; `notes` are whole sentences.
    """

    title: str
    metric: str
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]


def effects_of(manifest: Manifest, cells: Iterable[Cell]) -> Effects | None:
    """The effects of the switches that `manifest` says are crossed; None if there are none.

    `cells` are those of the sweep. Only seeds count for which every combination is done.
    """
    groups = _crossing(manifest.factors, cells)
    if not groups:
        return None
    is_tested = manifest.protocol == "ours"
    effects: list[Effect] = []
    for direction, combinations in groups.items():
        seeds = _shared_seeds(combinations.values())
        if seeds:
            scores = {on: _scores(cell, seeds) for on, cell in combinations.items()}
            effects += _in_direction(manifest.factors, scores, direction, seeds, is_tested)
    return Effects(
        title=f"Effects of the components: {title(manifest)}",
        metric=manifest.metric,
        effects=tuple(effects),
        notes=write(_facts(manifest, groups, effects)),
    )


def _crossing(
    switches: Sequence[str], cells: Iterable[Cell]
) -> dict[tuple[str, str], dict[Combination, Cell]]:
    """By direction, the cells of the first method that has all `switches` on and all off."""
    compared = (cell for cell in cells if not cell.row.control)
    having = [cell for cell in compared if switches and {*switches} <= cell.row.options.keys()]
    for method in dict.fromkeys(cell.row.method for cell in having):
        groups: dict[tuple[str, str], dict[Combination, Cell]] = {}
        for cell in having:
            if cell.row.method == method:
                on = frozenset(name for name in switches if cell.row.options[name])
                groups.setdefault(cell.row.direction, {})[on] = cell
        ends = {frozenset(), frozenset(switches)}
        if all(ends <= group.keys() for group in groups.values()):
            return groups
    return {}


def _shared_seeds(cells: Iterable[Cell]) -> tuple[int, ...]:
    done = (set(map(int, cell.done["test_score"].dropna().index)) for cell in cells)
    return tuple(sorted(set.intersection(*done)))


def _scores(cell: Cell, seeds: Sequence[int]) -> Vector:
    chosen = cell.done["test_score"].loc[list(seeds)]
    return TO_PERCENT * chosen.to_numpy(np.float64)


def _in_direction(
    switches: Sequence[str],
    scores: Scores,
    direction: tuple[str, str],
    seeds: tuple[int, ...],
    is_tested: bool,
) -> Iterator[Effect]:
    measured = scores.keys()
    pairs = itertools.combinations(switches, 2)
    families: dict[Kind, dict[tuple[str, ...], Contrast]] = {
        "main effect": {(one,): contrasts.main_effect(measured, one) for one in switches},
        "Shapley value": {
            (one,): contrasts.shapley_value(measured, switches, one) for one in switches
        },
        "whole gain": {tuple(switches): contrasts.whole_gain(measured)},
        "interaction": {pair: contrasts.interaction(measured, *pair) for pair in pairs},
    }
    gain = contrasts.apply(contrasts.whole_gain(measured), scores)
    has_shares = _leaves_out_0(mean_interval(gain))
    for kind, family in families.items():
        values = {names: contrasts.apply(one, scores) for names, one in family.items() if one}
        effects = [
            Effect(
                kind=kind,
                switches=names,
                teacher_modality=direction[0],
                student_modality=direction[1],
                seeds=seeds,
                values=tuple(own.tolist()),
                estimate=float(own.mean()),
                ci=mean_interval(own),
                share=float(own.mean() / gain.mean())
                if has_shares and kind == "Shapley value"
                else None,
            )
            for names, own in values.items()
        ]
        yield from _tested(effects) if is_tested and kind != "whole gain" else effects


def _tested(family: Sequence[Effect]) -> Iterator[Effect]:
    """The effects of one family with their p."""
    if not family:
        return
    p_values = sign_flip_ps([one.values for one in family], np.random.default_rng(0)).tolist()
    for one, p, adjusted in zip(family, p_values, holm(p_values), strict=True):
        yield replace(one, p_value=p, p_adjusted=adjusted)


def _leaves_out_0(interval: tuple[float, float] | None) -> bool:
    return interval is not None and not interval[0] <= 0 <= interval[1]


def _facts(
    manifest: Manifest,
    groups: Mapping[tuple[str, str], Mapping[Combination, Cell]],
    effects: Sequence[Effect],
) -> Crossing:
    measured = next(iter(groups.values())).keys()
    there = {one.direction: one.seeds for one in effects}
    tested = [one for one in effects if one.p_value is not None]
    return Crossing(
        switches=manifest.factors,
        metric=manifest.metric,
        measured=len(measured),
        apart=tuple(
            pair
            for pair in itertools.combinations(manifest.factors, 2)
            if not contrasts.interaction(measured, *pair)
        ),
        seeds={direction: there.get(direction, ()) for direction in groups},
        families=Counter(one.kind for one in tested if one.direction == tested[0].direction),
    )
