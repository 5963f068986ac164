"""Names for what users choose: methods, tasks, backbones, data sets.

A name belongs to a module of ours that registers it, or to an entry point of an installed package
that is called as what it registers. A look-up imports the module of ours whose text registers the
name, so adding a file adds its names, and what is not asked for costs nothing; an entry point is
loaded only when its own name is looked up, so a broken package never harms another name.
"""

import importlib
import importlib.util
import inspect
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Generic, ParamSpec, TypeVar, Union, get_args, get_origin

from fdsweep.search_spaces.errors import ConfigError, unknown

JOIN = "+"
"""Joins the names of several methods that are added up; no name holds it."""

REGISTERS = re.compile(r"""\bregister\(\s*["']([^"']+)["']""")
"""What in a module's text gives something its name."""

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A registered factory; its author raises `version` when its results change."""

    name: str
    factory: Callable[..., T]
    version: int


class Registry(Generic[T]):
    """Factories by name.

    Args:
        kind: what messages call one of them, such as "data set".
        package: whose modules register themselves when imported.
        entry_point_group: where installed packages name the modules that do so.

    Example:
        >>> shapes = Registry[list]("shape", "fdsweep.trainers.backbones", "example.shapes")
        >>> @shapes.register("empty", version=2)
        ... def empty() -> list:
        ...     return []
        >>> shapes.get("empty").version
        2
    """

    def __init__(self, kind: str, package: str, entry_point_group: str) -> None:
        self.kind = kind
        self.package = package
        self.entry_point_group = entry_point_group
        self._entries: dict[str, Entry[T]] = {}
        self._imported = False

    def register(
        self, name: str, *, version: int = 1
    ) -> Callable[[Callable[P, T]], Callable[P, T]]:
        """Decorate a factory (a class or a function) to make it known as `name`.

        Raises:
            ConfigError: `name` already belongs to another factory.
        """

        def add(factory: Callable[P, T]) -> Callable[P, T]:
            if JOIN in name:
                raise ConfigError(f"{JOIN!r} joins names", f"{self.kind} {name!r}", "Rename it")
            other = self._entries.setdefault(name, Entry(name, factory, version))
            if other.factory is not factory:
                raise ConfigError(
                    f"{self.kind} {name!r} is registered by both {_spell(other.factory)} "
                    f"and {_spell(factory)}",
                    self.entry_point_group,
                    "Rename one of them",
                )
            return factory

        return add

    def get(self, name: str) -> Entry[T]:
        """The entry `name`.

        Raises:
            ConfigError: there is no such name, two packages offer it, or the package that offers
                it cannot be imported.
        """
        if name not in self._entries:
            self._import_module_of(name)
        if name not in self._entries:
            self._import_package()
        if name not in self._entries:
            self._load(name)
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        """Whether `name` is one of `names`; nothing is imported."""
        return (
            name in self._entries
            or name in registrations(self.package)
            or name in entry_points(group=self.entry_point_group).names
        )

    def names(self) -> tuple[str, ...]:
        """All names in order: ours, and those of installed packages, which are not loaded."""
        self._import_package()
        points = entry_points(group=self.entry_point_group)
        return tuple(sorted({*self._entries, *points.names}))

    def _import_module_of(self, name: str) -> None:
        """Import those modules alone whose text registers `name`, here or with another registry."""
        for module in registrations(self.package).get(name, ()):
            importlib.import_module(module)

    def _import_package(self) -> None:
        if self._imported:
            return
        for module in sources(self.package):
            importlib.import_module(module)
        self._imported = True

    def _load(self, name: str) -> None:
        points = tuple(entry_points(group=self.entry_point_group, name=name))
        if not points:
            raise unknown(self.kind, name, self.names(), "")
        if len(points) > 1:
            packages = " and ".join(sorted(_package(point) for point in points))
            raise ConfigError(
                f"{self.kind} {name!r} is offered by {packages}", "", "Uninstall one of them"
            )
        package = _package(points[0])
        try:
            points[0].load()
        except Exception as error:
            raise ConfigError(
                f"{self.kind} {name!r} of the package {package} cannot be imported "
                f"({type(error).__name__}: {error})",
                "",
                f"Repair or uninstall {package}",
            ) from error
        if name not in self._entries:
            raise ConfigError(
                f"the package {package} does not register the {self.kind} {name!r} that it offers",
                "",
                f"Repair or uninstall {package}",
            )


def sources(package: str) -> dict[str, Path]:
    """Name -> file of each module in `package`, by name; neither it nor they are imported."""
    spec = importlib.util.find_spec(package)
    found: dict[str, Path] = {}
    for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
        found |= {path.stem: path for path in folder.glob("*.py") if path.stem != "__init__"}
        found |= {path.parent.name: path for path in folder.glob("*/__init__.py")}
    return {f"{package}.{name}": found[name] for name in sorted(found)}


def registrations(package: str) -> dict[str, list[str]]:
    """Name -> the modules of `package` whose text registers it; nothing is imported."""
    found: dict[str, list[str]] = {}
    for module, path in sources(package).items():
        for name in REGISTERS.findall(path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(module)
    return found


def resolve_options(
    factory: Callable[..., object], options: Mapping[str, object], *, fixed: set[str], owner: str
) -> dict[str, Any]:
    """All options of `factory`: its defaults overlaid by `options`, each in its annotated type.

    Options are the keyword-only parameters that are not `fixed`, annotated with bool, int, float,
    str, or a union of these and None. An int given for a float becomes a float, so that equal
    settings are spelt equally; nothing else is converted, and a bool is not a number.

    Raises:
        ConfigError: an option of `owner` that is unknown, missing, or of another type.
    """
    parameters = {
        name: parameter
        for name, parameter in inspect.signature(factory, eval_str=True).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name not in fixed
    }
    for name in options:
        if name not in parameters:
            raise unknown(f"option of {owner}", name, parameters, "options")
    resolved = {}
    for name, parameter in parameters.items():
        value = options.get(name, parameter.default)
        if value is inspect.Parameter.empty:
            raise ConfigError(f"the option {name} of {owner} is missing", "options", "Give it")
        resolved[name] = coerce(value, parameter.annotation, f"{name} of {owner}")
    return resolved


def coerce(value: object, annotation: Any, where: str) -> object:
    """`value` as one of the types that `annotation` names; ConfigError for one of another."""
    is_union = get_origin(annotation) in (Union, UnionType)
    kinds = get_args(annotation) if is_union else (annotation,)
    if type(value) in kinds and not (isinstance(value, float) and not math.isfinite(value)):
        return value
    if value is None and NoneType in kinds:
        return None
    if type(value) is int and float in kinds:
        return float(value)
    names = ["null" if kind is NoneType else kind.__name__ for kind in kinds]
    raise ConfigError(f"{value!r} is not a usable value", where, f"Give a {' or '.join(names)}")


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _spell(factory: Callable[..., object]) -> str:
    return f"{factory.__module__}.{factory.__qualname__}"
