"""Samplers and pruners are found by name: a new one is one entry."""

import optuna
import pytest
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.search import pruners, samplers
from fdsweep.orchestrator.search.optuna_study import Problem, Proposer
from fdsweep.orchestrator.search.pruners import NONE, PRUNERS, Pruner
from fdsweep.orchestrator.search.settings import SearchSettings
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.spaces import Dimension, load_space

X = Dimension(name="x", default=0.5, low=0.0, high=1.0)


def proposer(name, steps=(), pruner=pruners.DEFAULT, sampler="random", total=3):
    problem = Problem(
        dimensions=(X,),
        constraints=(),
        defaults={"x": 0.5},
        objectives=("maximize",),
        rungs=steps,
        pruner=pruner,
        key_of=lambda point: content_key(**point),
        look_up=lambda point: None,
    )
    return Proposer(optuna.storages.InMemoryStorage(), name, problem, total, sampler)


def test_a_toy_pruner_is_asked_at_its_own_rungs(monkeypatch):
    """It lets no trial below 0.5 go on, judged after every epoch but the last."""
    toy = Pruner(
        rungs=lambda epochs: tuple(range(1, epochs)),
        judge=lambda rungs: optuna.pruners.ThresholdPruner(lower=0.5),
    )
    monkeypatch.setitem(PRUNERS, "toy", toy)
    assert SearchSettings(space=load_space("cutoffs"), options={}, pruner="toy").pruner == "toy"
    study = proposer("toy", toy.rungs(4), "toy")
    assert study.problem.rungs == (1, 2, 3)
    proposal = study.ask()
    assert study.report(proposal, 1, 0.75)
    assert not study.report(proposal, 2, 0.25)


def test_without_a_pruner_nothing_is_judged():
    assert PRUNERS[NONE].rungs(100) == ()
    study = proposer("none", PRUNERS[NONE].rungs(100), NONE)
    proposal = study.ask()
    assert all(study.report(proposal, epoch, 0.0) for epoch in range(1, 100))


def test_a_toy_sampler_proposes_the_points(monkeypatch):
    class Corner(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):
            return distribution.high

    monkeypatch.setitem(samplers.SAMPLERS, "corner", lambda seed, dimensions: Corner(seed))
    study = proposer("corner", sampler="corner")
    points = []
    while proposal := study.ask():
        points.append(proposal.point["x"])
        study.tell(proposal, values=(0.0,))
    assert points == [0.5, 1.0]  # the default first; the corner is not trained twice


def test_the_command_line_offers_what_there_is():
    text = CliRunner().invoke(app, ["search", "--help"], env={"COLUMNS": "200"}).stdout
    assert "tpe, random, cmaes or gp." in text
    assert "asha or none" in text
    result = CliRunner().invoke(app, ["search", "--pruner", "axe"])
    assert result.exit_code == 2
    assert "--pruner: unknown pruner 'axe'. Choose from: asha, none." in result.stderr


def test_an_unknown_pruner_is_refused():
    with pytest.raises(ConfigError, match="unknown pruner"):
        SearchSettings(space=load_space("cutoffs"), options={}, pruner="axe")
