"""How alike the features of two modalities' teachers are, over all seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fdsweep.orchestrator.studies.analyze.networks import features_of, looked_at, pairs
from fdsweep.orchestrator.studies.analyze.samples import Samples, samples_of
from fdsweep.orchestrator.studies.study import Study
from fdsweep.results.records import analyses
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.trainers import teachers
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.features.analysis import similarity
from fdsweep.trainers.features.analysis.similarity import QUANTITIES, Estimates, Sums
from fdsweep.trainers.frequency import last_low_bin

STAGES = (analyses.BEFORE, analyses.AFTER)


def comparisons(
    study: Study, fold_of: Callable[[int], Fold], seeds: Sequence[int], cutoff: float
) -> tuple[analyses.Comparison, ...]:
    """Every two modalities of `study` at both stages, from the stored teachers of `seeds`.

    Raises:
        ConfigError: networks of different widths.
        DataError: a teacher is gone.
    """
    configs = looked_at(study.plan.cells)
    kinds = [(*two, stage) for two in pairs(study.plan.cells) for stage in STAGES]
    sums: dict[tuple[str, str, str], list[Sums]] = {kind: [] for kind in kinds}
    for seed, other in zip(seeds, [*seeds[1:], seeds[0]], strict=True):
        fold = fold_of(seed)
        samples = samples_of(fold, seed)
        own = {
            name: _features(study, config, fold, samples, seed) for name, config in configs.items()
        }
        others = {
            name: _features(study, configs[name], fold, samples, other)
            for name in {second for _, second, _ in kinds}
            if other != seed
        }
        for first, second, stage in kinds:
            stranger = others[second][stage] if others else None
            both = own[first][stage], own[second][stage]
            part = similarity.measure(*both, stranger, samples.groups, seed, cutoff, samples.places)
            sums[first, second, stage].append(part)
    return tuple(
        _comparison(study, kind, similarity.pool(parts), cutoff) for kind, parts in sums.items()
    )


def fresh(study: Study, config: StudentConfig) -> Backbone:
    """The teacher of `config` before training, for the first seed."""
    untrained = replace(config, teacher_state="random")
    seed, root = study.plan.seeds[0], study.store.root
    return teachers.load(config.teachers[0], untrained, study.info, seed, root)


def same_start(study: Study, first: str, second: str) -> float:
    """Share of the weights of `second` that are those of `first` before training, for one seed."""
    configs = looked_at(study.plan.cells)
    ours = dict(fresh(study, configs[first]).named_parameters())
    theirs = fresh(study, configs[second]).named_parameters()
    drawn = {name: weight for name, weight in theirs if weight.ndim > 1}
    same = sum(
        weight.numel()
        for name, weight in drawn.items()
        if name in ours and torch.equal(ours[name], weight)
    )
    return same / sum(weight.numel() for weight in drawn.values())


def _features(
    study: Study, config: StudentConfig, fold: Fold, samples: Samples, seed: int
) -> dict[str, Tensor]:
    """Stage -> features [M, D] that the teacher of `config` and `seed` gives for `samples`."""
    (teacher,) = config.teachers
    network = teachers.load(teacher, config, study.info, seed, study.store.root)
    return features_of(study, network, fold, teacher.modality, samples)


def _comparison(
    study: Study, kind: tuple[str, str, str], sums: Sums, cutoff: float
) -> analyses.Comparison:
    first, second, stage = kind
    summary = similarity.summarise(sums)
    paired, shuffled, permuted, excess = (
        _estimates(one)
        for one in (summary.paired, summary.shuffled, summary.permuted, summary.excess)
    )
    other_start = None if summary.other_start is None else _estimates(summary.other_start)
    energy = tuple(summary.energy.tolist())
    count = len(QUANTITIES)
    return analyses.Comparison(
        first=first,
        second=second,
        stage=stage,
        dim=sums.dim,
        last_low_bin=last_low_bin(sums.dim, cutoff),
        samples=summary.samples,
        groups=summary.groups,
        same_start=same_start(study, first, second),
        quantities=tuple(
            analyses.Quantity(
                name=name,
                energy=energy[i],
                paired=paired[i],
                shuffled=shuffled[i],
                permuted=permuted[i],
                other_start=None if other_start is None else other_start[i],
                excess=excess[i],
            )
            for i, name in enumerate(QUANTITIES)
        ),
        spectrum=analyses.Spectrum(
            energy=energy[count:],
            paired=paired[count:],
            shuffled=shuffled[count:],
            permuted=permuted[count:],
            other_start=None if other_start is None else other_start[count:],
        ),
    )


def _estimates(found: Estimates) -> tuple[analyses.Estimate, ...]:
    """One for each column of `found`."""
    columns = zip(*(ends.tolist() for ends in found), strict=True)
    return tuple(
        analyses.Estimate(mean=mean, low=_known(low), high=_known(high))
        for mean, low, high in columns
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
