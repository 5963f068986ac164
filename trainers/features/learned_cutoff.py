"""A cutoff of the frequency split that is trained along with the student."""

import torch
from torch import Tensor, nn

from fdsweep.trainers.frequency import soft_split, soft_split_in_basis

WIDEST = 1 / 8
"""Width of the edge in the first epoch, a share of the K bins."""

NARROWEST = 0.1
"""Width of the edge in the last epoch, in bins."""


class LearnedCutoff(nn.Module):
    """c = sigmoid(θ) with one trainable scalar θ, which starts at 0: c = 1/2.

    θ learns at the rate of all the rest, without a factor. On `watch`, with FD-CMKD's defaults,
    its gradient is 0.03 to 0.8 a batch: SGD at 0.01 carries c from 0.1 to a third within two
    epochs, and the noise of a batch moves it by about 0.001. A factor would raise both. Without
    align and band heads the squared errors alone reach θ; their mean over D leaves it a gradient
    of 0.001, as weak beside the task as what the student gets: they want weight, or the sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        """The cutoff, a scalar."""
        return torch.sigmoid(self.theta)

    def split(
        self, features: Tensor, basis: Tensor | None, epoch: int, epochs: int, keep_dc: bool
    ) -> tuple[Tensor, Tensor]:
        """Soft bands of `features` [..., D] as wide at the edge as the epoch wants them.

        They are those of the Fourier basis, or of `basis` [D, D] if there is one.
        """
        width = temperature(features.shape[-1], epoch, epochs)
        if basis is None:
            return soft_split(features, self(), width, keep_dc)
        return soft_split_in_basis(features, basis, self(), width, keep_dc)


def temperature(dim: int, epoch: int, epochs: int) -> float:
    """Width of the edge between the bands of `dim` channels, in bins.

    It falls geometrically from K / 8 (or 0.1 if that is more) to 0.1 in the last of the `epochs`.
    A single epoch is the last one.
    """
    widest = max(WIDEST * (dim // 2), NARROWEST)
    progress = epoch / (epochs - 1) if epochs > 1 else 1
    return float(widest * (NARROWEST / widest) ** progress)
