"""Methods: one module each, found through the registry or the entry points `fdsweep.distillers`.

A method gets the networks' `Outputs` and the labels of a whole batch; it never runs a network.
Names joined by `+` make one method of several.
"""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.distillers.base import OWN_HEAD, Distiller, InnerStep
from fdsweep.trainers.distillers.composition import Composition, OneEach
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.registry import JOIN, Registry
from fdsweep.trainers.registry import resolve_options as _resolve

__all__ = [
    "OWN_HEAD",
    "Distiller",
    "InnerStep",
    "Outputs",
    "build",
    "names",
    "registry",
    "resolve_options",
    "specimen",
    "told_options",
    "version",
]

SIZES = {
    *("num_classes", "student_dim", "teacher_dim", "teacher_dims"),
    *("student_map_dims", "teacher_map_dims", "one_each"),
}

registry: Registry[Distiller] = Registry(
    "method", "fdsweep.trainers.distillers", "fdsweep.distillers"
)


def build(
    name: str,
    *,
    num_classes: int,
    student_dim: int,
    teacher_dim: int,
    teacher_dims: tuple[int, ...] = (),
    student_map_dims: tuple[int, ...] = (),
    teacher_map_dims: tuple[int, ...] = (),
    one_each: Mapping[str, Mapping[str, Any]] | None = None,
    **options: object,
) -> Distiller:
    """The method `name`, freshly initialised from torch's global generator.

    A method's constructor is handed those of the sizes that it names.

    Args:
        name: one of `names()`, or several joined by "+".
        num_classes: C.
        student_dim: D_s, the width of the student's features.
        teacher_dim: D_t, the width of the teacher's features; of several, the first's.
        teacher_dims: of every teacher; one by default.
        student_map_dims: channels of each of the student's maps; none by default.
        teacher_map_dims: channels of each of the (first) teacher's maps; none by default.
        one_each: teachers by name that each have an instance of the method, which starts as it
            would with that teacher alone: what is told of it beside the student, with its `share`.
        options: of the method; its signature has the defaults. Those of several methods are
            called "<method>.<option>".

    Raises:
        ConfigError: an unknown name or option, or a value that cannot be used.

    Example:
        >>> distiller = build("feat", num_classes=7, student_dim=128, teacher_dim=128, weight=10)
        >>> distiller.weights
        {'feat': 10.0}
    """
    if one_each:
        own: dict[str, Any] = {"num_classes": num_classes, "student_dim": student_dim, **options}
        return _one_each(name, one_each, {"student_map_dims": student_map_dims, **own})
    sizes = {
        "num_classes": num_classes,
        "student_dim": student_dim,
        "teacher_dim": teacher_dim,
        "teacher_dims": teacher_dims or (teacher_dim,),
        "student_map_dims": student_map_dims or (student_dim,),
        "teacher_map_dims": teacher_map_dims or (teacher_dim,),
    }
    parts = {part: _build(part, sizes, own) for part, own in _parts(name, options).items()}
    return Composition(parts) if len(parts) > 1 else parts[name]


def resolve_options(name: str, options: Mapping[str, object]) -> dict[str, Any]:
    """All options of the method `name`: its defaults overlaid by `options`, spelt one way.

    Raises:
        ConfigError: an unknown name or option, or a value of the wrong type. Ranges are checked
            by `build`.

    Example:
        >>> resolve_options("feat", {"weight": 10})
        {'weight': 10.0, 'reduction': 'mean'}
        >>> sorted(resolve_options("kd+feat", {"kd.temperature": 2}))
        ['feat.reduction', 'feat.weight', 'kd.temperature', 'kd.weight']
    """
    parts = _parts(name, options)
    return {
        option if len(parts) == 1 else f"{part}.{option}": value
        for part, own in parts.items()
        for option, value in _resolve_one(part, own).items()
    }


def told_options(name: str, options: Mapping[str, object]) -> dict[str, Any]:
    """`resolve_options` as they are spelt in a key: without those absent if unset, and are.

    Raises:
        ConfigError: as `resolve_options`.

    Example:
        >>> told_options("freekd", {"prompts": 0})
        {'weight_low': 1.0, 'weight_high': 1.0, 'levels': 3, 'mask': True}
        >>> told_options("freekd", {"prompts": 6})["prompts"]
        6
    """
    several = JOIN in name
    later = {
        f"{part}.{option}" if several else option
        for part in name.split(JOIN)
        for option in getattr(registry.get(part).factory, "absent_if_unset", ())
    }
    unset = resolve_options(name, {k: value for k, value in options.items() if k not in later})
    resolved = resolve_options(name, options)
    return {k: value for k, value in resolved.items() if k not in later or value != unset[k]}


def specimen(name: str, options: Mapping[str, Any]) -> Distiller:
    """The method `name` at a small size, to ask what it is; ConfigError where `build` gives one."""
    with torch.random.fork_rng(devices=[]):
        return build(name, num_classes=2, student_dim=4, teacher_dim=4, **options)


def version(name: str) -> int:
    """The declared version of the method `name`; of several methods the sum.

    Versions only rise, so no two states of a composition have the same sum.
    """
    return sum(registry.get(part).version for part in name.split(JOIN))


def names() -> tuple[str, ...]:
    """Names of all methods."""
    return registry.names()


def _one_each(
    name: str, teachers: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any]
) -> OneEach:
    """An instance of the method `name` for each of `teachers`, all from the same random numbers."""
    start, parts = torch.get_rng_state(), {}
    for teacher, told in teachers.items():
        torch.set_rng_state(start)
        sizes = {size: value for size, value in told.items() if size != "share"}
        parts[teacher] = build(name, **sizes, **own)
    return OneEach(parts, {teacher: told["share"] for teacher, told in teachers.items()})


def _parts(name: str, options: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """The options of each of the methods that `name` joins."""
    names = name.split(JOIN)
    if len(names) == 1:
        return {name: dict(options)}
    parts: dict[str, dict[str, object]] = {part: {} for part in names}
    if len(parts) < len(names):
        raise ConfigError("a method stands twice", name, "Name each method once")
    for option, value in options.items():
        part, _, own = option.partition(".")
        if part not in parts or not own:
            example = f"{names[0]}.weight"
            raise ConfigError(
                f"the option {option!r} belongs to none of its methods", name,
                f"Write <method>.<option>, such as {example}",
            )  # fmt: skip
        parts[part][own] = value
    return parts


def _resolve_one(name: str, options: Mapping[str, object]) -> dict[str, Any]:
    return _resolve(registry.get(name).factory, options, fixed=SIZES, owner=name)


def _build(name: str, sizes: Mapping[str, object], options: Mapping[str, object]) -> Distiller:
    factory = registry.get(name).factory
    parameters = inspect.signature(factory).parameters
    takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    wanted = {size: value for size, value in sizes.items() if takes_all or size in parameters}
    return factory(**wanted, **_resolve_one(name, options))
