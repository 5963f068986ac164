"""The networks that an analysis looks at: whose they are, and their features on test samples."""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from fdsweep.orchestrator.execution.cluster import local_device
from fdsweep.orchestrator.studies.analyze.samples import Samples
from fdsweep.orchestrator.studies.study import Study
from fdsweep.results.records import analyses
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.features.analysis.positions import Positions
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.loaders import evaluated_views

DISTILLED, ALONE = "fd-cmkd", "none"
"""Methods of the students that are looked at beside their teachers: after distillation, before."""


def looked_at(cells: Sequence[Cell]) -> dict[str, StudentConfig]:
    """Each teaching modality -> the configuration of a student that it alone taught."""
    taught = [cell for cell in of_one(cells) if cell.config.method == DISTILLED]
    return {cell.direction.teacher: cell.config for cell in taught}


def of_one(cells: Sequence[Cell]) -> list[Cell]:
    """Those of `cells` in whose direction one modality teaches."""
    return [cell for cell in cells if len(cell.direction.teachers) == 1]


def pairs(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Modalities that stand in a cell together, each pair once."""
    asked = {two for cell in cells for two in pairs_in(cell.direction)}
    found = itertools.combinations(looked_at(cells), 2)
    return [two for two in found if frozenset(two) in asked]


def pairs_in(direction: Direction) -> set[frozenset[str]]:
    """Every two modalities of `direction`, whichever way it points."""
    found = itertools.combinations((*direction.teachers, direction.student), 2)
    return {frozenset(two) for two in found}


def features_of(
    study: Study, network: Backbone, fold: Fold, modality: str, samples: Samples
) -> dict[str, Tensor]:
    """Stage -> features [M, D] that `network` gives for the M `samples` of `modality`."""
    device = local_device(study.options.request)
    placed = Runtime.here(device).place(network)
    inputs = fold.inputs[modality].to(device)
    views = evaluated_views(inputs, samples.inputs)
    with torch.inference_mode():
        found = [stages(placed(own), samples.positions) for own in views]
    features = {stage: torch.cat([part[stage] for part in found]) for stage in found[0]}
    if samples.kept is None:
        return features
    kept = samples.kept.to(device)
    return {stage: each.flatten(0, 1)[kept] for stage, each in features.items()}


def stages(outputs: Outputs, positions: Positions | None = None) -> dict[str, Tensor]:
    """Stage -> features [N, D], the last map averaged before and after its ReLU.

    At `positions`, [N, P, D], nothing is averaged. Without maps the features that there are stand
    for both.
    """
    if positions is None:
        if outputs.maps is None:
            return dict.fromkeys((analyses.BEFORE, analyses.AFTER), outputs.features)
        before = outputs.maps[-1].flatten(2).mean(dim=-1)
        return {analyses.BEFORE: before, analyses.AFTER: outputs.embedding()}
    if outputs.maps is None:
        features = positions.of_maps(outputs.features)
        return dict.fromkeys((analyses.BEFORE, analyses.AFTER), features)
    last = outputs.maps[-1]
    return {
        analyses.BEFORE: positions.of_maps(last),
        analyses.AFTER: positions.of_maps(F.relu(last)),
    }
