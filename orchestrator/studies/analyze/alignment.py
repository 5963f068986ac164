"""All networks of an analysis beside one another: teachers, and students alone and taught."""

from collections.abc import Callable

from fdsweep.orchestrator.studies.analyze.networks import ALONE, features_of, looked_at
from fdsweep.orchestrator.studies.analyze.samples import samples_of
from fdsweep.orchestrator.studies.study import Study
from fdsweep.results.records import analyses
from fdsweep.search_spaces.configs import NetworkConfig
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import teachers
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.features.analysis.kernels import MIN_SAMPLES, alignments

SAMPLES = 500
"""Samples that are compared at most."""


def all_networks(study: Study, fold_of: Callable[[int], Fold]) -> analyses.Matrix | None:
    """How alike all networks of the first seed are; None where fewer than two are there.

    Raises:
        DataError: the data cannot be read.
    """
    seed, root, info = study.plan.seeds[0], study.store.root, study.info
    fold = fold_of(seed)
    samples = samples_of(fold, seed).some(SAMPLES, seed)
    found = {}
    for name, (key, config) in _networks(study).items():
        if not teachers.missing(root, key, (seed,)):
            network = teachers.trained(config, key, info, seed, root)
            stages = features_of(study, network, fold, config.modality, samples)
            found[name] = stages[analyses.STAGES[config.features]]
    if len(found) < 2 or len(samples.labels) < MIN_SAMPLES:
        return None
    values = alignments(list(found.values())).tolist()
    return analyses.Matrix(
        seed=seed,
        samples=len(samples.labels),
        networks=tuple(found),
        values=tuple(tuple(None if x != x else x for x in line) for line in values),
    )


def _networks(study: Study) -> dict[str, tuple[str, NetworkConfig]]:
    """What each network is called -> the key of its weights, and what it was made from."""
    cells = study.plan.cells
    taught = {
        f"{modality} teacher": (config.teachers[0].teacher_key, config.teachers[0])
        for modality, config in looked_at(cells).items()
    }
    students = sorted(cells, key=lambda cell: cell.config.method != ALONE)
    learnt = {_name(cell): (cell.key, cell.config.network) for cell in students}
    return taught | learnt


def _name(cell: Cell) -> str:
    """Of the student of `cell`."""
    is_alone, student = cell.config.method == ALONE, cell.direction.student
    return (
        f"{student} alone" if is_alone else f"{student} of {' and '.join(cell.direction.teachers)}"
    )
