"""What a backbone gives for a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fdsweep.trainers.imports.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor


class Outputs(NamedTuple):
    """A batch's features, logits and, where a backbone offers them, its stages' feature maps.

    Attributes:
        features: [N, D], global average pool of the last block's output, after its final ReLU or
            before: see `Backbone.feature_point`. Of a dense network [N, D, h, w], not pooled.
        logits: [N, C]; of a dense network [N, C, h, w].
        maps: output of each stage, [N, channels, ...], first stage first; the last one's is the
            output before the final ReLU. None if there are none.
    """

    features: Tensor
    logits: Tensor
    maps: tuple[Tensor, ...] | None = None

    def embedding(self) -> Tensor:
        """[N, D], what the network's classifier sees: the last map after ReLU, averaged.

        Without maps it is the ReLU of the features.
        """
        if self.maps is None:
            return torch.nn.functional.relu(self.features)
        return torch.nn.functional.relu(self.maps[-1]).flatten(2).mean(dim=-1)

    def detach(self) -> Outputs:
        """The same values, cut off from the graph that made them."""
        maps = None if self.maps is None else tuple(x.detach() for x in self.maps)
        return Outputs(self.features.detach(), self.logits.detach(), maps)

    def clone(self) -> Outputs:
        """The same values in memory of their own."""
        maps = None if self.maps is None else tuple(x.clone() for x in self.maps)
        return Outputs(self.features.clone(), self.logits.clone(), maps)
