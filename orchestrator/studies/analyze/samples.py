"""What an analysis looks at: test samples, or places of test pictures."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import rng
from fdsweep.trainers.datasets import Fold
from fdsweep.trainers.features.analysis.positions import Positions, draw_positions
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.loaders import evaluated_views


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """M samples of which networks have features.

    Attributes:
        inputs: [N] of the fold's samples, which the networks are given.
        labels: [M], classes.
        groups: [M], what is drawn anew for intervals.
        positions: P places of every picture; None where a network has one feature of an input.
        kept: [M] of the N x P places, picture by picture; None without positions.
    """

    inputs: Tensor
    labels: Tensor
    groups: tuple[str, ...]
    positions: Positions | None = None
    kept: Tensor | None = None

    @property
    def places(self) -> Tensor | None:
        """[M], the number of each sample's place in its picture; None without positions."""
        if self.positions is None or self.kept is None:
            return None
        return self.kept % len(self.positions.rows)

    def some(self, most: int, seed: int) -> "Samples":
        """`most` of them at most, drawn from `seed`, in the order in which they stand here."""
        order = torch.randperm(len(self.labels), generator=rng.generator(seed, "embedding-samples"))
        chosen = order[:most].sort().values
        part = replace(
            self,
            labels=self.labels[chosen],
            groups=tuple(self.groups[i] for i in chosen.tolist()),
        )
        if self.kept is None:
            return replace(part, inputs=self.inputs[chosen])
        return replace(part, kept=self.kept[chosen])


def samples_of(fold: Fold, seed: int) -> Samples:
    """The test samples of `fold`, or labelled places of its test pictures, drawn from `seed`.

    The places are the same in every picture, so that each has its like in the others; one that
    fewer than two pictures have labelled has none, and is left out.

    Raises:
        ConfigError: all are left out.
    """
    groups = tuple(fold.groups[i] for i in fold.test.tolist())
    if fold.label_maps is None:
        return Samples(inputs=fold.test, labels=fold.labels[fold.test], groups=groups)
    draw = rng.generator(seed, "analysis-positions")
    positions: Positions | None = None
    parts = []
    for maps in evaluated_views(fold.label_maps, fold.test):
        positions = positions or draw_positions((maps.shape[1], maps.shape[2]), draw)
        parts.append(positions.of_labels(maps.cpu()))
    labels = torch.cat(parts)
    known = labels != IGNORE
    kept = (known & (known.sum(dim=0) > 1)).flatten().nonzero().flatten()
    if not len(kept):
        what = f"no position is labelled in two of {len(labels)} test pictures"
        raise ConfigError(what, "features", "Give a larger test split")
    return Samples(
        inputs=fold.test,
        labels=labels.flatten()[kept],
        groups=tuple(groups[i] for i in (kept // labels.shape[1]).tolist()),
        positions=positions,
        kept=kept,
    )
