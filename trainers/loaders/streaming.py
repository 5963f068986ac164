"""Samples that stay in their shards and are read and decoded just before they are needed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fdsweep.trainers.loaders import payloads
from fdsweep.trainers.loaders.pictures import CPU, SIZE, choose, crop, whole
from fdsweep.trainers.loaders.pipeline import Batch, Task, read_ahead
from fdsweep.trainers.preparation.shards import Manifest, read_rows


@dataclass(frozen=True, slots=True)
class Loader:
    """Reads and decodes one modality's part of a batch from the shards; it can be pickled."""

    storage: str
    manifest: Manifest
    modality: str

    def __call__(self, task: Task) -> Batch:
        """Frames [B, 3, STORED, STORED] and aspects [B], or `values` [B, ...]."""
        column = read_rows(self.storage, self.manifest, task.rows.tolist(), [self.modality])
        found = column[self.modality].to_pylist()
        payload = self.manifest.payloads[self.modality]
        if payload.kind != "frames":
            return {"values": payloads.numbers(found, payload)}
        counts = torch.tensor([len(clip) for clip in found])
        draws = None if task.chosen is None else torch.from_numpy(task.chosen)[:, None]
        places = choose(counts, draws).tolist()
        jpegs = [clip[place] for clip, place in zip(found, places, strict=True)]
        frames, aspects = payloads.pictures(jpegs)
        return {"frames": frames, "aspects": aspects}


@dataclass(frozen=True, kw_only=True, slots=True)
class Streamed:
    """One modality of a prepared data set, read batch by batch; see `Inputs`.

    The batches are those that the same samples give from memory, to the bit.
    """

    loader: Loader
    device: torch.device = CPU

    @property
    def augmented(self) -> bool:
        """See `Inputs`."""
        return self.loader.manifest.payloads[self.loader.modality].kind == "frames"

    @property
    def numbers(self) -> int:
        """See `Inputs`."""
        payload = self.loader.manifest.payloads[self.loader.modality]
        return 3 * SIZE * SIZE if payload.kind == "frames" else int(np.prod(payload.shape))

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """See `Inputs.batches`."""
        numbers = None if draws is None else list(draws)
        rows = [indices.numpy() for indices in order]
        chosen = [None] * len(rows) if numbers is None else [x[:, 0].numpy() for x in numbers]
        tasks = [Task(*task) for task in zip(rows, chosen, strict=True)]
        for place, batch in enumerate(read_ahead(self.loader, tasks)):
            if "values" in batch:
                values = torch.from_numpy(batch["values"]).to(self.device)
                yield values.float() if values.dtype == torch.float16 else values
                continue
            frames = torch.from_numpy(batch["frames"]).to(self.device)
            if numbers is None:
                yield whole(frames)
            else:
                aspects = torch.from_numpy(batch["aspects"]).to(self.device)
                yield crop(frames, aspects, numbers[place].to(self.device))

    def to(self, device: torch.device) -> "Streamed":
        """See `Inputs.to`."""
        return replace(self, device=device)
