"""Methods: one module each, found through the registry or the entry points `fdsweep.distillers`.

A method gets both networks' `Outputs` and the labels of a whole batch; it never runs a network.
"""

from collections.abc import Mapping
from typing import Any

from trainers.distillers.base import Distiller
from trainers.outputs import Outputs
from trainers.registry import Registry
from trainers.registry import resolve_options as _resolve

__all__ = ["Distiller", "Outputs", "build", "names", "registry", "resolve_options"]

SIZES = {"num_classes", "student_dim", "teacher_dim"}

registry: Registry[Distiller] = Registry("method", "trainers.distillers", "fdsweep.distillers")


def build(
    name: str, *, num_classes: int, student_dim: int, teacher_dim: int, **options: object
) -> Distiller:
    """The method `name`, freshly initialised from torch's global generator.

    Args:
        name: one of `names()`.
        num_classes: C.
        student_dim: D_s, the width of the student's features.
        teacher_dim: D_t, the width of the teacher's features.
        options: of the method; its signature has the defaults.

    Raises:
        ConfigError: an unknown name or option, or a value that cannot be used.

    Example:
        >>> distiller = build("feat", num_classes=7, student_dim=128, teacher_dim=128, weight=10)
        >>> distiller.weight
        10.0
    """
    resolved = resolve_options(name, options)
    return registry.get(name).factory(
        num_classes=num_classes, student_dim=student_dim, teacher_dim=teacher_dim, **resolved
    )


def resolve_options(name: str, options: Mapping[str, object]) -> dict[str, Any]:
    """All options of the method `name`: its defaults overlaid by `options`, spelt one way.

    Raises:
        ConfigError: an unknown name or option, or a value of the wrong type. Ranges are checked
            by `build`.

    Example:
        >>> resolve_options("feat", {"weight": 10})
        {'weight': 10.0, 'reduction': 'mean'}
    """
    return _resolve(registry.get(name).factory, options, fixed=SIZES, owner=name)


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return registry.names()
