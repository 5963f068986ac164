"""Any encoder of transformers for pictures, sound or texts, by its architecture."""

import inspect
import json
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError, first_line
from fdsweep.trainers.backbones import (
    HUB,
    Backbone,
    couples_samples,
    freezing,
    init_weights,
    loading,
    positions,
    pretrained,
    registry,
)
from fdsweep.trainers.backbones import adapters as low_rank
from fdsweep.trainers.backbones import architecture as architectures
from fdsweep.trainers.backbones.base import recompute_blocks
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.modalities.tokens import PADDING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

WAVES, TEXTS = "input_values", "input_ids"
"""What transformers calls these inputs; all others are taken to be pictures."""

SIDE, TIMES, WORDS = 64, 4000, 4
"""Of the sample that a network is looked at with; pictures have the side that it names, if any."""


@registry.register("hf")
class Encoder(Backbone):
    """An encoder of transformers, initialised as transformers does.

    It is given pictures or spectrograms [N, channels, H, W], waves [N, channels, T], or token ids
    [N, L] int64, 0 for none. Maps are what its blocks give, the last one after the network's final
    normalisation: of pictures [N, D, h, w] without class and register tokens, of waves and texts
    [N, D, L], where tokens that fill up a text count as in `bert.Bert`. A ReLU, which most encoders
    lack, and a mean over the positions lead to the logits, for every kind of encoder alike. What
    the maps do not depend on, such as a pooling layer, does not train.

    In training no layer is left out at random, and nothing of a wave is masked, even where the
    architecture says so.

    Args:
        channels: of pictures, any number; of waves, which a learned mean joins to one; of texts the
            size of the vocabulary, for which the encoder's own is enlarged if it is smaller.
        num_classes: C.
        architecture: what `architecture.read` gives.
        freeze: share of the blocks that stays as it starts, from the input on, with all before
            them; dropout and batch normalisation are as in evaluation there.
        adapters: rank of the low-rank adapters that train in place of the weights; 0 for none.

    Raises:
        ConfigError: it is no encoder that can be used, or a share or rank that cannot be.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_classes: int,
        architecture: str,
        freeze: float = 0.0,
        adapters: int = 0,
    ) -> None:
        super().__init__()
        if adapters < 0:
            raise ConfigError(f"a rank of {adapters}", "adapters", "Give 1 or more, or 0 for none")
        self.architecture = architecture
        self.network = loading.encoder_of(self._config(), channels, self.name)
        positions.by_products(self.network)
        self.takes = self.network.main_input_name
        joins = self.takes == WAVES and channels > 1
        self.join = _mean_of(channels) if joins else nn.Identity()
        for module in self.network.modules():
            if hasattr(module, "_requires_grad"):  # asks for a gradient of waves, that joined have
                module._requires_grad = False
        self.still: tuple[nn.Module, ...] = ()
        self.map_dims, self.unused = self._look(channels)
        self.dim = self.map_dims[-1]
        # a block with batch normalisation would count each batch twice
        knows_how = self.network.supports_gradient_checkpointing
        self.recomputes = knows_how and not couples_samples(self.network)
        self.still = freezing.freeze(self.network, freeze)
        if adapters:
            low_rank.add(self.network, adapters)
        self.classifier = nn.Linear(self.dim, num_classes)
        init_weights(self.classifier)

    @property
    def name(self) -> str:
        """Such as `hf:vit`."""
        return HUB + str(json.loads(self.architecture)["model_type"])

    @override
    def forward(self, x: Tensor) -> Outputs:
        return self.outputs(*self._maps(x))

    @override
    def train(self, mode: bool = True) -> "Encoder":
        super().train(mode)
        for module in self.still:
            module.eval()
        return self

    @override
    def recompute(self) -> None:
        if not self.recomputes:
            super().recompute()
        recompute_blocks(self.network)

    @override
    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        given = loading.weights_of(self._config(), weights, self.name)
        found = {}
        for name, x in self.network.state_dict().items():
            plain = name.replace(low_rank.BASE, "")
            if plain in given:
                found[name] = given[plain]
            elif low_rank.OWN in name or name in self.unused:
                found[name] = x
        pretrained.adopt(self.network, found, "", self.name)

    def _config(self) -> "PreTrainedConfig":
        return architectures.make(json.loads(self.architecture), self.name)

    def _look(self, channels: int) -> tuple[tuple[int, ...], frozenset[str]]:
        """Channels of the maps, and names of the weights that have no part in them.

        The latter are frozen: workers that average gradients wait for one of each other weight.
        """
        self.eval()
        try:
            with torch.enable_grad():
                maps = self._maps(self._sample(channels))
                torch.stack([x.sum() for x in maps]).sum().backward()
        except Exception as error:  # whatever a network of another kind stumbles over
            what = f"cannot be used as an encoder ({type(error).__name__}: {first_line(error)})"
            fix = "Give one that takes pictures, waves or token ids"
            raise ConfigError(what[:300], self.name, fix) from None
        unused = []
        for name, weight in self.network.named_parameters():
            weight.requires_grad_(weight.grad is not None)
            if weight.grad is None:
                unused.append(name)
        self.zero_grad()
        self.train()
        return tuple(x.shape[1] for x in maps), frozenset(unused)

    def _sample(self, channels: int) -> Tensor:
        if self.takes == TEXTS:
            return torch.full([1, WORDS], PADDING + 1)
        if self.takes == WAVES:
            return torch.zeros(1, channels, TIMES)
        side = getattr(self.network.config, "image_size", None) or SIDE
        sides = [side, side] if isinstance(side, int) else list(side)
        return torch.zeros(1, channels, *sides)

    def _maps(self, x: Tensor) -> tuple[Tensor, ...]:
        found = self.network(**self._arguments(x), output_hidden_states=True)
        maps = getattr(found, "feature_maps", None)
        if maps is not None:
            return tuple(maps)
        shaped = getattr(found, "reshaped_hidden_states", None)
        _, *hidden = found.hidden_states if shaped is None else shaped
        grid = hidden[-1].shape[2:] if hidden[-1].ndim == 4 else self._grid(x)
        return tuple(self._as_map(h, x, grid) for h in (*hidden[:-1], found.last_hidden_state))

    def _arguments(self, x: Tensor) -> dict[str, Any]:
        if self.takes == TEXTS:
            return {TEXTS: x, "attention_mask": (x != PADDING).long()}
        if self.takes == WAVES:
            return {WAVES: self.join(x)[:, 0]}
        stretches = positions.STRETCH in inspect.signature(self.network.forward).parameters
        return {self.takes: x, **({positions.STRETCH: True} if stretches else {})}

    def _grid(self, x: Tensor) -> tuple[int, ...]:
        """Rows and columns of patches in pictures `x`; none where there are no such."""
        patch = getattr(self.network.config, "patch_size", None)
        if x.ndim != 4 or patch is None:
            return ()
        high, wide = (patch, patch) if isinstance(patch, int) else patch
        return x.shape[2] // high, x.shape[3] // wide

    def _as_map(self, h: Tensor, x: Tensor, grid: tuple[int, ...]) -> Tensor:
        """[N, D, ...] of what a block gave for the inputs `x`: a map already, or tokens [N, L, D].

        The last tokens are those of the patches, as many as `grid` has.
        """
        if h.ndim == 4:
            return h
        if self.takes == TEXTS:
            known = x != PADDING
            share = known * (x.shape[1] / known.sum(dim=1, keepdim=True).clamp(min=1))
            return (h * share[..., None]).mT
        patches = grid[0] * grid[1] if grid else 0
        if not 0 < patches <= h.shape[1]:
            return h.mT
        maps: Tensor = h[:, -patches:].mT.unflatten(2, grid)
        return maps


def _mean_of(channels: int) -> nn.Conv1d:
    """A layer that starts as the mean over the channels of a wave."""
    layer = nn.Conv1d(channels, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 1 / channels)
    return layer
