"""The book says what the program says: generated pages, commands that are typed, links, builds.

What pages tell people to type is parsed by tests/test_documents.py; blocks below `<!-- run -->` are
typed here, in a folder of their own, with the rows of docs/studies/watch as their storage.
"""

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from test_documents import CLI, PINNED, PROJECT, ROOT, words
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.studies.methods import overview
from fdsweep.search_spaces.spaces.space import load_space
from fdsweep.search_spaces.sweep import Row, Sweep, load_sweep
from fdsweep.trainers.datasets.table.columns import KINDS

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
RUN = re.compile(r"<!-- run -->\n+```sh\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```", re.M | re.S)
PAGES = sorted(page for page in DOCS.rglob("*.md") if RUN.search(page.read_text()))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hook():
    return lambda name: load(DOCS / "hooks" / f"{name}.py")


def test_the_page_of_commands_has_every_command_and_option(hook):
    page = hook("commands").page()
    for name, command in CLI.commands.items():
        section = page.partition(f"## fdsweep {name}\n")[2].partition("\n## ")[0]
        for inner in getattr(command, "commands", ()):
            assert f"## fdsweep {name} {inner}\n" in page
        for option in command.params:
            told = option.opts if option.param_type_name == "option" else [option.name.upper()]
            assert option.name == "help" or all(f"`{one}`" in section for one in told), name


def test_the_page_of_fields_has_every_field(hook):
    page = hook("fields").page()
    for model in (Sweep, Row, *KINDS.values()):
        assert all(f"| `{name}` |" in page for name in model.model_fields)
    assert "| `epochs` | whole number, at least 1 and below 2,147,483,648 |  | of every" in page
    assert "| `rows` | list of row | needed | lines of the table" in page


def test_the_page_of_methods_has_every_option(hook):
    page = hook("methods").options()
    for one in overview():
        section = page.partition(f"### Options of `{one['method']}`")[2].partition("\n### ")[0]
        assert all(f"| `{name}` |" in section for name in one["options"]), one["method"]


def test_a_link_that_leads_nowhere_and_a_page_that_loads_from_elsewhere_are_found(hook, tmp_path):
    (tmp_path / "a.html").write_text(
        '<h1 id="top">x</h1><a href="#top"></a><a href="b.html#no"></a><a href="c.html"></a>'
        '<a href="https://example.org"></a><script src="https://example.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<img src="data:,"><a href="a.html#top">x</a>')
    found = hook("links").faults(tmp_path)
    assert [fault.split(" ", 1)[1] for fault in found] == [
        "links to b.html#no, an anchor that is not there",
        "links to c.html, which is not there",
        "loads https://example.org/x.js from elsewhere",
    ]


def test_files_at_the_root_agree_with_the_project():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    for form in (ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"):
        assert {"name", "description", "body"} <= yaml.safe_load(form.read_text()).keys()
    for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]:
        assert {one["entry"].split()[0] for one in repo["hooks"]} <= {
            f".venv/bin/{name}" for name in ("ruff", "mypy", "python")
        }


def test_the_lowest_versions_are_those_of_the_project():
    lowest = dict(line.split("==") for line in load(ROOT / ".ci/lowest.py").lowest())
    named = {re.match(r"[\w-]+", one)[0] for one in PROJECT["dependencies"]}
    assert named - {*lowest} == {"torch"}
    assert lowest["seglearn"] == PINNED["seglearn"]


YAML = re.compile(r"^```yaml\n(# (\S+\.yaml) -> fdsweep (\w+).*?)^```", re.M | re.S)


def test_yaml_files_of_the_book_can_be_used(tmp_path):
    shown = [
        match for page in sorted(DOCS.rglob("*.md")) for match in YAML.findall(page.read_text())
    ]
    assert {command for _, _, command in shown} == {"run", "search"}
    for text, name, command in shown:
        path = tmp_path / name
        path.write_text(text)
        if command == "run":
            load_sweep(path)
        else:
            load_space(str(path))


def typed(line, folder):
    """Type a line of a page: fdsweep in this process, `> file` as a shell does it."""
    if line.startswith("python "):
        subprocess.run([sys.executable, *line.split()[1:]], cwd=folder, check=True)
        return
    name, *rest = words(line)
    assert name == "fdsweep", line
    done = CliRunner().invoke(app, rest)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    into = re.search(r" > (\S+)", line)
    if into:
        (folder / into[1]).write_text(done.stdout)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder to type in, with the pages and their studies; `watch` is the storage."""
    shutil.copytree(DOCS, tmp_path / "docs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FDSWEEP_STORAGE", str(tmp_path / "docs" / "studies" / "watch"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def lines_to_run(page):
    return [line for block in RUN.findall(page.read_text()) for line in block.splitlines() if line]


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [one for one in PAGES if one != TUTORIAL], ids=lambda page: page.stem
)
def test_quick_commands_of_a_page_do_what_it_says(page, desk):
    for line in lines_to_run(page):
        typed(line, desk)


@pytest.mark.slow
@pytest.mark.ray
def test_the_tutorial_can_be_typed_up_to_its_training(cluster, desk, monkeypatch):
    monkeypatch.delenv("FDSWEEP_STORAGE")
    for name, text in FILE.findall(TUTORIAL.read_text()):
        (desk / name).write_text(text)
    for line in lines_to_run(TUTORIAL):
        typed(line, desk)
    assert (desk / "table.tex").read_text().count("toprule") == 1
