"""One replicate from its configuration and seed to what the driver stores."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from fdsweep.search_spaces.configs import NetworkConfig, Protocol, StudentConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.trials import TrialConfig
from fdsweep.trainers import distillers, rng, tasks, teachers
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import DatasetInfo, Fold
from fdsweep.trainers.distillers import Distiller
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loop import OnEpoch, Roles, labels_of, train_replicate
from fdsweep.trainers.protocol import passes
from fdsweep.trainers.protocol.partner import Partner, as_it_is, beside
from fdsweep.trainers.students.keeping import describe, keep
from fdsweep.trainers.teachers import Teacher

TEACHER_FACTS = ("epochs", "best_epoch", "metric", "val_score", "test_score")


def run_replicate(
    trial: TrialConfig,
    info: DatasetInfo,
    fold: Fold,
    seed: int,
    *,
    on_epoch: OnEpoch | None = None,
    resume: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Train replicate `seed` of `trial` on the device of `fold`; keep its weights where asked to.

    Returns:
        The history's fields, with `device` and `environment`: plain values only.

    Raises:
        ReplicateError: the training cannot go on.
        DataError: a teacher that was given is to be trained: its files were lost.
    """
    if trial.kind == "teacher" and trial.config.network.weights:
        modality = trial.config.network.modality
        raise DataError("the teacher that was given is gone", modality, "Type the command again")
    runtime = Runtime.here(fold.labels.device)
    fold = as_protocol_says(fold, trial.config.network.protocol)
    stream = "student-init"
    if trial.kind == "teacher":
        stream = teachers.init_stream(trial.config.network.modality)
    roles = make_roles(
        trial.config,
        info,
        fold,
        seed,
        storage=trial.storage,
        runtime=runtime,
        init_stream=stream,
    )
    history, chosen, environment = train_replicate(
        trial.config, seed, fold, roles, on_epoch=on_epoch, resume=resume
    )
    if history.kept and roles.task.examples:
        modality = trial.config.network.modality
        history.kept["picture"] = illustrated(roles, fold, modality, chosen.student, history.kept)
    outcome = asdict(history)
    if trial.keeps_weights and runtime.rank == 0:
        facts = {name: outcome[name] for name in TEACHER_FACTS}
        teachers.save(trial.storage, trial.key, seed, chosen.student, facts)
    if trial.keep != "none" and runtime.rank == 0:
        record = describe(trial, seed, info, history, roles.sizes)
        keep(trial.storage, record, chosen, fold.scaling.get(trial.config.network.modality))
    return outcome | {"device": runtime.device_name, "environment": environment}


def make_roles(
    config: StudentConfig,
    info: DatasetInfo,
    fold: Fold,
    seed: int,
    *,
    storage: str,
    runtime: Runtime,
    init_stream: str = "student-init",
) -> Roles:
    """Fresh networks and method for replicate `seed` of `config`, on the runtime's device.

    Args:
        config: what is trained.
        info: the data set.
        fold: its samples, on the same device.
        seed: of all that is drawn.
        storage: where trained teachers and pretrained weights lie.
        runtime: where the networks go.
        init_stream: name of the stream that the student's weights are drawn from.

    Raises:
        ConfigError: the method, an option or the task is not usable.
        DataError: a teacher or pretrained weights are not in the storage.
    """
    task = tasks.find(config.network.task)
    student = teachers.build(config.network, info, seed, init_stream, storage)
    if config.perturbation:
        perturb(student, config.perturbation, rng.generator(seed, "perturbation"))
    networks = [teachers.load(one, config, info, seed, storage) for one in config.teachers]
    sizes = _sizes(config, networks) if networks else _size(student)
    distiller = _distiller(config, task.num_outputs(info), seed, student, sizes)
    distiller.attach_each(networks)
    distiller = distiller.to(runtime.device)
    taught_by = tuple(
        _teacher(network, one, distiller, fold, seed, runtime)
        for one, network in zip(config.teachers, networks, strict=True)
        if distiller.needs_teacher
    )
    weighs = config.network.class_weights == "balanced"
    loss = task.balanced_loss(fold) if weighs else None
    partner = None
    if task.aligns:
        partner = _partner(config, networks, info, fold, seed, storage=storage, runtime=runtime)
    return Roles(task, runtime.place(student), distiller, taught_by, sizes, loss, partner)


def as_protocol_says(fold: Fold, protocol: Protocol) -> Fold:
    """`fold` as it is used: "published" holds out no validation split, but trains on it too.

    What is standardised keeps the statistics of the fold's own training split.
    """
    if protocol == "ours":
        return fold
    train = torch.cat([fold.train, fold.val]).sort().values
    return replace(fold, train=train, val=fold.val[:0])


@torch.inference_mode()
def illustrated(
    roles: Roles, fold: Fold, modality: str, weights: dict[str, Tensor], kept: dict[str, list[Any]]
) -> list[str | None]:
    """Pictures of the first test samples by the student with `weights`: a column beside `kept`.

    A picture stands in the first row of its sample, and is of what the student's own logits say.
    """
    samples = fold.test[: roles.task.examples].cpu()
    network = roles.student.network
    network.load_state_dict(weights)
    network.eval()
    (views,), (labels,) = fold.inputs[modality].batches([samples]), labels_of(fold, [samples])
    pictures = roles.task.illustrate(views, labels, roles.student(views).logits)
    left = {fold.sample_ids[i]: x for i, x in zip(samples.tolist(), pictures, strict=True)}
    return [left.pop(sample_id, None) for sample_id in kept["sample_id"]]


@torch.no_grad()
def perturb(network: nn.Module, relative: float, generator: torch.Generator) -> None:
    """Add to every parameter w of `network` w * `relative` * z, z drawn from a standard normal."""
    for weight in network.parameters():
        noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype)
        weight.add_(weight * noise, alpha=relative)


def _teacher(
    network: Backbone,
    config: NetworkConfig,
    distiller: Distiller,
    fold: Fold,
    seed: int,
    runtime: Runtime,
) -> Teacher:
    modality = config.modality
    placed = runtime.place(network.requires_grad_(distiller.moves_teacher))
    inputs, maps, stream = fold.inputs[modality], distiller.teacher_maps, fold.stream(modality)
    if not (distiller.moves_teacher or maps or inputs.augmented):
        return Teacher(modality, teachers.cached(placed, inputs, fold.train))
    teach = teachers.live(placed, inputs, seed, stream, maps=maps)
    if distiller.moves_teacher:
        return Teacher(modality, teach, placed)
    if not maps and fold.label_maps is None:
        teach = passes.kept(teach, placed, config, network.dim, seed, stream)
    return Teacher(modality, teach)


def _partner(
    config: StudentConfig,
    networks: Sequence[Backbone],
    info: DatasetInfo,
    fold: Fold,
    seed: int,
    *,
    storage: str,
    runtime: Runtime,
) -> Partner:
    """The teacher, one of `networks`, as it is; or what a teacher learns beside, freshly made."""
    if networks:
        return as_it_is(runtime.place(networks[0]), fold, config.teachers[0].modality)
    beside_it = config.network.partner
    assert beside_it is not None, "a teacher that aligns has a partner"
    stream = f"partner-init/{beside_it.modality}"
    network = teachers.build(beside_it, info, seed, stream, storage)
    return beside(runtime.place(network), fold, beside_it.modality, seed)


def _sizes(config: StudentConfig, networks: Sequence[Backbone]) -> dict[str, Any]:
    """What `distillers.build` is told of the teachers of `config`, which are `networks`."""
    first = _size(networks[0]) | {"teacher_dims": tuple(network.dim for network in networks)}
    count = len(networks)
    if count == 1 or count <= distillers.specimen(config.method, config.options).max_teachers:
        return first
    shares = config.weight_of_each
    one_each = {
        one.modality: _size(network) | {"share": share}
        for one, network, share in zip(config.teachers, networks, shares, strict=True)
    }
    return first | {"one_each": one_each}


def _size(network: Backbone) -> dict[str, Any]:
    """What `distillers.build` is told of one teacher, which is `network`."""
    return {
        "teacher_dim": network.dim,
        "teacher_dims": (network.dim,),
        "teacher_map_dims": network.map_dims,
    }


def _distiller(
    config: StudentConfig,
    num_outputs: int,
    seed: int,
    student: Backbone,
    sizes: Mapping[str, Any],
) -> Distiller:
    told: dict[str, Any] = {**sizes, **config.options}
    with rng.seeded(seed, "method-init"):
        return distillers.build(
            config.method,
            num_classes=num_outputs,
            student_dim=student.dim,
            student_map_dims=student.map_dims,
            **told,
        )
