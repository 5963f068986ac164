"""Commands without Ray, one replicate after the other: what every other way must come to.

python calm.py run FILE --storage PATH
"""

import json

import torch

from fdsweep.orchestrator.cli import app
from fdsweep.orchestrator.execution import stages
from fdsweep.orchestrator.execution.cluster import local_resources
from fdsweep.orchestrator.search import run as search
from fdsweep.orchestrator.search import searcher
from fdsweep.orchestrator.search.optuna_study import End
from fdsweep.orchestrator.studies import study
from fdsweep.trainers import datasets
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.trials.tuning import Tuning


def run_plan(plan, resources, storage, observer):
    for trial in (*plan.teachers, *plan.students):
        dataset = datasets.find(
            trial.config.network.dataset, datasets.DataLocation(storage, trial.loading)
        )
        fold_of = dataset.folds(trial.config.modalities)
        for seed in trial.seeds:
            outcome = run_replicate(trial, dataset.info, fold_of(seed), seed) | {"seconds": 0.0}
            observer.keep(trial, seed, json.loads(json.dumps(outcome)))


def run_lanes(lanes, resources, storage, observer, deadline):
    for lane in lanes:
        proposer = lane.proposer
        while proposal := proposer.ask():
            observer.started(proposer, proposal)
            tuning = Tuning(lane.make_point(proposal), torch.device("cpu"))
            while tuning.epoch < tuning.epochs:
                tuning.run_epoch()
                report = tuning.metrics() | {"usage": [], "log": ""}
                observer.epoch(proposer, proposal, report)
                proposer.report(proposal, report["epoch"], report["values"][0])
            values = lane.objectives(report)
            proposer.tell(proposal, values=values, epochs=report["epoch"], seconds=0.0)
            observer.keep(proposer, proposal, End(report, outcome=tuning.outcome()))


def connect(request, meanwhile):
    meanwhile()
    return local_resources(request)


def here(put=setattr):
    """From now on studies and searches train in this process; `put` may undo that later."""
    put(stages, "run_plan", run_plan)
    put(searcher, "run_lanes", run_lanes)
    for asks in (study, search):
        put(asks, "connect", connect)


if __name__ == "__main__":
    torch.set_num_threads(1)
    here()
    app()
