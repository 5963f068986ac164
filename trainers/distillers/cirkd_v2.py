"""Likeness of pixels, regions and channels across pictures, in the batch and with memories."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers import rng
from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight, soft_divergence
from fdsweep.trainers.distillers.queues import Queues
from fdsweep.trainers.distillers.relations import (
    attend,
    divergence_of_pairs,
    divergence_of_relations,
)
from fdsweep.trainers.distributed import sent
from fdsweep.trainers.features.maps import match
from fdsweep.trainers.features.pixels import IGNORE, labelled, labels_at

CODE = "winycg/CIRKD"


@registry.register("cirkd-v2", version=1)
class CIRKDv2(Distiller):
    """Cross-Image Relational Knowledge Distillation (CIRKD; Yang et al., CVPR 2022), version 2.

    For networks that predict every pixel. With F_t [D_t, h, w] a picture's features in the teacher,
    averaged to one position for `stride` x `stride` labels where they are finer, and F_s those of
    the student at the same positions, first passed through a block `context` in which every
    position attends to all others; z logits; R(a, b; k) the mean over rows a of
    KL(softmax(b · k_t / τ) || softmax(a · k_s / τ)) with τ = `similarity_temperature`:

        kd             = T² KL(softmax(z_t / T) || softmax(z_s / T)), the mean over all positions
        feature        = MSE(W F_s, F_t)
        pixel          = the mean over pairs of pictures i, j of R(f_s,i, f_t,i; f_j)
        pixel_memory   = R(g_s, f_t; rows of the pixel queues)
        region_memory  = R(g_s, f_t; rows of the region queues)
        channel        = the mean over pairs of pictures i, j of R(c_s,i, c_t,i; c_j)
        channel_memory = R(c_s, c_t; rows of the channel queue)
        channel_mse    = MSE(c_s, c_t)
        total          = task + Σ weight_<term> * <term>

    f are positions of F with norm 1, g those of the student's F after linear, BN, ReLU, linear, and
    the memories take them at labelled positions alone. c are channels, of F averaged over
    `channel_pool` x `channel_pool` positions (the student's then through another such head), each
    with norm 1 over the positions.

    The queues hold what the teacher gave. In every step each picture adds to the queues of each
    of its classes up to `pixels_per_image` pixels of the class and one region, the direction of the
    mean of all; the batch adds `channels_per_step` channels. Then of each class up to
    `pixel_samples` // C + 1 pixels and `region_samples` // C + 1 regions are drawn, and
    `channel_samples` channels. A class that has shown nothing yet is left out. The draws follow
    from the number of the step, so that workers that share a batch draw the same.

    Formulas and defaults are those of the public code of the journal version, winycg/CIRKD; there
    too `kd` is at the logits' own resolution and counts void pixels. What differs:

    - There a pixel that joins a class's queue is drawn from the picture's first n positions, with n
      the number of the class's pixels, whatever their class: a slip, which
      `pixels_of_class=False` repeats.
    - There all queues start with random rows and are drawn from in full, and what does not fit
      before the end of a queue takes its last rows. Here rows that were never filled are never
      drawn, and a queue is a ring.
    - Its auxiliary cross-entropy (0.4, with ResNets) belongs to a second head of its networks. The
      networks here have none, so it is left out.

    Args:
        num_classes: C.
        student_dim: D_s.
        teacher_dim: D_t.
        temperature: T.
        similarity_temperature: τ.
        weight_kd: of the logits.
        weight_feature: λ of the features. The code's scripts take 1 or 10: 1 for DeepLabV3 with
            ResNet-18 on Cityscapes and ADE20K, 10 with MobileNetV3 on ADE20K and Pascal VOC.
        weight_pixel: of pairs of pictures.
        weight_pixel_memory: of the pixel queues.
        weight_region_memory: of the region queues.
        weight_channel: of channels in pairs of pictures.
        weight_channel_memory: of the channel queue.
        weight_channel_mse: of the channels themselves.
        stride: pixels of a label map along a side of one position.
        context: the student's features pass the block before they are compared.
        pixel_entries: rows of each class's pixel queue. All C queues are part of every checkpoint,
            whatever they hold: D_t x 4 bytes a row.
        pixels_per_image: that a picture adds to it at most.
        pixel_samples: drawn in a step, of all classes together.
        pixels_of_class: they are of the class.
        region_entries: rows of each class's region queue.
        region_samples: drawn in a step, of all classes together.
        channel_pool: positions along a side that are averaged before channels are compared.
        channel_entries: rows of the channel queue.
        channels_per_step: that a batch adds to it at most.
        channel_samples: drawn in a step.

    Raises:
        ConfigError: a negative weight, another number that is not above 0, or, while training,
            pictures of several sizes.
    """

    paper = "Yang et al., CVPR 2022, arXiv 2204.06986; version 2: winycg/CIRKD"
    published = "CIRKDv2"
    group = "Feature"
    level = "logits + features"
    look = 13
    on_maps = "maps"
    dense_only = True
    trains = ("context", "mimic", "pixel_head", "channel_head")
    sources: ClassVar[dict[str, str]] = {
        "temperature": CODE,
        "similarity_temperature": CODE,
        "weight_kd": CODE,
        "weight_feature": f"{CODE}, ResNet-18 on ADE20K (its scripts: 1 or 10)",
        "weight_pixel": CODE,
        "weight_pixel_memory": CODE,
        "weight_region_memory": CODE,
        "weight_channel": CODE,
        "weight_channel_memory": CODE,
        "weight_channel_mse": CODE,
        "stride": f"{CODE}, whose networks give features at stride 8",
        "context": CODE,
        "pixel_entries": f"{CODE} (SegFormer: 2000)",
        "pixels_per_image": CODE,
        "pixel_samples": CODE,
        "pixels_of_class": f"ours ({CODE} takes any of the picture's first positions)",
        "region_entries": CODE,
        "region_samples": CODE,
        "channel_pool": CODE,
        "channel_entries": CODE,
        "channels_per_step": CODE,
        "channel_samples": CODE,
    }

    seed: Tensor
    step: Tensor

    def __init__(
        self,
        *,
        num_classes: int,
        student_dim: int,
        teacher_dim: int,
        temperature: float = 1.0,
        similarity_temperature: float = 0.1,
        weight_kd: float = 1.0,
        weight_feature: float = 1.0,
        weight_pixel: float = 1.0,
        weight_pixel_memory: float = 0.1,
        weight_region_memory: float = 0.1,
        weight_channel: float = 1.0,
        weight_channel_memory: float = 0.1,
        weight_channel_mse: float = 100.0,
        stride: int = 8,
        context: bool = True,
        pixel_entries: int = 20_000,
        pixels_per_image: int = 16,
        pixel_samples: int = 4096,
        pixels_of_class: bool = True,
        region_entries: int = 2000,
        region_samples: int = 1024,
        channel_pool: int = 4,
        channel_entries: int = 10_000,
        channels_per_step: int = 256,
        channel_samples: int = 2048,
    ) -> None:
        super().__init__()
        self.weights = {
            "kd": weight_kd,
            "feature": weight_feature,
            "pixel": weight_pixel,
            "pixel_memory": weight_pixel_memory,
            "region_memory": weight_region_memory,
            "channel": weight_channel,
            "channel_memory": weight_channel_memory,
            "channel_mse": weight_channel_mse,
        }
        sizes = {
            "temperature": temperature,
            "similarity_temperature": similarity_temperature,
            "stride": stride,
            "pixel_entries": pixel_entries,
            "pixels_per_image": pixels_per_image,
            "pixel_samples": pixel_samples,
            "region_entries": region_entries,
            "region_samples": region_samples,
            "channel_pool": channel_pool,
            "channel_entries": channel_entries,
            "channels_per_step": channels_per_step,
            "channel_samples": channel_samples,
        }
        for term, weight in self.weights.items():
            check_weight(f"weight_{term}", weight)
        for name, value in sizes.items():
            check_positive(name, value)
        self.temperature, self.similarity_temperature = temperature, similarity_temperature
        self.stride, self.channel_pool = stride, channel_pool
        self.pixels_per_image, self.pixels_of_class = pixels_per_image, pixels_of_class
        self.pixel_samples = pixel_samples // num_classes + 1
        self.region_samples = region_samples // num_classes + 1
        self.channels_per_step, self.channel_samples = channels_per_step, channel_samples

        self.context = Context(student_dim) if context else nn.Identity()
        self.mimic = nn.Linear(student_dim, teacher_dim, bias=False)
        self.pixel_head = _head(student_dim, teacher_dim)
        self.channel_head = _head(student_dim, teacher_dim)
        self.pixels = Queues(num_classes, pixel_entries, teacher_dim)
        self.regions = Queues(num_classes, region_entries, teacher_dim)
        self.channels = Queues(1, channel_entries, width=None)
        self.register_buffer("seed", torch.randint(2**62, ()))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        """Named terms, unweighted; the queues take what the teacher gives.

        Args:
            student: features [N, D_s, h, w] and logits [N, C, h, w].
            teacher: features [N, D_t, h', w'] and logits [N, C, h', w'].
            labels: [N, H, W], classes or `IGNORE`.
        """
        logits, taught = match(student.logits, teacher.logits.detach())
        maps = (self._at_stride(x, labels) for x in (student.features, teacher.features.detach()))
        own, other = match(*maps)
        size = other.shape[2:]
        own, other = self.context(_rows(own)), _rows(other)
        stream = self._next_stream()
        return {
            "kd": soft_divergence(_rows(logits), _rows(taught), self.temperature),
            "feature": F.mse_loss(self.mimic(own), other),
            "pixel": divergence_of_pairs(
                F.normalize(own, dim=-1), F.normalize(other, dim=-1), self.similarity_temperature
            ),
            **self._memories(own, other, labels_at(labels, *size).flatten(1), stream),
            **self._channels(own.mT.unflatten(2, size), other.mT.unflatten(2, size), stream),
        }

    def _at_stride(self, x: Tensor, labels: Tensor) -> Tensor:
        """The map `x` with squares of positions averaged until `stride` labels meet in one."""
        side = x.shape[2] * self.stride // labels.shape[1]
        return F.avg_pool2d(x, side, ceil_mode=True) if side > 1 else x

    def _next_stream(self) -> torch.Generator:
        """Of this step's draws; the state has both numbers that it follows from."""
        stream = rng.generator(int(self.seed), "cirkd-v2", int(self.step))
        self.step += 1
        return stream

    def _memories(
        self, own: Tensor, other: Tensor, labels: Tensor, stream: torch.Generator
    ) -> dict[str, Tensor]:
        """Both terms of rows [N, R, D] with `labels` [N, R], once the queues have the teacher's."""
        guess = F.normalize(_on_rows(self.pixel_head, own), dim=-1)
        target = F.normalize(other, dim=-1)
        for embeddings, known in zip(target, labels.cpu(), strict=True):
            self._remember(embeddings, known, stream)
        where = labelled(labels)
        guess, target = guess[where], target[where]
        pixels = self.pixels.draw(self.pixel_samples, stream)
        regions = self.regions.draw(self.region_samples, stream)
        return {
            "pixel_memory": self._from_memory(guess, target, pixels),
            "region_memory": self._from_memory(guess, target, regions),
        }

    def _remember(self, embeddings: Tensor, labels: Tensor, stream: torch.Generator) -> None:
        """Add one picture's rows [R, D] with `labels` [R], on the CPU, to the classes' queues."""
        device = embeddings.device
        for label in labels[labels != IGNORE].unique().tolist():
            places = (labels == label).nonzero()[:, 0]
            mean = embeddings[sent(places, device)].mean(dim=0, keepdim=True)
            self.regions.push(label, F.normalize(mean, dim=-1))
            drawn = torch.randperm(len(places), generator=stream)[: self.pixels_per_image]
            drawn = places[drawn] if self.pixels_of_class else drawn
            self.pixels.push(label, embeddings[sent(drawn, device)])

    def _channels(self, own: Tensor, other: Tensor, stream: torch.Generator) -> dict[str, Tensor]:
        """The three terms of maps [N, D_s, h, w] and [N, D_t, h, w]."""
        pooled = (_rows(F.avg_pool2d(x, self.channel_pool, ceil_mode=True)) for x in (own, other))
        guess, target = pooled
        guess = F.normalize(_on_rows(self.channel_head, guess).mT, dim=-1)
        target = F.normalize(target.mT, dim=-1)
        pairs = divergence_of_pairs(guess, target, self.similarity_temperature)
        guess, target = guess.flatten(0, 1), target.flatten(0, 1)
        drawn = torch.randperm(len(target), generator=stream)[: self.channels_per_step]
        self.channels.push(0, target[sent(drawn, target.device)])
        keys = self.channels.draw(self.channel_samples, stream)
        return {
            "channel": pairs,
            "channel_memory": self._from_memory(guess, target, keys),
            "channel_mse": F.mse_loss(guess, target),
        }

    def _from_memory(self, guess: Tensor, target: Tensor, keys: Tensor) -> Tensor:
        temperature = self.similarity_temperature
        return divergence_of_relations(guess, keys, target, keys, temperature)


class Context(nn.Module):
    """Rows [N, R, D] of pictures, each with what it finds in the other rows of its picture.

    The block "GCN" of winycg/CIRKD: queries, keys and values of half the width, then two layers of
    linear, BN, ReLU, the first on what was found and the second on that beside the row itself.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.queries, self.keys, self.values = (nn.Linear(dim, half, bias=False) for _ in range(3))
        self.found = nn.Sequential(*_layer(half, dim))
        self.out = nn.Sequential(*_layer(2 * dim, dim))

    @override
    def forward(self, rows: Tensor) -> Tensor:
        parts = self.queries(rows), self.keys(rows), self.values(rows)
        found = torch.stack([attend(*one) for one in zip(*parts, strict=True)])
        return _on_rows(self.out, torch.cat([rows, _on_rows(self.found, found)], dim=-1))


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_layer(inputs, outputs), nn.Linear(outputs, outputs, bias=False))


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    # only ever in training, so statistics of the batch are all it needs
    norm = nn.BatchNorm1d(outputs, track_running_stats=False)
    return nn.Linear(inputs, outputs, bias=False), norm, nn.ReLU()


def _rows(x: Tensor) -> Tensor:
    """[N, R, C], the R positions of maps [N, C, h, w]."""
    return x.flatten(2).mT


def _on_rows(layers: nn.Module, rows: Tensor) -> Tensor:
    """`layers` that normalise over a batch, on rows [N, R, C] of all its samples."""
    out: Tensor = layers(rows.flatten(0, 1))
    return out.view(*rows.shape[:2], -1)
