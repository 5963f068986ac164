"""Options that files and variables set, and who wins."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, _get_command

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.cli.jobs import _parsed
from fdsweep.orchestrator.cli.settings import files


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FDSWEEP_STORAGE", "FDSWEEP_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def fdsweep(*words, **variables):
    return CliRunner().invoke(app, [str(word) for word in words], env=variables)


def values(*words, **variables):
    result = fdsweep("config", *words, "--json", **variables)
    assert result.exit_code == 0, result.output
    return {
        one["option"]: (one["value"], one["origin"]) for one in json.loads(result.stdout)["options"]
    }


def test_what_is_typed_wins_over_a_variable_a_table_and_the_top():
    Path("fdsweep.toml").write_text(
        'seeds = 3\nstorage = "top"\nepochs = 2\n[models]\nstorage = "table"\n'
    )
    assert values("models")["storage"] == ("table", "fdsweep.toml")
    assert values("status")["storage"] == ("top", "fdsweep.toml")
    assert values("models", FDSWEEP_STORAGE="var")["storage"] == ("var", "FDSWEEP_STORAGE")
    assert values("ui")["port"] == (5000, "built in")
    assert "typed" in fdsweep("models", "--storage", "typed").stderr
    assert "table" in fdsweep("models").stderr


def test_values_become_what_is_typed():
    Path("fdsweep.toml").write_text(
        "seeds = [0, 3]\nbudget_hours = 1\naa = true\n"
        '[compare]\nmethods = ["kd", "feat"]\noption = {weight = 2}\npretrained = {rgb = "x"}\n'
        "[search]\nprune = false\n"
    )
    found = values("compare")
    assert found["seeds"][0] == "0,3"
    assert found["budget-hours"][0] == 1.0
    assert found["aa"][0] is True
    assert found["methods"][0] == "kd,feat"
    assert found["option"][0] == ["weight=2"]
    assert found["pretrained"][0] == ["rgb=x"]
    assert values("search")["prune"] == (False, "fdsweep.toml")


def test_the_file_of_a_sweep_says_itself_what_it_studies():
    Path("fdsweep.toml").write_text("seeds = 3\ngpus = 2\n[run]\nepochs = 4\n")
    found = values("run")
    assert found["seeds"] == (None, "built in")
    assert (found["gpus"][0], found["epochs"][0]) == (2, 4)


def test_a_projects_own_file_does_as_well_and_fdsweeps_wins():
    Path("pyproject.toml").write_text("[tool.fdsweep]\nseeds = 2\n[project]\nname = 'x'\n")
    assert values() == {"seeds": (2, "pyproject.toml [tool.fdsweep]")}
    Path("fdsweep.toml").write_text("")
    assert values() == {}


def test_what_is_printed_can_be_a_file_again():
    Path("fdsweep.toml").write_text('keep = "all"\n[datasets.show]\nout = "x.png"\n')
    result = fdsweep("config", "--origin", FDSWEEP_EPOCHS="3")
    assert result.stdout.splitlines() == [
        'epochs = "3"  # FDSWEEP_EPOCHS',
        'keep = "all"  # fdsweep.toml',
        "",
        "[datasets.show]",
        'out = "x.png"  # fdsweep.toml',
    ]
    before = values("search")
    Path("fdsweep.toml").write_text(fdsweep("config", "search").stdout)
    assert {key: value for key, (value, _) in values("search").items()} == {
        key: value for key, (value, _) in before.items()
    }
    Path("fdsweep.toml").unlink()
    assert "No file and no variable" in fdsweep("config").stdout


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("sedes = 3", "unknown option 'sedes'. Choose from"),
        ("[ablatio]\nseeds = 3", "Did you mean 'ablation'?"),
        ("[report]\nseeds = 3", "fdsweep.toml: unknown option of report 'seeds'"),
        ("[datasets]\nshow = 3", "fdsweep.toml, datasets show: is the name of a command"),
        ("[ablation]\naa = 3", "fdsweep.toml, aa: 3 is neither true nor false"),
        ("[ablation]\nstudy = {a = 1}", "fdsweep.toml, study: {'a': 1} is no value"),
        ("seeds = 1979-05-27", "is no value of an option"),
        ("seeds = ", "fdsweep.toml: is not TOML: "),
    ],
)
def test_a_fault_in_a_file_is_one_sentence(text, needle):
    Path("fdsweep.toml").write_text(text)
    result = fdsweep("status")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert needle in result.stderr


def test_a_job_of_a_cluster_gets_what_files_say_here():
    Path("fdsweep.toml").write_text("seeds = 3\nepochs = 2\n[search]\nprune = false\naa = true\n")
    root = _get_command(app).make_context("fdsweep", ["submit"])
    root.default_map = files.defaults(root.command, files.read(Path()))
    context = root.command.commands["submit"].make_context("submit", ["search"], parent=root)
    settings, more = _parsed(context, "search", ["--epochs", "5"])
    assert (settings["seeds"], settings["epochs"], settings["aa"]) == ("3", 5, True)
    assert more == ["--no-prune", "--aa", "--seeds=3"]
