"""Networks: one module per family, found through the registry or `fdsweep.backbones`."""

from functools import partial
from typing import get_type_hints

from fdsweep.search_spaces.configs import FeaturePoint
from fdsweep.trainers.backbones.base import Backbone, init_weights
from fdsweep.trainers.registry import Registry, resolve_options

__all__ = ["Backbone", "build", "init_weights", "is_dense", "names", "registry", "version"]

registry: Registry[Backbone] = Registry(
    "backbone", "fdsweep.trainers.backbones", "fdsweep.backbones"
)


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
    factory = registry.get(name).factory
    resolved = resolve_options(factory, options, fixed={"channels", "num_classes"}, owner=name)
    network = factory(channels=channels, num_classes=num_classes, **resolved)
    network.feature_point = features
    return network


def is_dense(name: str) -> bool:
    """Whether the backbone `name` predicts every pixel; a function is asked what it returns."""
    factory = registry.get(name).factory
    factory = factory.func if isinstance(factory, partial) else factory
    made = factory if isinstance(factory, type) else get_type_hints(factory).get("return")
    return bool(getattr(made, "dense", False))


def version(name: str) -> int:
    """The declared version of the backbone `name`, which enters content keys."""
    return registry.get(name).version


def names() -> tuple[str, ...]:
    """Names of all backbones."""
    return registry.names()
