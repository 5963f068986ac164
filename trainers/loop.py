"""Train one replicate: teachers, student, method and data to per-epoch records. Plain torch.

The curve `lr` is the learning rate of each epoch's last step.

Shape letters: N samples, B the global batch, D features, C outputs, H prediction heads.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.trainers import rng
from fdsweep.trainers.datasets import SCENE, Fold
from fdsweep.trainers.distillers import OWN_HEAD, Distiller
from fdsweep.trainers.distillers.base import TaskLoss
from fdsweep.trainers.distributed import Placed, on_device
from fdsweep.trainers.distributed.recording import Recorder, recordable
from fdsweep.trainers.environment import continued, environment
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.loaders import evaluation_batches, training_views
from fdsweep.trainers.optimisation import learning_rate, make_optimizer
from fdsweep.trainers.protocol.balance import balanced
from fdsweep.trainers.protocol.history import Evaluation, History
from fdsweep.trainers.protocol.lookahead import ahead
from fdsweep.trainers.protocol.pairing import teacher_batches
from fdsweep.trainers.protocol.partner import Partner
from fdsweep.trainers.tasks import Task
from fdsweep.trainers.teachers import Teacher

LOOP_VERSION = 2
"""Raised when the numbers that this module gives change; part of every content key."""

MIN_RECORDED = 8
"""Steps: to record one takes longer than to ask for it."""

Snapshot = Callable[[], dict[str, Any]]
OnEpoch = Callable[[History, Snapshot], None]
Rate = Callable[[int, int], float]
"""The learning rate of a step, from its number and that of the epoch's steps."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Who takes part: the student and its task, the method, and its teachers, often one.

    `sizes` are what the method was built for beside the student, as `distillers.build` names it.
    `balanced` is the task's loss where classes are weighted, and None where they are not. `partner`
    is there where the task aligns.
    """

    task: Task
    student: Placed
    distiller: Distiller
    teachers: tuple[Teacher, ...] = ()
    sizes: Mapping[str, Any] = field(default_factory=dict)
    balanced: TaskLoss | None = None
    partner: Partner | None = None

    @property
    def loss(self) -> TaskLoss:
        """The task's loss as it is trained."""
        return self.balanced or self.task.loss

    def trained(self) -> nn.ModuleDict:
        """The networks that a replicate trains, by role."""
        roles = nn.ModuleDict({"student": self.student.network, "distiller": self.distiller})
        for number, teacher in enumerate(self.teachers):
            if teacher.moving is not None:
                roles[f"teacher{number or ''}"] = teacher.moving.network
        if self.partner is not None and self.partner.moves:
            roles["partner"] = self.partner.network.network
        return roles

    def teach(
        self,
        batches: Sequence[Tensor],
        epoch: int,
        partners: Sequence[Sequence[Tensor]] = (),
    ) -> Iterator[tuple[Outputs, ...]]:
        """Every teacher's outputs for each of the epoch's `batches`, samples [B] each.

        `partners` are batches for each teacher that stand beside those, if they are others.
        """
        if not self.teachers:
            return itertools.repeat((), len(batches))
        given = zip(self.teachers, partners or [batches] * len(self.teachers), strict=True)
        return zip(*(teacher.teach(own, epoch) for teacher, own in given), strict=True)


class Part(NamedTuple):
    """A part of a batch: this worker's inputs, all teachers' outputs, and the labels [n, ...]."""

    inputs: Tensor
    taught: tuple[Outputs, ...]
    labels: Tensor

    def tensors(self) -> list[Tensor]:
        """All that it is made of."""
        taught = (x for one in self.taught for x in (*one[:2], *(one.maps or ())))
        return [self.inputs, self.labels, *taught]

    def like(self, tensors: Sequence[Tensor]) -> "Part":
        """A part of the same kind, made of other `tensors`."""
        inputs, labels, *rest = tensors
        left, taught = iter(rest), []
        for one in self.taught:
            features, logits = next(left), next(left)
            maps = one.maps and tuple(next(left) for _ in one.maps)
            taught.append(Outputs(features, logits, maps))
        return Part(inputs, tuple(taught), labels)


class Chosen(NamedTuple):
    """What the best epoch left, on the CPU: the student's weights, and those that its head needs.

    `method` is the method's state where its head is not the student's own, and empty else.
    """

    student: dict[str, Tensor]
    method: dict[str, Tensor]


def train_replicate(
    config: StudentConfig,
    seed: int,
    fold: Fold,
    roles: Roles,
    *,
    on_epoch: OnEpoch | None = None,
    resume: dict[str, Any] | None = None,
) -> tuple[History, Chosen, str]:
    """Train the student of `config` to its end and choose its epoch and head.

    Args:
        config: as in `Training`.
        seed: as in `Training`.
        fold: as in `Training`.
        roles: as in `Training`.
        on_epoch: called after each epoch with the history and a function that takes a snapshot.
        resume: a snapshot to go on from; the end is the same as if never interrupted.

    Returns:
        The history, the weights at the best epoch, and the environment with those that it went
        on from.

    Raises:
        ReplicateError: a loss is no longer finite.
    """
    training = Training(config, seed, fold, roles, resume)
    while not training.ended:
        training.run_epoch()
        if on_epoch:
            on_epoch(training.history, training.snapshot)
    return training.history, training.chosen(), training.environment


class Training:
    """A replicate under way, an epoch at a time; several may take turns in one process.

    Args:
        config: what decides the numbers, with `seed`.
        seed: of the batch order, the pairing and the method's noise.
        fold: the data, on the device that the networks are on; its validation or its test split
            may be empty, and without the former the latter chooses the epoch and the head.
        roles: networks and distiller, freshly initialised.
        resume: a snapshot to go on from.

    Attributes:
        history: what it has shown so far.
        best_weights: of the student at the best epoch, on its device.
        best_method: the method's there, if one of its heads was the best.
        environments: in which it was trained so far.
        environment: the one here, with what the others had that it has not.
    """

    def __init__(
        self,
        config: StudentConfig,
        seed: int,
        fold: Fold,
        roles: Roles,
        resume: dict[str, Any] | None = None,
    ) -> None:
        self.config, self.seed, self.fold, self.roles = config, seed, fold, roles
        self.trained = roles.trained()
        self.optimizer = make_optimizer(config.network.optim, self.trained.parameters())
        self.recorder = make_recorder(config, roles)
        self.history = History(roles.task.metric)
        self.best_weights = _copy(roles.student.network)
        self.best_method: dict[str, Tensor] = {}
        here = environment(roles.student.runtime.device)
        before = resume["environments"] if resume else ()
        self.environments = list(dict.fromkeys([*before, here]))
        self.environment = continued(here, before)
        if resume is not None:
            self.trained.load_state_dict(resume["networks"])
            self.optimizer.load_state_dict(resume["optimizer"])
            self.history = History(**resume["history"])
            self.best_weights = resume["best_weights"]
            self.best_method = resume["best_method"]

    @property
    def ended(self) -> bool:
        """Whether all epochs are done."""
        return self.history.epochs == self.config.network.optim.epochs

    def chosen(self) -> Chosen:
        """The weights at the best epoch so far."""
        return Chosen(_on_cpu(self.best_weights), _on_cpu(self.best_method))

    def snapshot(self) -> dict[str, Any]:
        """All that another process needs to go on from here."""
        best = self.chosen()
        return {
            "networks": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": asdict(self.history),
            "best_weights": best.student,
            "best_method": best.method,
            "environments": self.environments,
        }

    def run_epoch(self) -> None:
        """Train and evaluate for one epoch; ReplicateError if a loss is no longer finite."""
        config, fold, roles = self.config, self.fold, self.roles
        epoch = self.history.epochs
        rate = partial(learning_rate, config.network.optim, epoch)
        with rng.seeded(self.seed, "noise", epoch, roles.student.runtime.rank):
            losses = train_epoch(
                config, self.seed, epoch, fold, roles, self.optimizer, rate, self.recorder
            )
        if not all(torch.tensor(list(losses.values())).isfinite()):
            raise ReplicateError(
                f"the loss is no longer finite in epoch {epoch} ({losses})",
                f"{config.method}, seed {self.seed}",
                "Lower the learning rate or the loss weights",
            )
        last_rate = self.optimizer.param_groups[0]["lr"]
        measures = {"lr": last_rate, **{f"loss_{name}": x for name, x in losses.items()}}
        modality = config.network.modality
        val, test = (
            evaluate(roles, fold, modality, part) if len(part) else None
            for part in (fold.val, fold.test)
        )
        if self.history.add(measures | roles.distiller.measures(), val, test):
            self.best_weights = _copy(roles.student.network)
            is_own = self.history.best_head == OWN_HEAD
            self.best_method = {} if is_own else _copy(roles.distiller)
            if test is not None:
                chosen = test.predictions[self.history.best_head]
                self.history.kept = roles.task.keep(chosen, fold)


def train_epoch(
    config: StudentConfig,
    seed: int,
    epoch: int,
    fold: Fold,
    roles: Roles,
    optimizer: torch.optim.Optimizer,
    rate: Rate | None = None,
    recorder: Recorder | None = None,
) -> dict[str, float]:
    """One pass over the training split; the mean over its samples of every loss term.

    The order of the batches depends on (seed, epoch) alone. Without `rate` the learning rate is
    what the optimiser has. Steps go through the `recorder`, if there is one.
    """
    train = fold.train.cpu()
    if config.network.sampling == "balanced":
        train = balanced(train, fold.labels.cpu(), rng.generator(seed, "class-turns", epoch))
    batches = epoch_batches(train, config.network.optim.batch_size, seed, epoch)
    partners = [
        teacher_batches(batches, fold.labels.cpu(), one, rng.generator(seed, "pairing", epoch))
        for one in config.pairing_of_each
    ]
    count, modality = config.network.optim.accumulate, config.network.modality
    parts, taught_parts = in_parts(batches, count), [in_parts(own, count) for own in partners]
    views = training_views(fold.inputs[modality], parts, seed, fold.stream(modality), epoch)
    roles.trained().train()
    roles.distiller.epoch, roles.distiller.epochs = epoch, config.network.optim.epochs
    sums: dict[str, Tensor] = {}
    if roles.partner is None:
        known = training_labels(fold, parts, seed, epoch)
    else:
        known = roles.partner.trained(parts, epoch)
    given = zip(views, roles.teach(parts, epoch, taught_parts), known, strict=True)
    rates = [optimizer.param_groups[0]["lr"]] * len(batches)
    if rate is not None:
        rates = [rate(step, len(batches)) for step in range(len(batches))]
    if recorder is not None and not _holds(recorder, rates, roles.distiller):
        recorder = None
    for step, batch in enumerate(batches):
        _set_rate(optimizer, rates[step])
        own = itertools.starmap(Part, itertools.islice(given, len(in_parts([batch], count))))
        for name, value in train_step(own, len(batch), roles, optimizer, recorder).items():
            sums[name] = sums.get(name, 0) + value
    next(given, None)  # whoever gives comes to its end, and keeps what it gave
    means = torch.stack(list(sums.values())) / len(fold.train)
    return dict(zip(sums, means.tolist(), strict=True))


def train_step(
    parts: Iterable[Part],
    size: int,
    roles: Roles,
    optimizer: torch.optim.Optimizer,
    recorder: Recorder | None = None,
) -> dict[str, Tensor]:
    """One step on a batch of `size` samples in its `parts`; its detached losses times `size`.

    What is lowered is the mean over the samples, whatever the parts.
    """
    optimizer.zero_grad()
    lr = optimizer.param_groups[0]["lr"]
    sums: dict[str, Tensor] = {}
    for part in parts:
        count = len(part.labels)
        add = partial(_add_gradient, kind=part, share=count / size, roles=roles, lr=lr)
        losses = recorder(add, part.tensors()) if recorder else add(part.tensors())
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value * count
    if roles.distiller.clip_norm is not None:
        nn.utils.clip_grad_norm_(roles.trained().parameters(), roles.distiller.clip_norm)
    optimizer.step()
    return sums


def _add_gradient(
    tensors: Sequence[Tensor], kind: Part, share: float, roles: Roles, lr: float
) -> dict[str, Tensor]:
    """Add that of the losses of a part, times its `share` of the batch; the detached losses.

    The part is of the same `kind` as another, and made of these `tensors`.
    """
    student, distiller = roles.student, roles.distiller
    inputs, taught, labels = kind.like(tensors)

    def outputs() -> Outputs:
        return student.on_batch(inputs, len(labels), maps=distiller.student_maps)

    with ahead(distiller.inner_steps(), student.network, outputs, taught, labels, lr) as inner:
        losses = distiller.losses(outputs(), taught, labels, roles.loss)
        (share * losses["total"]).backward()
    return inner | {name: value.detach() for name, value in losses.items()}


def make_recorder(config: StudentConfig, roles: Roles) -> Recorder | None:
    """What records steps of `config`; None where a step is asked for as it comes.

    That is also where a batch is in parts, networks compute blocks twice or predict every pixel,
    of which the labelled ones are counted, and where two networks train.
    """
    runtime, network = roles.student.runtime, config.network
    is_plain = network.optim.accumulate == 1 and not network.gradient_checkpointing
    is_alone = roles.partner is None and not roles.distiller.moves_teacher
    parts = roles.student.network, roles.distiller
    if not (is_plain and is_alone and not roles.task.dense):
        return None
    if not recordable(runtime.device, runtime.world_size, *parts):
        return None
    return Recorder(roles.trained().parameters())


def _holds(recorder: Recorder, rates: Sequence[float], distiller: Distiller) -> bool:
    """Whether one recording holds for the steps of an epoch with these `rates`, and is worth it.

    The recorder is told what it depends on. Inner steps have their rate in it.
    """
    inner = {*rates} if distiller.inner_steps() else set()
    epoch = None if distiller.same_epochs else (distiller.epoch, distiller.epochs)
    recorder.expect((epoch, inner))
    return len(inner) <= 1 and (epoch is None or len(rates) >= MIN_RECORDED)


def in_parts(batches: Sequence[Tensor], count: int) -> Sequence[Tensor]:
    """Each of `batches`, samples [B] each, in at most `count` parts of equal size, but the last."""
    return [part for batch in batches for part in batch.split(math.ceil(len(batch) / count))]


def epoch_batches(train: Tensor, batch_size: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The training samples [N] in the order of (seed, epoch), `batch_size` at a time.

    The last batch has what is left. A single sample, which has no variance to normalise by, joins
    the batch before.
    """
    order = torch.randperm(len(train), generator=rng.generator(seed, "batch-order", epoch))
    *full, last = train[order].split(batch_size)
    if full and len(last) == 1 < batch_size:
        return (*full[:-1], torch.cat([full[-1], last]))
    return (*full, last)


def training_labels(
    fold: Fold, batches: Sequence[Tensor], seed: int, epoch: int
) -> Iterator[Tensor]:
    """What the epoch's `batches`, samples [B] each, are trained on, whole for every worker.

    Labels [B], sets of them [B, C] or, where the task predicts every pixel, maps [B, H, W].
    """
    if fold.label_maps is None:
        return labels_of(fold, batches)
    return training_views(fold.label_maps, batches, seed, SCENE, epoch, whole=True)


def labels_of(fold: Fold, batches: Sequence[Tensor]) -> Iterator[Tensor]:
    """What is known of each of `batches`, samples [B] each, as they are evaluated."""
    if fold.label_maps is not None:
        return fold.label_maps.batches(batches)
    return (fold.known[batch] for batch in on_device(batches, fold.labels.device))


@torch.inference_mode()
def evaluate(roles: Roles, fold: Fold, modality: str, part: Tensor) -> Evaluation:
    """Every head's predictions and metrics on the samples `part` [n] of `fold`."""
    task, student, distiller = roles.task, roles.student, roles.distiller
    student.network.eval()
    distiller.eval()
    inputs = fold.inputs[modality]
    batches = evaluation_batches(inputs, student.runtime.shard(part))
    partner = roles.partner
    labels = labels_of(fold, batches) if partner is None else partner.evaluated(batches)
    rows: dict[str, list[Tensor]] = {}
    for own, known in zip(inputs.batches(batches), labels, strict=True):
        outputs = student(own, maps=distiller.student_maps)
        for head, logits in distiller.heads(outputs).items():
            rows.setdefault(head, []).append(task.predict(logits, known))
    predictions = {
        head: student.runtime.gather_rows(torch.cat(parts)) for head, parts in rows.items()
    }
    metrics = {head: task.measure(guess, fold.labels[part]) for head, guess in predictions.items()}
    return Evaluation(predictions, metrics)


def _set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = lr


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: x.detach().clone() for name, x in network.state_dict().items()}


def _on_cpu(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x.cpu().contiguous() for name, x in weights.items()}
