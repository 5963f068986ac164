"""Networks: one module per family, found through the registry or `fdsweep.backbones`."""

from functools import lru_cache, partial
from typing import Any, NamedTuple, get_type_hints

import torch
from torch import nn

from fdsweep.search_spaces.configs import FeaturePoint, Option
from fdsweep.trainers.backbones.base import Backbone, init_weights
from fdsweep.trainers.registry import Registry, resolve_options

__all__ = [
    "HUB",
    "Backbone",
    "Traits",
    "build",
    "couples_samples",
    "init_weights",
    "is_dense",
    "is_known",
    "names",
    "registry",
    "traits",
    "version",
]

HUB = "hf:"
"""Begins the name of an encoder of transformers: `hf:vit`, an architecture, is one of `hf`."""

registry: Registry[Backbone] = Registry(
    "backbone", "fdsweep.trainers.backbones", "fdsweep.backbones"
)


class Traits(NamedTuple):
    """Of a backbone, for whoever plans.

    Attributes:
        recomputes: as in `Backbone`.
        couples_samples: see the function.
        nbytes: of its weights.
    """

    recomputes: bool
    couples_samples: bool
    nbytes: int


def build(
    name: str,
    *,
    channels: int,
    num_classes: int,
    features: FeaturePoint = "post-relu",
    **options: object,
) -> Backbone:
    """The backbone `name`, freshly initialised from torch's global generator.

    Args:
        name: one of `names()`.
        channels: of the input [N, channels, ...].
        num_classes: C.
        features: whether they are pooled after the final ReLU or before.
        options: of the backbone; its signature has the defaults.

    Raises:
        ConfigError: an unknown name or option, or a value that cannot be used.

    Example:
        >>> build("cnn1d", channels=3, num_classes=7, width=64).dim
        64
    """
    factory = registry.get(_family(name)).factory
    resolved = resolve_options(factory, options, fixed={"channels", "num_classes"}, owner=name)
    network = factory(channels=channels, num_classes=num_classes, **resolved)
    network.feature_point = features
    return network


@lru_cache
def traits(
    name: str, channels: int, num_classes: int, options: tuple[tuple[str, Option], ...]
) -> Traits:
    """What the backbone `name` is, built once for that; ConfigError where `build` gives one.

    What torch draws next is as before. On torch's meta device it would take longer.
    """
    told: dict[str, Any] = dict(options)
    with torch.random.fork_rng(devices=[]):
        network = build(name, channels=channels, num_classes=num_classes, **told)
    nbytes = sum(x.nbytes for x in network.state_dict().values())
    return Traits(network.recomputes, couples_samples(network), nbytes)


def couples_samples(network: nn.Module) -> bool:
    """Whether what `network` gives for a sample in training depends on the others of its batch."""
    kind = nn.modules.batchnorm._BatchNorm
    return any(isinstance(layer, kind) and layer.training for layer in network.modules())


def is_dense(name: str) -> bool:
    """Whether the backbone `name` predicts every pixel; a function is asked what it returns."""
    factory = registry.get(_family(name)).factory
    factory = factory.func if isinstance(factory, partial) else factory
    made = factory if isinstance(factory, type) else get_type_hints(factory).get("return")
    return bool(getattr(made, "dense", False))


def is_known(name: str) -> bool:
    """Whether there is a backbone `name`; nothing is imported, and no encoder is looked for."""
    return _family(name) in registry


def version(name: str) -> int:
    """The declared version of the backbone `name`, which enters content keys."""
    return registry.get(_family(name)).version


def names() -> tuple[str, ...]:
    """Names of all backbones."""
    return registry.names()


def _family(name: str) -> str:
    """What `name` is registered as."""
    return name.partition(":")[0]
