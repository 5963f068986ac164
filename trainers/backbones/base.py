"""What every backbone is, and how its weights start."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from trainers.outputs import Outputs


class Backbone(nn.Module, ABC):
    """A network from one modality's inputs to `Outputs`.

    Attributes:
        dim: D, the width of the features.
    """

    dim: int

    @abstractmethod
    def forward(self, x: Tensor) -> Outputs:
        """Features [N, D], logits [N, C] and the stages' maps for inputs [N, channels, ...]."""


def init_weights(module: nn.Module) -> None:
    """Draw fresh weights for all layers in `module` from torch's global generator.

    Linear: Xavier normal, zero bias. Convolution: Kaiming normal by fan-out for ReLU, zero bias.
    This is the protocol of FD-CMKD's published code (arXiv 2511.19887).
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
