"""What a person sees of commands before they run, and how much they say."""

import logging
import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, _get_command

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.cli.help.command import DATA, OUTPUT, RESOURCES, STUDY
from fdsweep.orchestrator.cli.help.examples import EXAMPLES
from fdsweep.orchestrator.cli.settings.files import options, walk

ROOT = _get_command(app)
COMMANDS = dict(walk(ROOT))
STORED = str(Path(__file__).parents[3] / "docs" / "studies" / "watch")


def test_every_command_has_examples_that_can_be_typed():
    assert EXAMPLES.keys() == COMMANDS.keys() - {"init", "datasets"}
    for command, examples in EXAMPLES.items():
        for typed, _ in examples:
            program, *words = shlex.split(typed.partition(" > ")[0])
            name = " ".join(words[: command.count(" ") + 1])
            assert program == "fdsweep"
            COMMANDS[name].make_context(name, words[command.count(" ") + 1 :])
        assert any(typed.startswith(f"fdsweep {command}") for typed, _ in examples), command
        assert COMMANDS[command].epilog.splitlines()[-1] == examples[-1][0]


def test_options_stand_in_panels():
    for name in ("ablation", "compare", "search", "run", "analyze"):
        panels = [option.rich_help_panel for option in options(COMMANDS[name]).values()]
        assert list(dict.fromkeys(panels)) == [STUDY, RESOURCES, DATA, OUTPUT], name
    printed = CliRunner().invoke(app, ["ablation", "--help"]).stdout
    order = [printed.index(f"─ {panel} ─") for panel in (STUDY, RESOURCES, DATA, OUTPUT)]
    assert order == sorted(order)
    assert "fdsweep ablation --seeds 5" in printed
    printed = CliRunner().invoke(app, ["--help"]).stdout
    for panel in ("Study", "Results", "Data", "Cluster", "Upkeep"):
        assert f"─ {panel} ─" in printed


def test_every_option_has_a_variable_of_its_own():
    for name, command in COMMANDS.items():
        found = [option.envvar for option in options(command).values()]
        assert len(set(found)) == len(found), name
    variables = {key: option.envvar for key, option in options(COMMANDS["sync"]).items()}
    assert variables["tracking-uri"] == "MLFLOW_TRACKING_URI"
    assert variables["json"] == "FDSWEEP_JSON"


@pytest.fixture
def hushed(monkeypatch):
    for name in (voice.QUIET, voice.VERBOSE, voice.NO_COLOR, voice.FORCE_COLOR):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    before = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], logging.root.level = before


@pytest.mark.usefixtures("hushed")
def test_a_plan_is_said_unless_it_is_not_wanted(capsys):
    from fdsweep.orchestrator.cli.output import show_plan

    show_plan("plan", {}, dry_run=False, as_json=False)
    voice.choose(quiet=True, verbose=False, no_color=True)
    show_plan("no plan", {}, dry_run=False, as_json=False)
    assert capsys.readouterr() == ("", "plan\n")
    show_plan("asked for", {}, dry_run=True, as_json=False)
    assert capsys.readouterr() == ("asked for\n", "")
    assert os.environ[voice.NO_COLOR] == "1"


@pytest.mark.usefixtures("hushed")
@pytest.mark.parametrize("words", [["-v", "report", "x"], ["report", "x", "--verbose"]])
def test_a_talkative_error_says_where_it_arose(words):
    result = CliRunner().invoke(app, [*words, "--storage", "/nowhere/runs"])
    assert result.exit_code == 2
    assert "Traceback" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("fdsweep: /nowhere/runs: ")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ablation", "--dataset", "crem"], ["crema-d"]),
        (["ablation", "--direction", "acc"], ["accelerometer->gyroscope"]),
        (["ablation", "--dataset", "rooms", "--direction", ""], ["rgb->depth", "depth->rgb"]),
        (["ablation", "--study", "c"], ["components", "controls", "cutoffs"]),
        (["compare", "--methods", "kd,fea"], ["kd,feat"]),
        (["compare", "--methods", "kd+fig"], ["kd+figkd"]),
        (["search", "--method", "unp"], ["unpaired"]),
        (["search", "--space", "l"], ["loss-weights"]),
        (["report", "--storage", STORED, ""], ["last", "components-watch-ff1e8c"]),
        (["status", "--storage", "/nowhere/runs", ""], ["last"]),
        (["export", "--storage", "://", ""], []),
        (["config", "init "], ["init data", "init study"]),
        (["schema", "s"], ["sweep", "space"]),
    ],
)
def test_unfinished_words_are_completed(words, found):
    *before, unfinished = words
    command = COMMANDS[before[0]]
    root = ROOT.make_context("fdsweep", ["x"], resilient_parsing=True)
    context = command.make_context(before[0], before[1:], parent=root, resilient_parsing=True)
    option = next((x for x in command.params if before[-1] in x.opts), None)
    argument = next((x for x in command.params if x.param_type_name == "argument"), None)
    items = (option or argument).shell_complete(context, unfinished)
    assert [item.value for item in items] == found
