"""Teacher and student in one plane, before distillation and after: the students of one seed.

A student before distillation is one that learnt alone. Students are trained as any study trains
them, with their weights kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from fdsweep.orchestrator.studies.analyze.networks import ALONE, DISTILLED, features_of, of_one
from fdsweep.orchestrator.studies.analyze.samples import samples_of
from fdsweep.orchestrator.studies.study import Study
from fdsweep.results.records import analyses
from fdsweep.results.records.store import Store
from fdsweep.results.records.teachers import test_score
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.trials import Cell, Plan, TrialConfig
from fdsweep.trainers import teachers
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.features.analysis import embedding
from fdsweep.trainers.features.analysis.embedding import Array

SAMPLES = 500
"""Samples that a picture shows at most: a point for each of both networks."""


def missing_students(plan: Plan, store: Store) -> tuple[TrialConfig, ...]:
    """Trials for the students of the first seed whose weights `store` lacks.

    Their group is one of their own: a checkpoint of a study's trial may hold replicates that ended
    without weights kept.
    """
    seed = plan.seeds[0]
    return tuple(
        replace(trial, seeds=(seed,), group=f"kept-{seed}", keeps_student=True)
        for trial in plan.students
        if seed in trial.seeds and teachers.missing(store.root, trial.key, (seed,))
    )


def embeddings(
    study: Study, fold_of: Callable[[int], Fold]
) -> Iterator[tuple[Direction, analyses.Embedding | None]]:
    """Each direction with its picture's content; None where a network of the seed is missing.

    Raises:
        DataError: the data cannot be read.
    """
    seed, root = study.plan.seeds[0], study.store.root
    fold = fold_of(seed)
    directions: dict[Direction, dict[str, Cell]] = {}
    for cell in of_one(study.plan.cells):
        directions.setdefault(cell.direction, {})[cell.config.method] = cell
    for direction, cells in directions.items():
        keys = [*(cell.key for cell in cells.values()), *cells[DISTILLED].config.teacher_keys]
        is_whole = not any(teachers.missing(root, key, (seed,)) for key in keys)
        yield direction, _embedding(study, cells, fold, seed) if is_whole else None


def _embedding(study: Study, cells: dict[str, Cell], fold: Fold, seed: int) -> analyses.Embedding:
    config = cells[DISTILLED].config
    (taught_by,) = config.teachers
    samples = samples_of(fold, seed).some(SAMPLES, seed)
    labels = samples.labels.tolist()
    stage = analyses.STAGES[config.network.features]

    def features(network: Backbone, modality: str) -> Tensor:
        return features_of(study, network, fold, modality, samples)[stage]

    teacher = teachers.load(taught_by, config, study.info, seed, study.store.root)
    aim = features(teacher, taught_by.modality)

    def panel(method: str) -> analyses.Panel:
        key, network = cells[method].key, cells[method].config.network
        student = teachers.trained(network, key, study.info, seed, study.store.root)
        both = torch.cat([aim, features(student, network.modality)])
        score = test_score(study.store, key, seed)
        return _panel(embedding.comparable(both), labels, method, key, score)

    return analyses.Embedding(
        teacher=taught_by.modality,
        student=config.network.modality,
        seed=seed,
        perplexity=embedding.perplexity(2 * len(labels)),
        labels=tuple(labels),
        before=panel(ALONE),
        after=panel(DISTILLED),
    )


def _panel(
    features: Array, labels: list[int], method: str, key: str, score: float
) -> analyses.Panel:
    """Of `features` [2 N, D]: the teacher's of N samples, then the student's."""
    count = len(labels)
    whose, classes = [0] * count + [1] * count, labels * 2
    points = embedding.plane(features).tolist()
    return analyses.Panel(
        method=method,
        key=key,
        test_score=score,
        teacher=tuple((x, y) for x, y in points[:count]),
        student=tuple((x, y) for x, y in points[count:]),
        by_modality=embedding.silhouette(features, whose),
        by_modality_within_class=embedding.silhouette_within(features, whose, classes),
        by_class=embedding.silhouette(features, classes),
        by_class_student=embedding.silhouette(features[count:], labels),
    )
