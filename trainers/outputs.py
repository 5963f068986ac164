"""What a backbone gives for a batch."""

from typing import NamedTuple

from torch import Tensor


class Outputs(NamedTuple):
    """A batch's features, logits and, where a backbone offers them, its stages' feature maps.

    Attributes:
        features: [N, D], global average pool of the last block's output before its final ReLU.
        logits: [N, C].
        maps: output of each stage, [N, channels, ...], first stage first; the last one's is the
            output before the final ReLU. None if there are none.
    """

    features: Tensor
    logits: Tensor
    maps: tuple[Tensor, ...] | None = None

    def detach(self) -> "Outputs":
        """The same values, cut off from the graph that made them."""
        maps = None if self.maps is None else tuple(x.detach() for x in self.maps)
        return Outputs(self.features.detach(), self.logits.detach(), maps)
