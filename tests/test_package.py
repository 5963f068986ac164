"""The wheel, installed apart from the repository, is all that a user needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
ROOMS = ("orchestrator", "results", "search_spaces", "trainers")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that holds nothing but what the wheel installs."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def python(installed, tmp_path, *words):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True
    )


def test_the_wheel_installs_one_name(installed):
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names - {"bin"} == {"fdsweep"}
    assert {path.name for path in (installed / "fdsweep").iterdir()} >= set(ROOMS)


def test_the_wheel_holds_every_file_that_the_rooms_have(installed):
    listed = subprocess.run(
        ["git", "ls-files", *ROOMS], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert [name for name in listed if not (installed / "fdsweep" / name).is_file()] == []


def test_the_rooms_cannot_be_imported_by_their_own_names(installed, tmp_path):
    for room in ROOMS:
        assert "ModuleNotFoundError" in python(installed, tmp_path, "-c", f"import {room}").stderr


def test_the_command_line_runs_from_the_wheel_in_any_folder(installed, tmp_path):
    code = "import fdsweep; print(fdsweep.__file__)"
    assert python(installed, tmp_path, "-c", code).stdout.startswith(str(installed))
    run = "from fdsweep.orchestrator.cli import app; app()"
    found = python(installed, tmp_path, "-c", run, "ablation", "--dry-run", "--seeds", "2")
    assert found.returncode == 0, found.stderr
    assert "16 cells" in found.stdout
