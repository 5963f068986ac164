"""Train one replicate: teacher, student, distiller and data to per-epoch records. Plain torch.

Shape letters: N samples, B the global batch, D features, C classes, H prediction heads.
"""

import itertools
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.trainers import distributed, rng
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.distillers import Distiller
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.loaders import Inputs, evaluated_views, training_views
from fdsweep.trainers.precision import run
from fdsweep.trainers.protocol.lookahead import ahead
from fdsweep.trainers.protocol.pairing import teacher_batches
from fdsweep.trainers.teachers import Teach

LOOP_VERSION = 1
"""Raised when the numbers that this module gives change; part of every content key."""

Snapshot = Callable[[], dict[str, Any]]
OnEpoch = Callable[["History", Snapshot], None]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who takes part: the student as wrapped for its workers, the distiller, the teacher.

    `teach` gives the teacher's outputs for each of an epoch's batches [steps, B] of samples; None
    without a teacher. `teacher` is the network behind it, wrapped like the student, where the
    method moves it; else None.
    """

    student: nn.Module
    distiller: Distiller
    teach: Teach | None = None
    teacher: nn.Module | None = None

    def trained(self) -> nn.ModuleDict:
        """The networks that a replicate trains, by role, as they are inside their wrapping."""
        roles = nn.ModuleDict(
            {"student": distributed.unwrap(self.student), "distiller": self.distiller}
        )
        if self.teacher is not None:
            roles["teacher"] = distributed.unwrap(self.teacher)
        return roles


@dataclass(slots=True)
class History:
    """What one replicate has shown so far.

    `curves` holds (epoch, split, metric, value). The best epoch and head are those of the highest
    validation accuracy, the earlier one where two are equal; `predictions` [N_test] are theirs.
    `test_accuracy_last` is the last epoch's, with the head that validation prefers there, and
    `test_accuracy_best` the highest of any epoch and head: optimistic, for comparison only.
    """

    epochs: int = 0
    best_epoch: int = -1
    best_head: str = ""
    val_accuracy: float = -1.0
    test_accuracy: float = 0.0
    test_accuracy_last: float = 0.0
    test_accuracy_best: float = 0.0
    predictions: list[int] = field(default_factory=list)
    curves: list[tuple[int, str, str, float]] = field(default_factory=list)

    def add(self, measures: dict[str, float], val: "Evaluation", test: "Evaluation | None") -> bool:
        """Append an epoch with its `measures` of training; True if it is the best on validation.

        Without a test split (None) what is said of test stays as it was.
        """
        epoch = self.epochs
        self.epochs += 1
        head = max(val.accuracies, key=val.accuracies.__getitem__)
        self.curves += [(epoch, "train", name, value) for name, value in measures.items()]
        for split, evaluation in (("val", val), ("test", test)):
            if evaluation is None:
                continue
            self.curves.append((epoch, split, "accuracy", evaluation.accuracies[head]))
            if len(val.accuracies) > 1:
                self.curves += [
                    (epoch, split, f"accuracy_{name}", x)
                    for name, x in evaluation.accuracies.items()
                ]
        best = val.accuracies[head] > self.val_accuracy
        if best:
            self.best_epoch, self.best_head = epoch, head
            self.val_accuracy = val.accuracies[head]
        if test is not None:
            self._add_test(test, head, best)
        return best

    def _add_test(self, test: "Evaluation", head: str, best: bool) -> None:
        self.test_accuracy_last = test.accuracies[head]
        self.test_accuracy_best = max(self.test_accuracy_best, *test.accuracies.values())
        if best:
            self.test_accuracy = test.accuracies[head]
            self.predictions = test.predictions[head].tolist()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predictions [N] and accuracy (a fraction) of every head on one split."""

    predictions: dict[str, Tensor]
    accuracies: dict[str, float]


def train_replicate(
    config: StudentConfig,
    seed: int,
    fold: Fold,
    roles: Roles,
    *,
    on_epoch: OnEpoch | None = None,
    resume: dict[str, Any] | None = None,
) -> tuple[History, dict[str, Tensor]]:
    """Train the student of `config` to its end and choose its epoch and head on validation.

    Args:
        config: as in `Training`.
        seed: as in `Training`.
        fold: as in `Training`.
        roles: as in `Training`.
        on_epoch: called after each epoch with the history and a function that takes a snapshot.
        resume: a snapshot to go on from; the end is the same as if never interrupted.

    Returns:
        The history, and the student's weights at the best epoch (on the CPU).

    Raises:
        ReplicateError: a loss is no longer finite.
    """
    training = Training(config, seed, fold, roles, resume)
    while not training.ended:
        training.run_epoch()
        if on_epoch:
            on_epoch(training.history, training.snapshot)
    return training.history, training.best_weights


class Training:
    """A replicate under way, an epoch at a time; several may take turns in one process.

    Args:
        config: what decides the numbers, with `seed`.
        seed: of the batch order, the pairing and the method's noise.
        fold: the data, on the device that the networks are on; its test split may be empty.
        roles: networks and distiller, freshly initialised.
        resume: a snapshot to go on from.

    Attributes:
        history: what it has shown so far.
        best_weights: of the student at the best epoch, on the CPU.
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
        self.optimizer = torch.optim.SGD(
            self.trained.parameters(),
            lr=config.network.optim.lr,
            momentum=config.network.optim.momentum,
            weight_decay=config.network.optim.weight_decay,
        )
        self.history, self.best_weights = History(), _copy(distributed.unwrap(roles.student))
        if resume is not None:
            self.trained.load_state_dict(resume["networks"])
            self.optimizer.load_state_dict(resume["optimizer"])
            self.history = History(**resume["history"])
            self.best_weights = resume["best_weights"]

    @property
    def ended(self) -> bool:
        """Whether all epochs are done."""
        return self.history.epochs == self.config.network.optim.epochs

    def snapshot(self) -> dict[str, Any]:
        """All that another process needs to go on from here."""
        return {
            "networks": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": asdict(self.history),
            "best_weights": self.best_weights,
        }

    def run_epoch(self) -> None:
        """Train and evaluate for one epoch; ReplicateError if a loss is no longer finite."""
        config, fold, distiller = self.config, self.fold, self.roles.distiller
        epoch, lr = self.history.epochs, config.network.optim.lr_at(self.history.epochs)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        with rng.seeded(self.seed, "noise", epoch, distributed.rank()):
            losses = train_epoch(config, self.seed, epoch, fold, self.roles, self.optimizer)
        if not all(torch.tensor(list(losses.values())).isfinite()):
            raise ReplicateError(
                f"the loss is no longer finite in epoch {epoch} ({losses})",
                f"{config.method}, seed {self.seed}",
                "Lower the learning rate or the loss weights",
            )
        measures = {"lr": lr, **{f"loss_{name}": x for name, x in losses.items()}}
        student = distributed.unwrap(self.roles.student)
        inputs = fold.inputs[config.network.modality]
        val = evaluate(student, distiller, inputs, fold, fold.val)
        test = evaluate(student, distiller, inputs, fold, fold.test) if len(fold.test) else None
        if self.history.add(measures | distiller.measures(), val, test):
            self.best_weights = _copy(student)


def train_epoch(
    config: StudentConfig,
    seed: int,
    epoch: int,
    fold: Fold,
    roles: Roles,
    optimizer: torch.optim.Optimizer,
) -> dict[str, float]:
    """One pass over the training split; the mean of every loss term.

    The order of the batches depends on (seed, epoch) alone. A last batch that is not full is
    left out, unless it is the only one.
    """
    batches = epoch_batches(fold.train.cpu(), config.network.optim.batch_size, seed, epoch)
    pairing_stream = rng.generator(seed, "pairing", epoch)
    partners = teacher_batches(batches, fold.labels.cpu(), config.pairing, pairing_stream)
    modality = config.network.modality
    views = training_views(fold.inputs[modality], batches, seed, modality, epoch)
    taught = roles.teach(partners, epoch) if roles.teach else itertools.repeat(None, len(batches))
    roles.trained().train()
    roles.distiller.epoch, roles.distiller.epochs = epoch, config.network.optim.epochs
    sums: dict[str, Tensor] = {}
    labels = fold.labels[batches.to(fold.labels.device)]
    for truth, own, other in zip(labels, views, taught, strict=True):
        for name, value in train_step(own, other, truth, roles, optimizer).items():
            sums[name] = sums.get(name, 0) + value
    means = torch.stack(list(sums.values())) / len(batches)
    return dict(zip(sums, means.tolist(), strict=True))


def train_step(
    inputs: Tensor,
    taught: Outputs | None,
    labels: Tensor,
    roles: Roles,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Tensor]:
    """One step on this worker's `inputs` of the batch with `labels` [B]; its detached terms."""
    distiller = roles.distiller

    def outputs() -> Outputs:
        own = run(roles.student, inputs)
        return distributed.gather(own if distiller.student_maps else own._replace(maps=None))

    optimizer.zero_grad()
    lr = optimizer.param_groups[0]["lr"]
    with ahead(distiller.inner_steps(), roles.student, outputs, taught, labels, lr) as inner:
        terms = distiller(outputs(), taught, labels)
        terms["total"].backward()
    if distiller.clip_norm is not None:
        nn.utils.clip_grad_norm_(roles.trained().parameters(), distiller.clip_norm)
    optimizer.step()
    return inner | {name: value.detach() for name, value in terms.items()}


def epoch_batches(train: Tensor, batch_size: int, seed: int, epoch: int) -> Tensor:
    """[steps, B] indices of the training samples [N] in the order of (seed, epoch)."""
    order = torch.randperm(len(train), generator=rng.generator(seed, "batch-order", epoch))
    size = min(batch_size, len(train) // distributed.world_size() * distributed.world_size())
    steps = len(train) // size
    return train[order[: steps * size]].view(steps, size)


@torch.inference_mode()
def evaluate(
    network: nn.Module,
    distiller: Distiller,
    inputs: Inputs,
    fold: Fold,
    part: Tensor,
) -> Evaluation:
    """Predictions and accuracy of every head on the samples `part` [N] of `fold`."""
    network.eval()
    distiller.eval()
    chosen: dict[str, list[Tensor]] = {}
    for own in evaluated_views(inputs, distributed.shard(part)):
        outputs = run(network, own)
        for head, logits in distiller.heads(outputs).items():
            chosen.setdefault(head, []).append(logits.argmax(dim=1))
    predictions = {
        head: distributed.gather_rows(torch.cat(parts)) for head, parts in chosen.items()
    }
    truth = fold.labels[part]
    accuracies = {
        head: float((guess == truth).float().mean()) for head, guess in predictions.items()
    }
    return Evaluation(predictions, accuracies)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: x.detach().cpu().clone().contiguous() for name, x in network.state_dict().items()}
