"""One replicate from its configuration and seed to what the driver stores."""

from dataclasses import asdict
from typing import Any

import torch

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import distillers, distributed, rng, teachers
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.loop import OnEpoch, Roles, train_replicate
from fdsweep.trainers.precision import place


def run_replicate(
    trial: TrialConfig,
    info: DatasetInfo,
    fold: Fold,
    seed: int,
    *,
    on_epoch: OnEpoch | None = None,
    resume: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train replicate `seed` of `trial` on the device of `fold`; keep it if it is a teacher.

    Returns:
        The history's fields, with `device`, and the test split's `sample_ids`,
        `groups` and `labels` in the order of `predictions`: plain values only.

    Raises:
        ReplicateError: the training cannot go on.
    """
    roles = make_roles(trial, info, fold, seed)
    history, weights = train_replicate(
        trial.config, seed, fold, roles, on_epoch=on_epoch, resume=resume
    )
    outcome = asdict(history)
    if trial.kind == "teacher" and distributed.rank() == 0:
        facts = {
            name: outcome[name]
            for name in ("epochs", "best_epoch", "val_accuracy", "test_accuracy")
        }
        teachers.save(trial.storage, trial.key, seed, weights, facts)
    test = fold.test.tolist()
    return outcome | {
        "device": _device_name(fold.labels.device),
        "sample_ids": [fold.sample_ids[i] for i in test],
        "groups": [fold.groups[i] for i in test],
        "labels": fold.labels[fold.test].tolist(),
    }


def make_roles(trial: TrialConfig, info: DatasetInfo, fold: Fold, seed: int) -> Roles:
    """Fresh networks and distiller for replicate `seed`, on the device of `fold`."""
    config, device = trial.config, fold.labels.device
    student = teachers.build(config.network, info, seed, f"{trial.kind}-init", trial.storage)
    if not config.teachers:
        distiller = _distiller(config, info, seed, student, student)
        return Roles(distributed.wrap(place(student, device)), distiller.to(device))
    (taught_by,) = config.teachers  # every method of ours learns from one
    teacher = teachers.load(taught_by, config, info, seed, trial.storage)
    distiller = _distiller(config, info, seed, student, teacher)
    distiller.attach(teacher)
    distiller, teacher = distiller.to(device), place(teacher, device)
    modality = taught_by.modality
    inputs = fold.inputs[modality]
    moving = distributed.wrap(teacher.requires_grad_(True)) if distiller.moves_teacher else None
    if moving is not None or distiller.teacher_maps or inputs.augmented:
        maps = distiller.teacher_maps
        teach = teachers.live(moving or teacher, inputs, seed, modality, maps=maps)
    else:
        teach = teachers.cached(teacher, inputs, fold.train)
    return Roles(distributed.wrap(place(student, device)), distiller, teach, moving)


def _distiller(
    config: StudentConfig, info: DatasetInfo, seed: int, student: Backbone, teacher: Backbone
) -> distillers.Distiller:
    with rng.seeded(seed, "method-init"):
        return distillers.build(
            config.method,
            num_classes=len(info.classes),
            student_dim=student.dim,
            teacher_dim=teacher.dim,
            student_map_dims=student.map_dims,
            teacher_map_dims=teacher.map_dims,
            **config.options,
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
