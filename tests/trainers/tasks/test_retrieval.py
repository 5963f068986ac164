"""Networks that learn to find each other's samples."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import INFO, small_fold, small_roles, small_trial

from fdsweep.search_spaces.keys import spell
from fdsweep.search_spaces.ranking.retrieval import RECALLS
from fdsweep.trainers import tasks, teachers
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.replicate import run_replicate

TASK = tasks.find("retrieval")
PLAIN = {"align": False, "band_heads": False}


def embeddings(n=40, noise=1.5):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    return x, (x + noise * rng.normal(size=x.shape)).astype(np.float32)


def of_pairs(storage, method="none", **changes):
    """A trial of a student of the right modality, and that of its teacher of the left."""
    trial = small_trial(storage, method=method, teacher_state="trained", **changes)
    (left,) = small_trial(storage, method="feat").config.teachers
    right = replace(trial.config.network, task="retrieval")
    teacher = replace(left, optim=right.optim, task="retrieval", partner=right)
    config = replace(trial.config, network=right, teachers=(teacher,))
    plain = small_trial(storage, method="none").config
    own = replace(trial, kind="teacher", key=teacher.teacher_key)
    student = replace(trial, config=config, key=config.key)
    return student, replace(own, config=replace(plain, network=teacher))


def paired_fold():
    """The small fold with four amounts of waves in each sample, which both modalities mix."""
    fold, draw = small_fold(), torch.Generator().manual_seed(3)
    waves = torch.stack([torch.sin(torch.arange(24.0) * speed) for speed in (0.3, 0.7, 1.3, 2.1)])
    amounts = torch.randn(120, 4, generator=draw)
    for one in fold.inputs.values():
        mixed = torch.randn(4, one.values.shape[1], 4, generator=draw) / 2
        noise = 0.1 * torch.randn(one.values.shape, generator=draw)
        one.values.copy_(torch.einsum("nf,fcg,gt->nct", amounts, mixed, waves) + noise)
    return fold


def test_the_loss_is_info_nce_both_ways():
    x, y = embeddings(9)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    exps = np.exp(a @ b.T / 0.07)
    each = [np.log(np.diag(exps) / exps.sum(axis=axis)).mean() for axis in (0, 1)]
    loss = TASK.loss(Outputs(torch.zeros(9, 2), torch.from_numpy(x)), torch.from_numpy(y))
    assert loss.item() == pytest.approx(-sum(each) / 2, rel=1e-5)
    assert TASK.couples_samples


@pytest.mark.parametrize("n", [40, 41])
def test_metrics_are_those_of_sorted_similarities(n, monkeypatch):
    monkeypatch.setattr("fdsweep.trainers.tasks.retrieval.ROWS", 7)
    x, y = embeddings(n)
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))
    expected = {}
    for back, similarities in (("", a @ b.T), ("_back", b @ a.T)):
        order = np.argsort(-similarities, axis=1)
        ranks = 1 + np.argmax(order == np.arange(n)[:, None], axis=1)
        expected |= {f"recall_at_{k}{back}": np.mean(ranks <= k) for k in (1, 5, 10)}
        expected[f"median_rank{back}"] = np.median(ranks)
    expected["mean_recall"] = np.mean([expected[name] for name in RECALLS])
    found = TASK.measure(TASK.predict(torch.from_numpy(x), torch.from_numpy(y)), torch.zeros(n))
    assert found == pytest.approx(expected)
    assert 0 < found["recall_at_1"] < found["recall_at_10"] < 1


def test_what_is_alike_to_all_finds_nothing():
    same = torch.ones(30, 6)
    found = TASK.measure(TASK.predict(same, torch.randn(30, 6)), torch.zeros(30))
    assert (found["recall_at_10_back"], found["median_rank_back"]) == (0, 30)


def test_a_teacher_learns_beside_a_partner_and_students_learn_to_meet_it(tmp_path):
    """Far above chance, which is (1 + 5 + 10) / 3 of 25 test samples."""
    fold, chance = paired_fold(), 16 / 3 / 25
    _, teacher = of_pairs(str(tmp_path), epochs=2, lr=0.05)
    assert teacher.config.modalities == ("left", "right")
    outcomes = [run_replicate(teacher, INFO, fold, 0)]
    assert teachers.missing(str(tmp_path), teacher.key, (0,)) == ()
    for method, options in {"none": {}, "fd-cmkd": PLAIN}.items():
        trial, _ = of_pairs(str(tmp_path), method, options=options, epochs=2, lr=0.05)
        outcomes.append(run_replicate(trial, INFO, fold, 0))
    for outcome in outcomes:
        assert outcome["metric"] == "mean_recall"
        assert outcome["test_score"] > 3 * chance
        kept = outcome["kept"]
        assert list(kept) == ["sample_id", "group", "rank", "rank_back"]
        ranks = np.array([kept["rank"], kept["rank_back"]])
        recalls = [np.mean(ranks <= k) for k in (1, 5, 10)]
        assert outcome["test_score"] == pytest.approx(np.mean(recalls))
        split = ("val", "mean_recall")
        val = [value for _, *of, value in outcome["curves"] if tuple(of) == split]
        assert outcome["best_epoch"] == val.index(max(val))


def test_who_moves_and_who_is_as_it_is(tmp_path):
    fold = paired_fold()
    trial, teacher = of_pairs(str(tmp_path))
    roles = small_roles(teacher, fold)
    assert roles.partner.moves
    assert list(roles.trained()) == ["student", "distiller", "partner"]
    run_replicate(teacher, INFO, fold, 0)
    roles = small_roles(trial, fold)
    assert list(roles.trained()) == ["student", "distiller"]
    assert not roles.teachers
    batch = fold.val[:5]
    (known,) = roles.partner.evaluated([batch])
    network = teachers.trained(teacher.config.network, teacher.key, INFO, 0, str(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(known, network(fold.inputs["left"].values[batch]).logits)
    (trained,) = roles.partner.trained([batch], 1)
    assert torch.equal(trained, known)


def test_a_teacher_that_was_stopped_ends_the_same(tmp_path):
    fold = paired_fold()
    _, teacher = of_pairs(str(tmp_path), epochs=2)
    seen = []
    whole = run_replicate(
        teacher, INFO, fold, 0, on_epoch=lambda _, take: seen.append(copy.deepcopy(take()))
    )
    again = run_replicate(teacher, INFO, fold, 0, resume=seen[0])
    assert (again["curves"], again["kept"]) == (whole["curves"], whole["kept"])


def test_a_partner_is_part_of_a_teachers_name_alone(tmp_path):
    _, teacher = of_pairs(str(tmp_path))
    network = teacher.config.network
    alone = replace(network, partner=None)
    assert alone.teacher_key != network.teacher_key
    assert "partner" not in spell(small_trial(str(tmp_path)).config)
    other = replace(network, partner=replace(network.partner, modality="left"))
    assert len({alone.teacher_key, network.teacher_key, other.teacher_key}) == 3
