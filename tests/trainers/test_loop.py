import copy
import io
import json
import math
from dataclasses import replace

import pytest
import torch
from conftest import INFO, small_fold, small_roles, small_trial

from fdsweep.search_spaces.configs import AA_PERTURBATION
from fdsweep.search_spaces.errors import ReplicateError
from fdsweep.trainers import distillers, distributed
from fdsweep.trainers.loop import epoch_batches, evaluate, train_epoch, train_step
from fdsweep.trainers.replicate import perturb, run_replicate

TEST_ACCURACY = ("test", "accuracy")


def losses(outcome):
    return [value for _, _, name, value in outcome["curves"] if name == "loss_total"]


def results(outcome):
    return {name: value for name, value in outcome.items() if name != "seconds"}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """What `small_trial` comes to as it is; nobody may change it."""
    storage = str(tmp_path_factory.mktemp("plain"))
    return run_replicate(small_trial(storage), INFO, small_fold(), 0)


@pytest.mark.parametrize("method", ["none", "fd-cmkd", "c2kd", "unpaired", "kd+fd-cmkd"])
def test_the_same_seed_gives_identical_metrics(fold, tmp_path, method):
    """In a first epoch; what follows from the same state is the same, as continuing shows."""
    trial = small_trial(str(tmp_path), method=method, epochs=1)
    first, second, other = (results(run_replicate(trial, INFO, fold, seed)) for seed in (0, 0, 1))
    assert first == second
    assert first["curves"] != other["curves"]


@pytest.mark.parametrize(
    "method",
    [
        name
        for name in distillers.names()
        if name != "none" and not distillers.registry.get(name).factory.dense_only
    ],
)
def test_the_teacher_moves_where_the_method_says_and_nowhere_else(fold, tmp_path, method):
    trial = small_trial(str(tmp_path), method=method)
    roles = small_roles(trial, fold)
    (teacher,) = roles.teachers
    before = next(teacher.teach([fold.train[:8]], 0))
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.05)
    train_epoch(trial.config, 0, 0, fold, roles, optimizer)
    after = next(teacher.teach([fold.train[:8]], 0))
    moved = not torch.equal(before.features, after.features)
    assert moved == roles.distiller.moves_teacher == (teacher.moving is not None)


@pytest.mark.parametrize("method", ["feat", "c2kd", "afd", "unpaired"])
def test_every_method_trains_beside_other_samples(fold, tmp_path, method):
    """The pairing has its own stream: the student's batches stay, its numbers change."""
    curves = {}
    for pairing in ("paired", "same-class", "unpaired"):
        trial = small_trial(str(tmp_path), method=method, pairing=pairing, epochs=1)
        curves[pairing] = run_replicate(trial, INFO, fold, 0)["curves"]
    assert all(curves["paired"] != curves[other] for other in ("same-class", "unpaired"))


def test_every_pass_of_a_network_is_a_sign_of_life(fold, tmp_path, monkeypatch):
    """Of the teacher, of the student in training, and in evaluation."""
    beats = []
    monkeypatch.setattr(distributed, "beat", lambda: beats.append(1))
    trial = small_trial(str(tmp_path), method="feat")
    roles = small_roles(trial, fold)
    assert len(beats) == 1  # the teacher's, whose samples are few
    train_epoch(
        trial.config, 0, 0, fold, roles, torch.optim.SGD(roles.trained().parameters(), lr=0.05)
    )
    steps = len(epoch_batches(fold.train, trial.config.network.optim.batch_size, 0, 0))
    assert len(beats) == 1 + steps
    evaluate(roles, fold, trial.config.network.modality, fold.val)
    assert len(beats) == 2 + steps


def test_rows_see_identical_batches(fold, tmp_path, monkeypatch):
    """Another method, drawing more random numbers, must not shift the student or its batches."""
    seen = {}

    def record(name):
        def spy(*args):
            batches = epoch_batches(*args)
            seen.setdefault(name, []).append(batches)
            return batches

        return spy

    starts = {}
    for name, method, options in [
        ("feat", "feat", {}),
        ("fd", "fd-cmkd", {}),
        ("random basis", "fd-cmkd", {"basis": "random"}),
    ]:
        monkeypatch.setattr("fdsweep.trainers.loop.epoch_batches", record(name))
        trial = small_trial(str(tmp_path), method=method, options=options)
        roles = small_roles(trial, fold)
        starts[name] = copy.deepcopy(roles.student.network.state_dict())
        run_replicate(trial, INFO, fold, 0)
    for name in ("fd", "random basis"):
        for own, other in zip(seen["feat"], seen[name], strict=True):
            assert all(torch.equal(a, b) for a, b in zip(own, other, strict=True))
        assert all(torch.equal(starts["feat"][k], starts[name][k]) for k in starts["feat"])


@pytest.mark.parametrize(
    ("samples", "batch_size", "sizes"),
    [
        (70, 16, [16, 16, 16, 16, 6]),
        (64, 16, [16, 16, 16, 16]),
        (65, 16, [16, 16, 16, 17]),  # a single sample joins the batch before
        (5, 16, [5]),
        (1, 16, [1]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_an_epoch_has_every_sample_once_and_keeps_the_last_batch(samples, batch_size, sizes):
    train = torch.arange(100, 100 + samples)
    batches = epoch_batches(train, batch_size, 0, 0)
    assert [len(batch) for batch in batches] == sizes
    assert sorted(torch.cat(batches).tolist()) == train.tolist()


def test_batches_depend_on_seed_and_epoch():
    orders = [torch.cat(epoch_batches(torch.arange(70), 16, *when)) for when in [(0, 0), (0, 1)]]
    orders.append(torch.cat(epoch_batches(torch.arange(70), 16, 1, 0)))
    assert len({tuple(order.tolist()) for order in orders}) == 3


def test_a_term_is_the_mean_over_samples_of_batches_that_differ_in_size(fold, tmp_path):
    """With a learning rate of 0 the student stays, so each batch can be asked again."""
    trial = small_trial(str(tmp_path), method="none")
    roles = small_roles(trial, fold)
    fresh = copy.deepcopy(roles.student.network).train()
    optimizer = torch.optim.SGD(roles.student.network.parameters(), lr=0.0)
    losses = train_epoch(trial.config, 0, 0, fold, roles, optimizer)
    total = sum(
        torch.nn.functional.cross_entropy(
            fresh(fold.inputs["right"].values[batch]).logits, fold.labels[batch], reduction="sum"
        ).item()
        for batch in epoch_batches(fold.train, 16, 0, 0)
    )
    assert math.isclose(losses["task"], total / len(fold.train), rel_tol=1e-5)


@pytest.mark.parametrize("method", ["fd-cmkd", "c2kd", "unpaired", "kd+fd-cmkd"])
def test_stopping_after_any_epoch_changes_nothing(fold, tmp_path, method):
    trial = small_trial(str(tmp_path), method=method)
    taken = {}

    def keep(history, snapshot):
        taken[history.epochs] = copy.deepcopy(snapshot())

    whole = results(run_replicate(trial, INFO, fold, 0, on_epoch=keep))
    for stop in (1, 2):
        again = results(run_replicate(trial, INFO, fold, 0, resume=taken[stop]))
        assert again == whole


def test_what_went_on_from_another_machine_says_so(fold, tmp_path):
    trial = small_trial(str(tmp_path), method="none", epochs=2)
    taken = []

    def keep(_, snapshot):
        taken.append(snapshot())

    whole = run_replicate(trial, INFO, fold, 0, on_epoch=keep)
    facts = json.loads(whole["environment"])
    elsewhere = json.dumps(facts | {"processor": "Another"})
    moved = run_replicate(trial, INFO, fold, 0, resume=taken[0] | {"environments": [elsewhere]})
    assert json.loads(moved["environment"]) == facts | {"continued_from": "processor Another"}


WARM = {"schedule": "cosine", "warmup_epochs": 1.5, "epochs": 4}


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopping_under_a_schedule_by_steps_changes_nothing(fold, tmp_path, optimizer):
    trial = small_trial(str(tmp_path), optimizer=optimizer, weight_decay=0.1, **WARM)
    taken = {}

    def keep(history, snapshot):
        file = io.BytesIO()
        torch.save(snapshot(), file)
        file.seek(0)
        taken[history.epochs] = torch.load(file, weights_only=True)

    whole = results(run_replicate(trial, INFO, fold, 0, on_epoch=keep))
    for stop in (1, 2):  # in the warm-up and after
        assert results(run_replicate(trial, INFO, fold, 0, resume=taken[stop])) == whole


def test_every_step_has_the_rate_of_its_schedule(fold, tmp_path, monkeypatch):
    """70 samples in batches of 16 are 5 steps: 7.5 of warm-up, and a cosine over what is left."""
    seen = []

    def spy(parts, size, roles, optimizer, *rest):
        seen.append(optimizer.param_groups[0]["lr"])
        return train_step(parts, size, roles, optimizer, *rest)

    monkeypatch.setattr("fdsweep.trainers.loop.train_step", spy)
    trial = small_trial(str(tmp_path), method="none", lr=0.3, **WARM)
    outcome = run_replicate(trial, INFO, fold, 0)
    rising = [0.3 * step / 7.5 for step in range(1, 8)] + [0.3]
    falling = [
        1e-4 + (0.3 - 1e-4) * (1 + math.cos(math.pi * (step - 7.5) / 12.5)) / 2
        for step in range(8, 20)
    ]
    assert seen == pytest.approx([*rising, *falling])
    assert [v for _, _, name, v in outcome["curves"] if name == "lr"] == seen[4::5]


def test_test_labels_never_choose(fold, plain, tmp_path):
    """With poisoned test labels the same epoch, head and validation accuracy are chosen."""
    labels = fold.labels.clone()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    trial = small_trial(str(tmp_path))
    poisoned = run_replicate(trial, INFO, replace(fold, labels=labels), 0)
    for chosen in ("best_epoch", "best_head", "val_score"):
        assert plain[chosen] == poisoned[chosen]
    assert plain["kept"]["prediction"] == poisoned["kept"]["prediction"]
    assert plain["test_score"] != poisoned["test_score"]


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_as_published_test_labels_choose(fold, tmp_path, kind):
    """The same poison changes the epoch, and nothing is held out: test is all that chooses."""
    trial = small_trial(str(tmp_path), kind=kind, method="none", epochs=6, lr=0.03)
    network = replace(trial.config.network, protocol="published")
    trial = replace(trial, config=replace(trial.config, network=network))
    labels = fold.labels.clone()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    clean = run_replicate(trial, INFO, fold, 0)
    poisoned = run_replicate(trial, INFO, replace(fold, labels=labels), 0)
    assert clean["best_epoch"] != poisoned["best_epoch"]
    for outcome in (clean, poisoned):
        tested = [v for _, split, name, v in outcome["curves"] if (split, name) == TEST_ACCURACY]
        assert outcome["test_score"] == outcome["test_score_best"] == max(tested)
        assert outcome["best_epoch"] == tested.index(max(tested))
        assert outcome["val_score"] is None


def test_as_published_what_validation_would_hold_out_is_trained_on(fold, tmp_path):
    ours = small_trial(str(tmp_path), method="none")
    network = replace(ours.config.network, protocol="published")
    published = replace(ours, config=replace(ours.config, network=network))
    joined = replace(fold, train=torch.cat([fold.train, fold.val]).sort().values)
    assert losses(run_replicate(published, INFO, fold, 0)) == losses(
        run_replicate(ours, INFO, joined, 0)
    )


def test_a_perturbation_of_nothing_changes_nothing_and_one_of_1e_7_does(fold, plain, tmp_path):
    """The A/A row: rounding noise alone, but noise."""

    def trained(relative):
        last = []
        trial = small_trial(str(tmp_path), perturbation=relative)
        outcome = run_replicate(
            trial, INFO, fold, 0, on_epoch=lambda _, snapshot: last.append(snapshot())
        )
        return results(outcome), last[-1]["networks"]

    (none, weights), (some, moved) = trained(0.0), trained(AA_PERTURBATION)
    assert results(plain) == none
    assert not all(torch.equal(weights[name], moved[name]) for name in weights)
    assert losses(none) == pytest.approx(losses(some), rel=1e-3)


def test_a_perturbation_is_relative_to_each_weight():
    network = torch.nn.Linear(40, 30).double()
    before = copy.deepcopy(network)
    perturb(network, 0.0, torch.Generator().manual_seed(0))
    assert torch.equal(network.weight, before.weight)
    perturb(network, 1e-7, torch.Generator().manual_seed(0))
    change = (network.weight / before.weight - 1).detach()
    assert change.std().item() == pytest.approx(1e-7, rel=0.1)
    assert change.mean().abs().item() < 1e-8


def test_accuracy_agrees_with_counting(fold, plain):
    kept = plain["kept"]
    hits = [p == y for p, y in zip(kept["prediction"], kept["label"], strict=True)]
    assert plain["metric"] == "accuracy"
    assert plain["test_score"] == pytest.approx(sum(hits) / len(hits))
    assert list(kept) == ["sample_id", "group", "label", "prediction"]
    assert kept["label"] == fold.labels[fold.test].tolist()
    assert kept["sample_id"][0] == f"s{int(fold.test[0])}"
    assert kept["group"][0] == str(int(fold.test[0]) % 10)
    assert json.loads(json.dumps(plain))["kept"] == kept


def test_a_loss_that_explodes_is_a_replicate_error(fold, tmp_path):
    trial = small_trial(str(tmp_path), method="feat", options={"weight": 1e30})
    with pytest.raises(ReplicateError, match="no longer finite in epoch"):
        run_replicate(trial, INFO, fold, 0)


def test_the_learning_rate_of_the_config_arrives(fold, tmp_path):
    """Published code ignored it; here it decides the weights and stands in the curves."""
    slow, fast = (
        run_replicate(small_trial(str(tmp_path), lr=lr), INFO, fold, 0) for lr in (0.001, 0.1)
    )
    assert next(v for _, _, m, v in slow["curves"] if m == "lr") == 0.001
    assert slow["curves"][-1] != fast["curves"][-1]


def test_training_lowers_the_loss_and_learns(tmp_path):
    trial = small_trial(str(tmp_path), epochs=6, lr=0.02)
    outcome = run_replicate(trial, INFO, small_fold(1), 0)
    losses = [v for _, _, m, v in outcome["curves"] if m == "loss_task"]
    assert losses[-1] < 0.7 * losses[0]
    assert outcome["test_score"] > 0.5


def test_a_step_is_one_sgd_step_on_the_total(fold, tmp_path):
    """One epoch of one batch against torch's own optimiser by hand."""
    trial = small_trial(str(tmp_path), method="none")
    part = replace(fold, train=fold.train[:16])
    roles = small_roles(trial, part)
    expected = copy.deepcopy(roles.student.network).train()
    optimizer = torch.optim.SGD(roles.student.network.parameters(), lr=0.1)
    inputs = part.inputs["right"].values
    losses = train_epoch(trial.config, 0, 0, part, roles, optimizer)

    (order,) = epoch_batches(part.train, 16, 0, 0)
    loss = torch.nn.functional.cross_entropy(expected(inputs[order]).logits, part.labels[order])
    loss.backward()
    assert math.isclose(losses["task"], loss.item(), rel_tol=1e-6)
    for mine, theirs in zip(roles.student.network.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs - 0.1 * theirs.grad)
