"""Encoders as transformers makes them, and weights as it reads them."""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.backbones.architecture import quiet
from fdsweep.trainers.modalities.tokens import PADDING

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

STILL: Mapping[str, object] = {"layerdrop": 0.0, "apply_spec_augment": False, "use_cache": False}
"""What is switched off: to leave out layers, to mask by numpy's generator, to hold for writing."""


def encoder_of(config: "PreTrainedConfig", channels: int, name: str) -> "PreTrainedModel":
    """What reads in the network of `config`, for inputs of so many channels; `config` is changed.

    Raises:
        ConfigError: transformers has no encoder of this kind, or lacks what it needs.
    """
    try:
        return _encoder(_network(_fitted(config, channels), name))
    except (ImportError, ValueError, AttributeError) as error:
        what = f"cannot be made here ({' '.join(str(error).split())[:200]})"
        raise ConfigError(what, name, "Give another one") from None


def weights_of(
    config: "PreTrainedConfig", weights: dict[str, Tensor], name: str
) -> dict[str, Tensor]:
    """The `weights` of a checkpoint as the encoder of `config` names them, those that it has.

    Raises:
        ConfigError: they have other shapes.
    """
    with torch.device("meta"):  # only to see its class
        kind = type(_network(config, name))
    with quiet():
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
    with quiet():
        return made.from_config(config, **options)


def _encoder(network: "PreTrainedModel") -> "PreTrainedModel":
    """What reads in `network`, without what writes."""
    return network.get_encoder() if network.config.is_encoder_decoder else network


def _kind_of(config: "PreTrainedConfig", name: str) -> tuple[Any, dict[str, bool]]:
    from transformers import AutoBackbone, AutoModel
    from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING, MODEL_MAPPING

    if type(config) in MODEL_MAPPING:
        made = MODEL_MAPPING[type(config)]
        pools = (
            inspect.isclass(made)
            and "add_pooling_layer" in inspect.signature(made.__init__).parameters
        )
        return AutoModel, {"add_pooling_layer": False} if pools else {}
    if type(config) in MODEL_FOR_BACKBONE_MAPPING:
        return AutoBackbone, {}
    raise ConfigError("transformers has no encoder of this kind", name, "Give another one")
