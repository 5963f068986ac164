"""What every backbone is, and how its weights start."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from fdsweep.search_spaces.configs import FeaturePoint
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.features.maps import on_channels
from fdsweep.trainers.features.outputs import Outputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Backbone(nn.Module, ABC):
    """A network from one modality's inputs to `Outputs`.

    Attributes:
        dim: D, the width of the features.
        map_dims: channels of each stage's map; empty if there are no maps.
        dense: it predicts every pixel: nothing is pooled, features are [N, D, h, w] and logits
            [N, C, h, w], with h and w the input's height and width or a fraction of them.
        classifier: the layer from the pooled last map after ReLU [N, D] to the logits [N, C]; at
            every position of the map, where it is dense.
        recomputes: `recompute` can be called.
        same_steps: as of a `Distiller`.
        feature_point: whether the features are pooled after the last block's ReLU, as those of
            FD-CMKD's published code in fact are, or before it, as that code intends.
    """

    dense: ClassVar[bool] = False
    recomputes: bool = False
    same_steps: bool = False
    dim: int
    feature_point: FeaturePoint = "post-relu"
    map_dims: tuple[int, ...] = ()
    classifier: nn.Linear

    @abstractmethod
    def forward(self, x: Tensor) -> Outputs:
        """Features [N, D], logits [N, C] and the stages' maps for inputs [N, channels, ...].

        `outputs` gives them from the stages' maps.
        """

    def outputs(self, *maps: Tensor) -> Outputs:
        """Features and logits that follow from the stages' `maps`, with these.

        Args:
            maps: [N, channels, ...] each, the last one [N, D, ...] before its final ReLU.
        """
        last = maps[-1]
        if self.dense:
            after = F.relu(last)
            features = after if self.feature_point == "post-relu" else last
            return Outputs(features, on_channels(self.classifier, after), maps)
        places = tuple(range(2, last.ndim))
        pooled = F.relu(last).mean(dim=places)
        features = pooled if self.feature_point == "post-relu" else last.mean(dim=places)
        return Outputs(features, self.classifier(pooled), maps)

    def recompute(self) -> None:
        """In training, compute blocks again in the backward pass instead of holding their results.

        Raises:
            ConfigError: this network has no way to do so.
        """
        what = "this backbone holds what its layers give"
        fix = "Leave it out, or take a BERT or an encoder hf:NAME"
        raise ConfigError(what, f"{type(self).__name__}, --gradient-checkpointing", fix)

    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        """Start from the `weights` of a checkpoint instead of random ones.

        Raises:
            ConfigError: they are not those of this network, or there are none for its kind.
        """
        del weights
        raise ConfigError(
            "there are no checkpoints for this backbone", type(self).__name__, "Leave it random"
        )


def recompute_blocks(network: "PreTrainedModel") -> None:
    """What `Backbone.recompute` is to do, for a network of transformers that can."""
    name = "activation_checkpointing_enable"  # the other is deprecated
    enable = getattr(network, name, None) or network.gradient_checkpointing_enable
    enable({"use_reentrant": False})


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
