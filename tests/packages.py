"""Small packages of a user's, as projects and as pip leaves them in a folder of the path."""

from collections.abc import Mapping
from pathlib import Path

DISTILLERS = "fdsweep.distillers"


def write_project(
    folder: Path,
    name: str,
    files: Mapping[str, str],
    points: Mapping[str, str],
    version: str = "1.0",
) -> Path:
    """A project of `files`, path -> text, whose entry points offer methods, name -> object."""
    offered = "\n".join(f'{point} = "{what}"' for point, what in points.items())
    project = f'[project]\nname = "{name}"\nversion = "{version}"\n'
    project += f'\n[project.entry-points."{DISTILLERS}"]\n{offered}\n'
    _write(folder, {**files, "pyproject.toml": project})
    return folder


def write_installed(
    site: Path,
    name: str,
    files: Mapping[str, str],
    points: Mapping[str, str],
    group: str = DISTILLERS,
) -> Path:
    """The same, installed in the folder `site`, and for any `group` of entry points."""
    offered = "\n".join(f"{point} = {what}" for point, what in points.items())
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    told = {f"{info}/METADATA": metadata, f"{info}/entry_points.txt": f"[{group}]\n{offered}\n"}
    _write(site, {**files, **told})
    return site


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for place, text in files.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
