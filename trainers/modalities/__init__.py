"""Kinds of modality: one module each, found through the registry or entry points.

The entry points' group is `fdsweep.modalities`. Everything that differs between pictures, sound
and text stands in the module of their kind, so that shards, loaders and contact sheets ask it and
never its name.
"""

from collections.abc import Mapping
from dataclasses import replace

from fdsweep.trainers.modalities.base import Extent, Inputs, Kind, Payload
from fdsweep.trainers.registry import Registry

__all__ = ["Extent", "Inputs", "Kind", "Payload", "find", "find_all", "registry", "with_frame_side"]

registry: Registry[Kind] = Registry(
    "kind of modality", "fdsweep.trainers.modalities", "fdsweep.modalities"
)


def find(payload: Payload) -> Kind:
    """What `payload` is; ConfigError naming the kinds there are for another."""
    return registry.get(payload.kind).factory(payload.shape)


def find_all(payloads: Mapping[str, Payload]) -> dict[str, Kind]:
    """What each of `payloads` is, by modality; ConfigError naming the kinds there are."""
    return {modality: find(payload) for modality, payload in payloads.items()}


def with_frame_side(payloads: Mapping[str, Payload], side: int | None) -> dict[str, Payload]:
    """`payloads` with pictures whose short side is at most `side`; None leaves them as they are."""
    if side is None:
        return dict(payloads)
    return {
        modality: replace(payload, shape=(side,)) if find(payload).framed else payload
        for modality, payload in payloads.items()
    }
