"""Any encoder of transformers for pictures, sound or texts, by its architecture."""

import inspect
import itertools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError, first_line
from fdsweep.trainers.backbones import (
    HUB,
    Backbone,
    couples_samples,
    init_weights,
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
    from transformers import PreTrainedConfig, PreTrainedModel

PICTURES, WAVES, TEXTS = "pixel_values", "input_values", "input_ids"
"""What transformers calls the inputs that are known here."""

SIDE, TIMES, WORDS = 64, 4000, 4
"""Of the sample that a network is looked at with; pictures have the side that it names, if any."""

STILL: Mapping[str, object] = {"layerdrop": 0.0, "apply_spec_augment": False, "use_cache": False}
"""What is switched off: to leave out layers, to mask by numpy's generator, to hold for writing."""


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
            them; dropout and batch normalisation do not train in them either.
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
        self.network = _encoder(_network(_fitted(self._config(), channels), self.name))
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
        self.still = _freeze(self.network, freeze)
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
        given = _weights_of(self._config(), weights, self.name)
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
        takes_any_side = "interpolate_pos_encoding" in _parameters(self.network.forward)
        return {self.takes: x, **({"interpolate_pos_encoding": True} if takes_any_side else {})}

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
            share: Tensor = known * (x.shape[1] / known.sum(dim=1, keepdim=True).clamp(min=1))
            return (h * share[..., None]).mT
        patches = grid[0] * grid[1] if grid else 0
        if not 0 < patches <= h.shape[1]:
            return h.mT
        return h[:, -patches:].mT.unflatten(2, grid)


def _fitted(config: "PreTrainedConfig", channels: int) -> "PreTrainedConfig":
    """`config` for our inputs and our training."""
    told: dict[str, object] = {**STILL, "num_channels": channels, "pad_token_id": PADDING}
    words = getattr(config, "vocab_size", None)
    if isinstance(words, int):
        told["vocab_size"] = max(words, channels)
    for field, value in told.items():
        if hasattr(config, field):
            setattr(config, field, value)
    return config


def _network(config: "PreTrainedConfig", name: str) -> "PreTrainedModel":
    """The network of `config`, without a pooling layer if it can be."""
    made, options = _kind_of(config, name)
    with architectures.quiet():
        return made.from_config(config, **options)


def _encoder(network: "PreTrainedModel") -> "PreTrainedModel":
    """What reads in `network`, without what writes."""
    return network.get_encoder() if network.config.is_encoder_decoder else network


def _weights_of(
    config: "PreTrainedConfig", weights: dict[str, Tensor], name: str
) -> dict[str, Tensor]:
    """The `weights` of a checkpoint as the encoder of `config` names them, those that it has.

    Raises:
        ConfigError: they have other shapes.
    """
    with torch.device("meta"):  # only to see its class
        kind = type(_network(config, name))
    with architectures.quiet():
        network, told = kind.from_pretrained(
            None,
            config=config,
            state_dict=weights,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    for weight, shape, expected in told["mismatched_keys"]:
        what = f"{weight} is {list(shape)}, not {list(expected)}"
        fix = "Give a checkpoint of the same network"
        raise ConfigError(what, f"--pretrained for {name}", fix)
    prefix = "encoder." if config.is_encoder_decoder else ""
    missing = {weight.removeprefix(prefix) for weight in told["missing_keys"]}
    found = _encoder(network).state_dict()
    return {weight: x for weight, x in found.items() if weight not in missing}


def _kind_of(config: "PreTrainedConfig", name: str) -> tuple[Any, dict[str, bool]]:
    from transformers import AutoBackbone, AutoModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING, MODEL_MAPPING

    if type(config) in MODEL_MAPPING:
        made = MODEL_MAPPING[type(config)]
        pools = inspect.isclass(made) and "add_pooling_layer" in _parameters(made.__init__)
        return AutoModel, {"add_pooling_layer": False} if pools else {}
    if type(config) in MODEL_FOR_BACKBONE_MAPPING:
        return AutoBackbone, {}
    raise ConfigError("transformers has no encoder of this kind", name, "Give another one")


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:  # noqa: ANN401
    return inspect.signature(function).parameters


def _mean_of(channels: int) -> nn.Conv1d:
    """A layer that starts as the mean over the channels of a wave."""
    layer = nn.Conv1d(channels, 1, 1, bias=False)
    nn.init.constant_(layer.weight, 1 / channels)
    return layer


def _freeze(network: nn.Module, share: float) -> tuple[nn.Module, ...]:
    """Freeze the first `share` of the blocks, one at least, and what stands before; the modules."""
    if not 0 <= share <= 1:
        raise ConfigError(f"{share} is not a share", "freeze", "Give a number from 0 to 1")
    if share == 0:
        return ()
    blocks = _blocks(network)
    if not blocks:
        raise ConfigError("its blocks are in no list", "freeze", "Leave it out")
    first = dict(itertools.islice(blocks.items(), max(1, round(share * len(blocks)))))
    last = list(first)[-1]
    weights = list(network.named_parameters())
    end = max(i for i, (name, _) in enumerate(weights) if name.startswith(f"{last}."))
    for _, weight in weights[: end + 1]:
        weight.requires_grad_(False)
    before = itertools.takewhile(lambda item: item[0] != last, network.named_modules())
    return (*(module for _, module in before if not [*module.children()]), *first.values())


def _blocks(network: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """What stands in the outermost lists of modules, by name, from the input on."""
    found: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        if isinstance(child, ParametrizationList):
            continue
        if isinstance(child, nn.ModuleList):
            items = ((f"{prefix}{name}.{i}", block) for i, block in enumerate(child))
            found |= {path: block for path, block in items if [*block.parameters()]}
        else:
            found |= _blocks(child, f"{prefix}{name}.")
    return found
