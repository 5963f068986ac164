"""What of a user's packages is shipped, and that it is known where a folder is on the path."""

import subprocess
import sys

import pytest
from packages import write_project

from fdsweep.orchestrator.jobs.packages import digest, own_packages, read_folder
from fdsweep.search_spaces.errors import ConfigError


@pytest.fixture
def project(tmp_path):
    """A project with a package, rubbish in it, and a helper that its entry points do not name."""
    files = {"mine/__init__.py": "", "mine/parts.py": "class Mine: pass\n"}
    files |= {"mine/__pycache__/parts.pyc": "", "setup_helper.py": ""}
    points = {"mine": "mine.parts:Mine"}
    return write_project(tmp_path / "project", "My.Methods", files, points, version="1.2")


def shipped(package, folder):
    folder.mkdir()
    package.copy_to(folder)
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_shipped_project_is_found_by_its_entry_point(project, tmp_path):
    files = shipped(read_folder(project), tmp_path / "there")
    info = "my_methods-1.2.dist-info"
    assert files == {
        *("mine/__init__.py", "mine/parts.py"),
        *(f"{info}/METADATA", f"{info}/entry_points.txt"),
    }
    code = (
        "from importlib.metadata import entry_points, version\n"
        "(point,) = entry_points(group='fdsweep.distillers', name='mine')\n"
        "print(point.load().__name__, version('my-methods'))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "there", capture_output=True, text=True
    )
    assert found.stdout.split() == ["Mine", "1.2"], found.stderr


def test_of_a_project_with_src_all_is_shipped(project, tmp_path):
    (project / "src").mkdir()
    (project / "mine").rename(project / "src" / "mine")
    (project / "setup_helper.py").rename(project / "src" / "setup_helper.py")
    assert "setup_helper.py" in shipped(read_folder(project), tmp_path / "there")


def test_what_is_installed_goes_along_and_a_folder_of_the_same_name_before_it(
    project, tmp_path, monkeypatch
):
    site = tmp_path / "site"
    shipped(read_folder(project), site)
    monkeypatch.syspath_prepend(str(site))
    (found,) = [one for one in own_packages((), tmp_path) if one.name == "My.Methods"]
    assert found.parts == (site / "mine",)
    assert shipped(found, tmp_path / "a") == shipped(read_folder(project), tmp_path / "b")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    for folders, here in (((project,), tmp_path), ((), project)):
        (found,) = [one for one in own_packages(folders, here) if one.name == "My.Methods"]
        assert found.parts == (project / "mine",)


def test_compiled_modules_are_noticed(project):
    assert not read_folder(project).compiled
    (project / "mine" / "fast.abi3.so").write_text("")
    assert read_folder(project).compiled


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("notes.txt", "", "neither pyproject.toml nor __init__.py"),
        ("pyproject.toml", "[project", "cannot be read"),
        ("pyproject.toml", "[project]\nname = 'x'", "name no module"),
    ],
)
def test_a_folder_without_a_package_is_refused(tmp_path, name, text, needle):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=needle):
        read_folder(tmp_path)
