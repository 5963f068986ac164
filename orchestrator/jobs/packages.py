"""A user's own packages, as files that make them known wherever a folder is on the path.

A package of methods is known by its entry points, so beside its modules lies a `.dist-info`, as
`pip install --target` would leave it. Nothing is built and nothing is installed: packages that a
package needs must be there already.
"""

import hashlib
import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from fdsweep.search_spaces.errors import ConfigError, first_line

GROUPS = "fdsweep."
"""The entry points of our plug-ins are in groups of names that begin so."""

PROJECT = "pyproject.toml"
NO_VERSION = "0"
"""Of a project whose version is worked out when it is built."""

Offers = dict[str, dict[str, str]]
"""Entry points: group -> name -> object."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a user installs beside fdsweep.

    Args:
        name: of the distribution.
        version: of the distribution.
        offers: its entry points.
        parts: its modules and packages that are imported by their own name.
    """

    name: str
    version: str
    offers: Offers
    parts: tuple[Path, ...]

    @property
    def compiled(self) -> bool:
        """Whether it holds modules that fit one kind of machine alone."""
        return any(file.name.endswith(tuple(EXTENSION_SUFFIXES)) for file in self._files())

    def copy_to(self, folder: Path) -> None:
        """Copy what is imported, and the entry points."""
        for part in self.parts:
            if part.is_dir():
                unwanted = shutil.ignore_patterns("__pycache__", ".*")
                shutil.copytree(part, folder / part.name, ignore=unwanted, dirs_exist_ok=True)
            else:
                shutil.copy(part, folder / part.name)
        if not self.offers:
            return
        info = folder / f"{_plain(self.name)}-{self.version}.dist-info"
        info.mkdir()
        told = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        (info / "METADATA").write_text(told)
        lines = [
            line
            for group, points in self.offers.items()
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")

    def _files(self) -> Iterator[Path]:
        for part in self.parts:
            yield from part.rglob("*") if part.is_dir() else (part,)


def own_packages(folders: Iterable[Path], here: Path) -> list[Package]:
    """What goes with a job: `folders`, the project in the folder `here`, what is installed.

    Of one name the first counts. A project or an installed package is taken if it offers plug-ins.

    Raises:
        ConfigError: a folder that holds no package.
    """
    found = [read_folder(folder) for folder in folders]
    if (here / PROJECT).is_file() and _ours(_project(here)[2]):
        found.append(read_folder(here))
    first: dict[str, Package] = {}
    for package in (*found, *installed()):
        first.setdefault(_plain(package.name), package)
    return list(first.values())


def read_folder(folder: Path) -> Package:
    """The package in `folder`: a project with its pyproject.toml, or what is imported by its name.

    Of a project go all modules in its `src/`, else those that its entry points name.

    Raises:
        ConfigError: it is neither.
    """
    if (folder / PROJECT).is_file():
        name, version, offers = _project(folder)
        source = folder / "src"
        if source.is_dir():
            parts = [path for path in sorted(source.iterdir()) if _is_module(path)]
        else:
            beside = [folder / top for top in _tops(offers)]
            parts = [path for top in beside for path in (top, top.with_suffix(".py"))]
            parts = [path for path in parts if _is_module(path)]
        if parts:
            return Package(name, version, offers, tuple(parts))
        what = "its src/ holds no module" if source.is_dir() else "its entry points name no module"
        raise ConfigError(what, f"--package {folder}", "Give the folder of a Python package")
    if (folder / "__init__.py").is_file():
        path = folder.resolve()
        return Package(path.name, NO_VERSION, {}, (path,))
    what = f"there is neither {PROJECT} nor __init__.py in it"
    raise ConfigError(what, f"--package {folder}", "Give the folder of a Python package")


def installed() -> Iterator[Package]:
    """The packages of this environment that offer plug-ins, also editable ones."""
    for one in distributions():
        offers = _offers(one)
        if _ours(offers):
            wanted = dict.fromkeys((*_tops(offers), *_declared(one)))
            parts = [path for top in wanted for path in _imported_from(top)]
            if parts:
                yield Package(one.name, one.version, offers, tuple(parts))


def digest(folder: Path) -> str:
    """What `folder` holds, in 16 hex digits."""
    content = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name, data = path.relative_to(folder).as_posix().encode(), path.read_bytes()
        content.update(b"%d %s %d " % (len(name), name, len(data)) + data)
    return content.hexdigest()[:16]


def _project(folder: Path) -> tuple[str, str, Offers]:
    """Name, version and entry points of the project in `folder`."""
    try:
        project = tomllib.loads((folder / PROJECT).read_text()).get("project", {})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        what = f"cannot be read ({first_line(error)})"
        raise ConfigError(what, str(folder / PROJECT), "Put it right") from None
    name = str(project.get("name", folder.resolve().name))
    return name, str(project.get("version", NO_VERSION)), project.get("entry-points", {})


def _offers(one: Distribution) -> Offers:
    offers: Offers = {}
    for point in one.entry_points:
        offers.setdefault(point.group, {})[point.name] = point.value
    return offers


def _declared(one: Distribution) -> list[str]:
    """What is imported from it by its own name, as far as its files tell."""
    told = (one.read_text("top_level.txt") or "").split()
    return told or [Path(file.parts[0]).stem for file in one.files or () if file.suffix == ".py"]


def _ours(offers: Offers) -> bool:
    return any(group.startswith(GROUPS) for group in offers)


def _tops(offers: Offers) -> list[str]:
    """The names in front of the first dot of what our entry points name."""
    return [
        re.split(r"[.:\s]", value)[0]
        for group, points in offers.items()
        if group.startswith(GROUPS)
        for value in points.values()
    ]


def _imported_from(top: str) -> list[Path]:
    """Where `import top` looks; nowhere if it cannot be imported."""
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(location) for location in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.has_location and spec.origin else []


def _is_module(path: Path) -> bool:
    if path.is_dir():
        return path.name.isidentifier() and path.name != "__pycache__"
    return path.suffix == ".py" and path.is_file()


def _plain(name: str) -> str:
    """One spelling of a distribution's name, as in names of files."""
    return re.sub(r"[-_.]+", "_", name).lower()
