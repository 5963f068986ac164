"""Points of a search on a part of `watch`: what they train, and that they never see test."""

import functools
import io
import itertools
from dataclasses import dataclass, replace

import optuna
import pytest
import torch
from torch.nn import functional as F

from fdsweep.orchestrator.search.optuna_study import Problem, Proposer
from fdsweep.orchestrator.search.pruners import asha_rungs
from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.search_spaces.spaces import Space, dimensions
from fdsweep.search_spaces.trials import PointConfig, TrialConfig
from fdsweep.trainers import datasets, distillers
from fdsweep.trainers.datasets import Dataset, DatasetInfo
from fdsweep.trainers.distillers import Distiller, resolve_options
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.trials.tuning import Tuning, without_test

EPOCHS, SEEDS = 3, (0, 3)
WATCH = datasets.find("watch")
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Part(Dataset):
    """Some samples of each split of `watch`, or `poisoned` ones."""

    poisoned: bool = False
    info: DatasetInfo = WATCH.info

    def folds(self, modalities=None):
        return poisoned if self.poisoned else thinned


@functools.cache
def watched():
    return WATCH.folds()


@functools.cache
def thinned(seed):
    fold = watched()(seed)
    return replace(fold, train=fold.train[::80], val=fold.val[::12], test=fold.test[::12])


@functools.cache
def poisoned(seed):
    """All labels of the test split are wrong, and its inputs are no numbers."""
    fold = thinned(seed)
    labels = fold.labels.clone()
    labels[fold.test] = (labels[fold.test] + 1) % fold.num_classes
    inputs = {name: x.values.clone() for name, x in fold.inputs.items()}
    for values in inputs.values():
        values[fold.test] = torch.nan
    return replace(fold, labels=labels, inputs={name: Plain(x) for name, x in inputs.items()})


def network(modality, **optim):
    return NetworkConfig(
        dataset="watch",
        data_fingerprint=WATCH.info.fingerprint,
        modality=modality,
        backbone="cnn1d",
        backbone_version=1,
        loop_version=1,
        optim=OptimConfig(**{"epochs": EPOCHS, "batch_size": 16, **optim}),
    )


def student(modality="gyroscope", method="fd-cmkd", options=(), pairing="paired", **optim):
    other = "accelerometer" if modality == "gyroscope" else "gyroscope"
    return StudentConfig(
        network=network(modality, **optim),
        method=method,
        method_version=1,
        options=resolve_options(method, dict(options)),
        teachers=(network(other),) * distillers.registry.get(method).factory.needs_teacher,
        teacher_state="random",
        pairing=pairing,
    )


BOTH = (student("gyroscope"), student("accelerometer"))


def point(*configs, seeds=SEEDS):
    return PointConfig(key="k", configs=configs, seeds=seeds, rungs=(), storage="nowhere")


def alone(config, seed, dataset=None):
    """The replicate as a study trains it, by itself and with the test split."""
    trial = TrialConfig(
        kind="student", key="k", config=config, seeds=(seed,), group="", storage="nowhere"
    )
    fold = (dataset or Part()).folds(config.modalities)(seed)
    return run_replicate(trial, WATCH.info, fold, seed)


def tuned(point, dataset=None, resume=None):
    """A Tuning of `point`, about to begin or to go on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "find", lambda name, place: dataset or Part())
        return Tuning(point, CPU, resume)


def to_end(tuning):
    """The metrics of each epoch that was left, without what the clock says."""
    metrics = []
    while tuning.epoch < tuning.epochs:
        tuning.run_epoch()
        metrics.append({k: v for k, v in tuning.metrics().items() if k != "seconds"})
    return metrics


def of_split(curves, *splits):
    return [tuple(entry) for entry in curves if entry[1] in splits]


def identical(one, other):
    """Equal to the last bit, whatever it is nested in."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    return one == other


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def studied(_one_thread):
    """The replicates of BOTH, one after the other."""
    return {(c.network.modality, seed): alone(c, seed) for c in BOTH for seed in SEEDS}


@pytest.fixture(scope="module")
def clean(_one_thread):
    """The point of BOTH at its end, and the metrics of its epochs."""
    tuning = tuned(point(*BOTH))
    return tuning, to_end(tuning)


def assert_as_alone(training, replicate):
    """All that a study's `replicate` shows but for test."""
    history = training.history
    assert of_split(history.curves, "val") == of_split(replicate["curves"], "val")
    assert history.curves == of_split(replicate["curves"], "val", "train")
    for chosen in ("epochs", "best_epoch", "best_head", "val_score"):
        assert getattr(history, chosen) == replicate[chosen]


def test_replicates_that_take_turns_are_those_that_a_study_trains(clean, studied):
    tuning, _ = clean
    members = [(t.config.network.modality, t.seed) for t in tuning.trainings]
    assert members == list(studied)
    for training, member in zip(tuning.trainings, members, strict=True):
        assert_as_alone(training, studied[member])
    facts = ("val_score", "best_epoch", "best_head")
    assert tuning.outcome() == {
        "replicates": [
            {"seed": seed, "student_modality": modality, **{k: replicate[k] for k in facts}}
            for (modality, seed), replicate in studied.items()
        ]
    }


@pytest.mark.slow
def test_methods_that_draw_or_carry_something_along_may_take_turns_too(methods_kept):
    @distillers.registry.register("noisy")
    class Noisy(Distiller):
        """Draws random numbers in every step, from torch's global generator."""

        weights = {"error": 1.0}  # noqa: RUF012

        def forward(self, student, teacher, labels):
            error = F.dropout(student.features - teacher.features.detach(), 0.5, self.training)
            return {"error": error.square().mean()}

    configs = (
        student(method="noisy", pairing="shuffled", epochs=2),
        student(method="c2kd", epochs=2),
        student("accelerometer", options={"cutoff": "learn"}, epochs=2),
        student("accelerometer", method="unpaired", pairing="unpaired", epochs=2),
    )
    tuning = tuned(point(*configs, seeds=(1,)))
    to_end(tuning)
    for training in tuning.trainings:
        assert_as_alone(training, alone(training.config, 1))


def test_values_are_means_over_seeds_of_the_best_accuracy_so_far(clean, studied):
    """Recomputed from the curves of single replicates, over all heads."""
    _, metrics = clean

    def best(modality, seed, epochs):
        curves = of_split(studied[modality, seed]["curves"], "val")
        return max(v for epoch, _, name, v in curves if epoch < epochs and "accuracy_" in name)

    for epochs, found in enumerate(metrics, start=1):
        values = [
            sum(best(config.network.modality, seed, epochs) for seed in SEEDS) / len(SEEDS)
            for config in BOTH
        ]
        assert found["values"] == pytest.approx(values, rel=1e-12)
        assert (found["epoch"], found["epochs"]) == (epochs, EPOCHS)
    for earlier, later in itertools.pairwise(metrics):
        assert all(a <= b for a, b in zip(earlier["values"], later["values"], strict=True))
    assert metrics[0]["values"] != metrics[-1]["values"]


def test_poisoned_test_data_change_nothing(clean):
    tuning, metrics = clean
    other = tuned(point(*BOTH), Part(poisoned=True))
    assert to_end(other) == metrics
    assert other.outcome() == tuning.outcome()
    assert identical(other.snapshot()["members"], tuning.snapshot()["members"])


def test_the_poison_would_be_noticed(studied):
    """A control: the same replicate with the same poison, where test is read."""
    spoilt, whole = alone(BOTH[0], 0, Part(poisoned=True)), studied["gyroscope", 0]
    assert spoilt["test_score"] != whole["test_score"]
    assert of_split(spoilt["curves"], "val") == of_split(whole["curves"], "val")


def test_no_test_sample_takes_part(clean):
    fold = Part().folds()(0)
    blind = without_test(fold)
    assert len(fold.test) > 0
    assert len(blind.test) == 0
    assert torch.equal(blind.train, fold.train)
    assert torch.equal(blind.val, fold.val)
    for training in clean[0].trainings:
        assert len(training.fold.test) == 0
        assert {split for _, split, _, _ in training.history.curves} == {"train", "val"}
        assert training.history.kept == {}


@pytest.mark.parametrize("stop", [1, 2])
def test_stopping_after_any_epoch_changes_nothing(clean, stop):
    whole, metrics = clean
    first = tuned(point(*BOTH))
    for _ in range(stop):
        first.run_epoch()
    kept = io.BytesIO()
    torch.save(first.snapshot(), kept)
    kept.seek(0)
    again = tuned(point(*BOTH), resume=torch.load(kept, weights_only=True))
    assert (again.epoch, again.seconds) == (stop, first.seconds)
    assert to_end(again) == metrics[stop:]
    assert again.seconds > first.seconds
    assert again.outcome() == whole.outcome()
    assert identical(again.snapshot()["members"], whole.snapshot()["members"])


@pytest.mark.parametrize(
    "config",
    [student(method="feat", options={"weight": 1e30}), student(method="none", lr=1e20)],
    ids=["weight", "learning rate"],
)
def test_a_point_that_diverges_is_a_replicate_error(config):
    tuning = tuned(point(config, seeds=(0,)))
    with pytest.raises(ReplicateError, match="no longer finite in epoch"):
        to_end(tuning)


TRIALS = 8
SPACE = Space(
    space="test",
    title="Test",
    parameters={
        "lr": {"low": 0.001, "high": 0.1, "log": True},
        "weight_low": {"low": 0.1, "high": 10, "log": True},
    },
)


def search(dataset):
    """A search in this process: (state, params, values, curve) of its trials, and the choice."""
    defaults = {**resolve_options("fd-cmkd", {}), "lr": 0.01}
    problem = Problem(
        dimensions=dimensions(SPACE, "fd-cmkd", defaults),
        constraints=(),
        defaults=defaults,
        objectives=("maximize",),
        rungs=asha_rungs(EPOCHS),
        key_of=lambda chosen: config_of(chosen).key,
        look_up=lambda chosen: None,
    )
    proposer = Proposer(optuna.storages.InMemoryStorage(), "test", problem, TRIALS)
    while proposal := proposer.ask():
        tuning = tuned(point(config_of(proposal.point), seeds=SEEDS[:1]), dataset)
        values = []
        while tuning.epoch < tuning.epochs:
            tuning.run_epoch()
            values = tuning.metrics()["values"]
            if not proposer.report(proposal, tuning.epoch, values[0]):
                values = ()
                break
        proposer.tell(proposal, values=values)
    trials = [(t.state.name, t.params, t.values, t.intermediate_values) for t in proposer.trials()]
    return trials, proposer.study.best_trial.number


def config_of(chosen):
    options = {name: value for name, value in chosen.items() if name != "lr"}
    return student(options=options, lr=chosen["lr"])


@pytest.mark.slow
def test_a_whole_search_chooses_the_same_with_poisoned_test_data():
    """Proposer and Tuning together: points, curves, what was pruned, values and the choice."""
    clean, spoilt = (search(Part(poisoned=poison)) for poison in (False, True))
    assert clean == spoilt
    trials, chosen = clean
    assert {state for state, *_ in trials} == {"COMPLETE", "PRUNED"}
    assert len({tuple(params.values()) for _, params, _, _ in trials}) == len(trials) == TRIALS
    best = max((t for t in trials if t[0] == "COMPLETE"), key=lambda t: t[2])
    assert trials[chosen] == best
