"""Teachers: trained once per content key and seed, kept as safetensors, ready for students."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import NetworkConfig, StudentConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.storage import Storage, cache
from fdsweep.trainers import backbones, rng, tasks
from fdsweep.trainers.backbones import pretrained
from fdsweep.trainers.datasets import DatasetInfo
from fdsweep.trainers.distributed import Placed, on_device
from fdsweep.trainers.distributed.recording import Recorder, recordable
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.loaders import Inputs, evaluated_views, training_views

LENGTH = 8
"""Bytes at the start of safetensors that tell how long the header is that follows."""

NO_WEIGHTS = "no whole safetensors"

Teach = Callable[[Sequence[Tensor], int], Iterator[Outputs]]
"""From an epoch's batches, samples [B] each, and its number, to the teacher's outputs."""


@dataclass(frozen=True, slots=True)
class Teacher:
    """One of a student's teachers: its modality and outputs, and the network if it trains along."""

    modality: str
    teach: Teach
    moving: Placed | None = None


def missing(storage: str, key: str, seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Those of `seeds` whose network `key` is not in the storage yet, weights and record.

    Damaged ones are set aside: records that are no JSON, weights that are longer or shorter than
    their header says. Other weights of the same length are not noticed.
    """
    kept = Storage(storage)
    return tuple(
        seed
        for seed in seeds
        if not (_has_weights(kept, key, seed) and _has_record(kept, key, seed))
    )


def save(
    storage: str, key: str, seed: int, weights: dict[str, Tensor], facts: dict[str, object]
) -> None:
    """Keep a trained network: its `facts` (epochs and scores) as JSON, then its weights."""
    kept, text = Storage(storage), json.dumps(facts, sort_keys=True, indent=1)
    kept.write(layout.teacher_record(key, seed), text.encode())
    kept.write(layout.teacher_weights(key, seed), safetensors.torch.save(weights))


def init_stream(modality: str) -> str:
    """Name of the stream that a teacher of `modality` starts from: each from its own."""
    return f"teacher-init/{modality}"


def build(
    config: NetworkConfig, info: DatasetInfo, seed: int, stream: str, storage: str
) -> backbones.Backbone:
    """The network of `config` before training, initialised from the stream (seed, `stream`).

    If it is pretrained, all but its classifier starts from the checkpoint in the storage.
    """
    with rng.seeded(seed, stream):
        network = backbones.build(
            config.backbone,
            channels=info.modality(config.modality).channels,
            num_classes=tasks.find(config.task).num_outputs(info),
            features=config.features,
            **config.backbone_options,
        )
    if config.gradient_checkpointing:
        network.recompute()
    if config.pretrained:
        network.load_pretrained(pretrained.load(storage, config.pretrained))
    return network


def traits(config: NetworkConfig, info: DatasetInfo) -> backbones.Traits:
    """What the network of `config` is; ConfigError if it cannot be built."""
    return backbones.traits(
        config.backbone,
        info.modality(config.modality).channels,
        tasks.find(config.task).num_outputs(info),
        tuple(sorted(config.backbone_options.items())),
    )


def trained(
    config: NetworkConfig, key: str, info: DatasetInfo, seed: int, storage: str
) -> backbones.Backbone:
    """The network of `config` with the weights that are kept under `key`, in evaluation mode.

    Raises:
        DataError: they are not in the storage, or were damaged.
    """
    kept, place = Storage(storage), layout.teacher_weights(key, seed)
    network = build(config, info, seed, init_stream(config.modality), storage)
    weights = _read_weights(kept, place)
    if weights is not None and _shapes(weights) != _shapes(network.state_dict()):
        kept.set_aside(place, "weights of another network")
        weights = None
    if weights is None:
        raise DataError("the network is gone", kept.uri(place), "Run the same command again")
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval()


def load(
    teacher: NetworkConfig, config: StudentConfig, info: DatasetInfo, seed: int, storage: str
) -> backbones.Backbone:
    """A `teacher` as the student of `config` learns from it: frozen and in evaluation mode.

    With `teacher_channels="permuted"` the channels of its
    features stand in a random order, the same for all samples.

    Raises:
        DataError: the teacher is not in the storage.
    """
    if config.teacher_state == "trained":
        network = trained(teacher, teacher.teacher_key, info, seed, storage)
    else:
        network = build(teacher, info, seed, init_stream(teacher.modality), storage)
    if config.teacher_channels == "permuted":
        order = torch.randperm(network.dim, generator=rng.generator(seed, "channels"))
        network = _Permuted(network, order)
    return network.requires_grad_(False).eval()


def cached(network: Placed, inputs: Inputs, train: Tensor) -> Teach:
    """Features and logits of the frozen `network` for the samples `train` [N], computed once.

    That is possible where a sample has one view only; maps are too large to keep.
    """
    with torch.no_grad():
        parts = [network(own) for own in evaluated_views(inputs, train)]
    features = torch.cat([part.features for part in parts])
    logits = torch.cat([part.logits for part in parts])
    rows = torch.full([int(train.max()) + 1], -1, device=train.device)
    rows[train] = torch.arange(len(train), device=train.device)

    def teach(batches: Sequence[Tensor], epoch: int) -> Iterator[Outputs]:
        del epoch
        for batch in on_device(batches, rows.device):
            kept = rows[batch]
            yield Outputs(features[kept], logits[kept])

    return teach


def live(network: Placed, inputs: Inputs, seed: int, stream: str, *, maps: bool) -> Teach:
    """Outputs of `network` on each batch of `inputs`, of which each worker runs its part.

    Gradients flow where the network's parameters ask for them; `maps` says whether the outputs
    carry the stages' maps, `stream` what the training views are drawn from.
    """
    is_frozen = not any(x.requires_grad for x in network.network.parameters())
    runtime, recorder = network.runtime, Recorder()
    is_recorded = is_frozen and recordable(runtime.device, runtime.world_size, network.network)

    def outputs(own: Tensor, size: int) -> Outputs:
        def compute(given: Sequence[Tensor]) -> Outputs:
            return network.on_batch(given[0], size, maps=maps)

        return recorder(compute, [own]).clone() if is_recorded else compute([own])

    def teach(batches: Sequence[Tensor], epoch: int) -> Iterator[Outputs]:
        views = training_views(inputs, batches, seed, stream, epoch)
        for own, batch in zip(views, batches, strict=True):
            yield outputs(own, len(batch))

    return teach


def _has_weights(kept: Storage, key: str, seed: int) -> bool:
    """Whether weights are there whose file is as long as its header says."""
    place = layout.teacher_weights(key, seed)
    size = kept.size(place)
    if size is None:
        return False
    start = LENGTH + int.from_bytes(kept.read(place, LENGTH), "little")
    try:
        header = json.loads(kept.read(place, start)[LENGTH:] if start <= size else b"")
        ends = [one["data_offsets"][1] for name, one in header.items() if name != "__metadata__"]
        is_whole = bool(start + max(ends) == size)
    except (ValueError, LookupError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        kept.set_aside(place, NO_WEIGHTS)
    return is_whole


def _has_record(kept: Storage, key: str, seed: int) -> bool:
    """Whether a record is there that is a JSON object."""
    place = layout.teacher_record(key, seed)
    if not kept.exists(place):
        return False
    try:
        is_whole = isinstance(json.loads(kept.read(place)), dict)
    except ValueError:
        is_whole = False
    if not is_whole:
        kept.set_aside(place, "no JSON object")
    return is_whole


def _read_weights(kept: Storage, place: str) -> dict[str, Tensor] | None:
    """The weights at `place`; None if there are none, or if they are damaged and set aside."""
    if not kept.exists(place):
        return None
    try:
        weights: dict[str, Tensor] = safetensors.torch.load(cache.read(kept, place))
    except safetensors.SafetensorError:
        kept.set_aside(place, NO_WEIGHTS)
        return None
    return weights


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: weight.shape for name, weight in weights.items()}


class _Permuted(backbones.Backbone):
    """A network whose features, last map and classifier have their channels in another order."""

    order: Tensor

    def __init__(self, network: backbones.Backbone, order: Tensor) -> None:
        super().__init__()
        self.network = network
        self.dim, self.map_dims = network.dim, network.map_dims
        self.same_steps = network.same_steps
        self.register_buffer("order", order)

    @property
    @override
    def classifier(self) -> nn.Linear:  # type: ignore[override]
        permuted = copy.deepcopy(self.network.classifier)
        permuted.weight = nn.Parameter(permuted.weight[:, self.order])
        return permuted

    @override
    def forward(self, x: Tensor) -> Outputs:
        features, logits, maps = self.network(x)
        if maps is not None:
            maps = (*maps[:-1], maps[-1][:, self.order])
        return Outputs(features[:, self.order], logits, maps)
