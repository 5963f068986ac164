"""One replicate from its configuration and seed to what the driver stores."""

from dataclasses import asdict
from typing import Any

import torch

from search_spaces.configs import StudentConfig, TrialConfig
from trainers import distillers, parallel, streams, teachers
from trainers.data import DatasetInfo, Fold
from trainers.loop import OnEpoch, Roles, train_replicate
from trainers.precision import place


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
    if trial.kind == "teacher" and parallel.rank() == 0:
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
    student = teachers.build(config.network, info, seed, f"{trial.kind}-init")
    teacher = teachers.load(trial.storage, config, info, seed) if config.teacher else None
    distiller = _distiller(config, info, seed, student.dim, (teacher or student).dim)
    return Roles(
        student=parallel.wrap(place(student, device)),
        distiller=distiller.to(device),
        teach=teachers.cached(teacher, config, fold, seed) if teacher else None,
    )


def _distiller(
    config: StudentConfig, info: DatasetInfo, seed: int, student_dim: int, teacher_dim: int
) -> distillers.Distiller:
    with streams.seeded(seed, "method-init"):
        return distillers.build(
            config.method,
            num_classes=len(info.classes),
            student_dim=student_dim,
            teacher_dim=teacher_dim,
            **config.options,
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
