"""A kept student at work: from raw files to what it takes them for."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.ranking import THRESHOLD
from fdsweep.search_spaces.records import UnreadableRecord
from fdsweep.search_spaces.storage import Storage, tell_once
from fdsweep.trainers import backbones, datasets, distillers, modalities, tasks
from fdsweep.trainers.datasets import Scaling
from fdsweep.trainers.datasets.prepared import spell_set
from fdsweep.trainers.distillers import Distiller
from fdsweep.trainers.distributed import Placed, Runtime
from fdsweep.trainers.features.pixels import resized
from fdsweep.trainers.loaders import evaluation_size
from fdsweep.trainers.preparation.catalog import Damaged
from fdsweep.trainers.preparation.media import ShortWarning
from fdsweep.trainers.preparation.shards import digest
from fdsweep.trainers.students.assets import stored_assets
from fdsweep.trainers.students.keeping import METHOD, NETWORK, SCALING
from fdsweep.trainers.students.record import (
    ASSETS,
    CONFIG,
    SCHEMA,
    WEIGHTS,
    Head,
    StudentRecord,
    set_aside,
)

Sample = tuple[str, Tensor]
"""A name and the view [...] that the network is shown."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a sample is taken for.

    Attributes:
        name: the file, with the number of the sample in it where it holds several.
        label: the class; where every pixel is predicted, that of the most pixels; where there may
            be several, their set.
        shares: the probability of every class, or the share of the pixels that have it.
        mask: [H, W] numbers of the pixels' classes, where every pixel is predicted.
    """

    name: str
    label: str
    shares: dict[str, float]
    mask: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Student:
    """A trained network, with the method's head where that predicts better.

    Attributes:
        record: what is known of it.
        network: on its device.
        method: whose head predicts, if that is not the network's own.
        scaling: what its inputs are standardised with, if they are.
        assets: contents by name of the files that raw samples are read with.
    """

    record: StudentRecord
    network: Placed
    method: Distiller | None
    scaling: Scaling | None
    assets: Mapping[str, bytes]

    @torch.inference_mode()
    def logits(self, views: Tensor) -> Tensor:
        """[N, C, ...] for `views` [N, ...] on the network's device, standardised where need be.

        The same views in the same batches give what evaluation after training gave, to the bit.
        """
        outputs = self.network(views)
        if self.record.head is None or self.method is None:
            return outputs.logits
        return self.method.heads(outputs)[self.record.head.name]

    def predict(self, files: Sequence[str | Path]) -> list[Prediction]:
        """What each sample in raw `files` is taken for, in their order.

        Raises:
            DataError: a file cannot be read as the data set's are.
        """
        samples = (sample for file in files for sample in self._samples(Path(file)))
        return [one for batch in _batches(samples) for one in self._answers(batch)]

    def embed(self, files: Sequence[str | Path]) -> Tensor:
        """[N, E], the logits of each sample in raw `files`, in their order, on the CPU.

        Of a retrieval these are embeddings, divided by their lengths.

        Raises:
            DataError: as `predict`.
        """
        samples = (sample for file in files for sample in self._samples(Path(file)))
        batches = (torch.stack([view for _, view in batch]) for batch in _batches(samples))
        none = torch.empty(0, self.record.network.outputs)
        return normalize(torch.cat([none, *(self.logits(batch).cpu() for batch in batches)]))

    def _samples(self, file: Path) -> Iterator[Sample]:
        record = self.record
        dataset = datasets.find_reader(record.dataset, self.assets)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", ShortWarning)
                values = dataset.read_file(record.modality, file, self.assets)
            views = [self._view(value) for value in values]
        except (Damaged, ValueError) as error:
            raise DataError(f"cannot be used: {error}", str(file)) from None
        for warning in caught:
            tell_once(f"{file}: {warning.message}.")
        for number, view in enumerate(views):
            yield (f"{file}#{number}" if len(views) > 1 else str(file)), view

    def _view(self, value: Any) -> Tensor:  # noqa: ANN401
        """What the network is shown of one sample."""
        payload = self.record.payload
        if not payload.shape:
            payload = replace(payload, shape=np.shape(value))
        kind, device = modalities.find(payload), self.network.runtime.device
        decoded = kind.decode([kind.encode(value)], None)
        view = kind.view(decoded, None, device)[0]
        if self.scaling is None:
            return view
        mean, std = (x.to(device) for x in self.scaling)
        return (view - mean) / std

    def _answers(self, batch: Sequence[Sample]) -> Iterator[Prediction]:
        classes = self.record.classes
        views = torch.stack([view for _, view in batch])
        logits = self.logits(views)
        guesses, task = logits.argmax(dim=1), tasks.find(self.record.task)
        if task.aligns:
            what = "it gives embeddings and knows no classes"
            raise DataError(what, f"the student {self.record.name}", "Ask its `embed` in Python")
        if task.sets:
            for (name, _), own in zip(batch, logits.sigmoid().tolist(), strict=True):
                found = [one for one, share in zip(classes, own, strict=True) if share > THRESHOLD]
                yield Prediction(name, spell_set(found), dict(zip(classes, own, strict=True)))
            return
        if not task.dense:
            shares = logits.softmax(dim=1).tolist()
            for (name, _), guess, own in zip(batch, guesses.tolist(), shares, strict=True):
                yield Prediction(name, classes[guess], dict(zip(classes, own, strict=True)))
            return
        maps = resized(logits, *views.shape[-2:]).argmax(dim=1).cpu()
        for (name, _), mask in zip(batch, maps, strict=True):
            counts = torch.bincount(mask.flatten(), minlength=len(classes))
            own = (counts / mask.numel()).tolist()
            label = classes[int(counts.argmax())]
            pixels = mask.numpy().astype(np.uint8)
            yield Prediction(name, label, dict(zip(classes, own, strict=True)), pixels)


def load_folder(folder: Path, device: str = "cpu") -> Student:
    """The student that was exported to `folder`; DataError if there is none that can be used."""
    record, content, _ = read_folder(folder)
    kept = Storage(str(folder))
    assets = {name: kept.read(f"{ASSETS}/{name}") for name in record.assets}
    return _student(record, content, assets, device)


def read_folder(folder: Path) -> tuple[StudentRecord, bytes, str]:
    """The record and the weights of the student in `folder`, and the digest of the weights.

    Raises:
        DataError: there is none, or it is damaged.
    """
    kept = Storage(str(folder))
    if not kept.exists(CONFIG):
        raise DataError("holds no student", str(folder), "Make one with: fdsweep export-model")
    try:
        record = StudentRecord.from_text(kept.read(CONFIG), SCHEMA)
    except UnreadableRecord as fault:
        raise DataError(f"is no student that can be read ({fault})", kept.uri(CONFIG)) from None
    content = kept.read(WEIGHTS)
    try:
        safetensors.torch.load(content)
    except safetensors.SafetensorError:
        raise DataError("is no whole safetensors", kept.uri(WEIGHTS), "Export it again") from None
    return record, content, digest(content)[:20]


def tensors_of(content: bytes) -> dict[str, Tensor]:
    """The network's own tensors among a student's weights."""
    return _part(safetensors.torch.load(content), NETWORK)


def load_kept(storage: str, record: StudentRecord, device: str = "cpu") -> Student:
    """The student of `record` from the storage; DataError if its weights are damaged."""
    kept, place = Storage(storage), layout.student_weights(record.key, record.seed)
    try:
        return _student(record, kept.read(place), stored_assets(storage, record), device)
    except safetensors.SafetensorError:
        set_aside(kept, record, "no whole safetensors")
        raise DataError("the student's weights are gone", kept.uri(place)) from None


def _student(
    record: StudentRecord, content: bytes, assets: Mapping[str, bytes], device: str
) -> Student:
    tensors = safetensors.torch.load(content)
    told = record.network
    with torch.random.fork_rng(devices=[]):  # whoever loads keeps their random numbers
        _check_version("backbone", told.backbone, told.version, backbones.version(told.backbone))
        network = backbones.build(
            told.backbone,
            channels=told.channels,
            num_classes=told.outputs,
            features=told.features,
            **told.options,
        )
        method = _method(record.head, network, told.outputs) if record.head else None
    _fill(network, _part(tensors, NETWORK), record.name)
    if method:
        _fill(method, _part(tensors, METHOD), record.name)
    parts = _part(tensors, SCALING)
    runtime = Runtime.here(torch.device(device))
    return Student(
        record=record,
        network=runtime.place(network.requires_grad_(False).eval()),
        method=method and method.requires_grad_(False).eval().to(runtime.device),
        scaling=Scaling(**parts) if parts else None,
        assets=assets,
    )


def _method(head: Head, network: backbones.Backbone, outputs: int) -> Distiller:
    _check_version("method", head.method, head.version, distillers.version(head.method))
    method = distillers.build(
        head.method,
        num_classes=outputs,
        student_dim=network.dim,
        student_map_dims=network.map_dims,
        **head.sizes,
        **head.options,
    )
    method.epoch, method.epochs = head.epoch, head.epochs
    return method


def _check_version(kind: str, name: str, kept: int, known: int) -> None:
    if kept != known:
        what = f"the student is of version {kept} of the {kind} {name}, and this is {known}"
        raise DataError(what, "", "Use the fdsweep that trained it")


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Give `module` its own of `tensors`; DataError if they are not those of the student `name`.

    A method keeps more than its heads need, such as a teacher's classifier: that is left out.
    """
    wanted = {name: x.shape for name, x in module.state_dict().items()}
    found = {name: x for name, x in tensors.items() if name in wanted}
    if {name: x.shape for name, x in found.items()} != wanted:
        raise DataError("the weights are those of another network", name)
    module.load_state_dict(found)


def _part(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """Those whose names begin with `start`, by the rest of them."""
    return {name.removeprefix(start): x for name, x in tensors.items() if name.startswith(start)}


def _batches(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    """Samples that come one after the other and are of one shape, as many as a pass takes."""
    batch: list[Sample] = []
    for name, view in samples:
        is_full = batch and len(batch) == evaluation_size(view.numel(), view.device)
        if batch and (is_full or view.shape != batch[0][1].shape):
            yield batch
            batch = []
        batch.append((name, view))
    if batch:
        yield batch
