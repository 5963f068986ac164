"""Two teachers, of other modalities than the student's, through the real loop.

A method takes both at once, or stands once for each of them.
"""

import json
from dataclasses import replace

import pytest
import torch
from conftest import INFO, network, small_trial

from fdsweep.trainers import distillers, teachers
from fdsweep.trainers.datasets import Modality
from fdsweep.trainers.distillers import Distiller
from fdsweep.trainers.distillers.base import linear
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.loop import epoch_batches, train_epoch
from fdsweep.trainers.replicate import make_roles, run_replicate

BANDS = ("low", "high")
CPU = Runtime.here(torch.device("cpu"))
WIDE = replace(INFO, modalities=(*INFO.modalities, Modality("middle", 2, "cnn1d")))


@pytest.fixture
def wide_fold(fold):
    middle = torch.randn(120, 2, 24, generator=torch.Generator().manual_seed(4))
    return replace(fold, inputs={**fold.inputs, "middle": Plain(middle)})


@pytest.fixture
def both(methods_kept):
    @distillers.registry.register("both")
    class Both(Distiller):
        """Squared distance to each teacher's features, mapped to its width."""

        max_teachers = 2
        seen = ()

        def __init__(self, *, student_dim: int, teacher_dims: tuple, moves: bool = False) -> None:
            super().__init__()
            self.maps = torch.nn.ModuleList(linear(student_dim, dim) for dim in teacher_dims)
            self.weights = {"first": 1.0, "second": 0.5}
            self.moves_teacher = moves
            self.attached = 0

        def attach(self, teacher):
            self.attached += 1

        def forward(self, student, taught, labels):
            Both.seen = taught
            terms = zip(("first", "second"), self.maps, taught, strict=True)
            return {n: (m(student.features) - t.features).square().mean() for n, m, t in terms}

        def distil(self, student, taught, labels):
            return self(student, taught, labels)

    return Both


def trial_of(storage, method="both", **options):
    trial = small_trial(storage, method=method, options=options)
    config = replace(trial.config, teachers=(network("left"), network("middle")))
    return replace(trial, config=config)


def test_it_trains_with_a_term_for_each(both, wide_fold, tmp_path):
    outcome = run_replicate(trial_of(str(tmp_path)), WIDE, wide_fold, 0)
    curves = {m: v for epoch, split, m, v in outcome["curves"] if (epoch, split) == (0, "train")}
    assert list(curves) == ["lr", "loss_task", "loss_first", "loss_second", "loss_total"]
    total = curves["loss_task"] + curves["loss_first"] + 0.5 * curves["loss_second"]
    assert curves["loss_total"] == pytest.approx(total, rel=1e-5)


def test_each_teacher_sees_its_own_modality_of_the_same_samples(both, wide_fold, tmp_path):
    trial = trial_of(str(tmp_path))
    roles = make_roles(trial.config, WIDE, wide_fold, 0, storage=str(tmp_path), runtime=CPU)
    assert roles.distiller.attached == 2
    assert [teacher.modality for teacher in roles.teachers] == ["left", "middle"]
    some = wide_fold.train[:8]
    (taught,) = roles.teach(some[None], 0)
    for found, one in zip(taught, trial.config.teachers, strict=True):
        own = teachers.load(one, trial.config, WIDE, 0, str(tmp_path))
        expected = own(wide_fold.inputs[one.modality].values[some])
        torch.testing.assert_close(found.features, expected.features)


def test_untrained_teachers_start_differently(wide_fold, tmp_path):
    """Or equal channels would mean something in both."""
    config = trial_of(str(tmp_path), method="feat").config
    first, second = (teachers.load(t, config, WIDE, 0, str(tmp_path)) for t in config.teachers)
    assert not torch.equal(first.classifier.weight, second.classifier.weight)


def test_both_may_train_along(both, wide_fold, tmp_path):
    config = trial_of(str(tmp_path), moves=True).config
    roles = make_roles(config, WIDE, wide_fold, 0, storage=str(tmp_path), runtime=CPU)
    assert list(roles.trained()) == ["student", "distiller", "teacher", "teacher1"]
    before = [t.moving.network.classifier.weight.clone() for t in roles.teachers]
    features = [t.moving.network.stages[0][0].weight.clone() for t in roles.teachers]
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.1)
    train_epoch(config, 0, 0, wide_fold, roles, optimizer)
    for teacher, head, stage in zip(roles.teachers, before, features, strict=True):
        assert torch.equal(teacher.moving.network.classifier.weight, head)  # no term reaches it
        assert not torch.equal(teacher.moving.network.stages[0][0].weight, stage)


def test_a_composition_hands_all_teachers_to_its_parts(both, wide_fold, tmp_path):
    outcome = run_replicate(trial_of(str(tmp_path), method="none+both"), WIDE, wide_fold, 0)
    names = {m for _, split, m, _ in outcome["curves"] if split == "train"}
    assert names == {"lr", "loss_task", "loss_both.first", "loss_both.second", "loss_total"}
    assert len(both.seen) == 2
    assert distillers.specimen("none+both", {}).max_teachers == 2
    assert distillers.specimen("kd+both", {}).max_teachers == 1


OPTIONS = {"fd-cmkd": {"band_heads": False}}
SOME = [("fd-cmkd", 1), ("kd+unpaired", 0)]  # one with a projection, one that looks ahead
OTHERS = ("afd", "dist", "dkd", "feat", "figkd", "freekd", "freekd-pooled", "kd", "pkd", "pkd-maps")


def alone_and_beside(storage, method, who, **changes):
    """A trial of one teacher, and one in which another stands beside it whose share is 0."""
    trial = trial_of(storage, method, **OPTIONS.get(method, {}))
    both, changes["network"] = trial.config.teachers, network("right", epochs=1)
    one = replace(trial.config, teachers=(both[who],), **changes)
    shares = tuple(float(place == who) for place in range(2))
    other = replace(trial.config, teacher_weights=shares, **changes)
    return replace(trial, config=one), replace(trial, config=other)


@pytest.mark.parametrize(
    ("method", "who"), [*SOME, *(pytest.param(name, 1, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_weights_of_1_and_0_are_one_teacher_to_the_bit(method, who, wide_fold, tmp_path):
    trials = alone_and_beside(str(tmp_path), method, who, pairing="shuffled")
    one, other = (run_replicate(trial, WIDE, wide_fold, 0) for trial in trials)
    name = trials[1].config.teachers[who].modality
    curves = [
        {(epoch, split, m): value for epoch, split, m, value in outcome.pop("curves")}
        for outcome in (one, other)
    ]
    assert one == other
    for (epoch, split, metric), value in curves[0].items():
        own = metric.replace("loss_", f"loss_{name}.")
        same = (epoch, split, metric), (epoch, split, own)
        assert value == next(curves[1][place] for place in same if place in curves[1])


def test_each_teachers_terms_count_by_its_share(wide_fold, tmp_path):
    trial, shares = trial_of(str(tmp_path), "kd"), (0.75, 0.25)
    config = replace(trial.config, network=network("right", epochs=1), teacher_weights=shares)
    outcome = run_replicate(replace(trial, config=config), WIDE, wide_fold, 0)
    curves = {m: v for epoch, split, m, v in outcome["curves"] if (epoch, split) == (0, "train")}
    assert list(curves) == ["lr", "loss_task", "loss_left.kd", "loss_middle.kd", "loss_total"]
    total = curves["loss_task"] + 0.75 * curves["loss_left.kd"] + 0.25 * curves["loss_middle.kd"]
    assert curves["loss_total"] == pytest.approx(total, rel=1e-5)


def test_what_a_students_record_tells_of_several_teachers_builds_their_method_again(
    wide_fold, tmp_path
):
    """A head of one of them may predict for an exported student."""
    config = trial_of(str(tmp_path), "fd-cmkd").config
    roles = make_roles(config, WIDE, wide_fold, 0, storage=str(tmp_path), runtime=CPU)
    sizes = json.loads(json.dumps(roles.sizes))
    again = distillers.build(
        "fd-cmkd", num_classes=3, student_dim=roles.student.network.dim, **sizes, **config.options
    )
    again.load_state_dict(roles.distiller.state_dict())
    outputs = roles.student(wide_fold.inputs["right"].values[:4])
    heads = again.heads(outputs)
    assert list(heads) == ["logits", *(f"{m}.{h}" for m in ("left", "middle") for h in BANDS)]
    for name, logits in roles.distiller.heads(outputs).items():
        torch.testing.assert_close(heads[name], logits, rtol=0, atol=0)
    assert roles.distiller.weights["left.low"] == 0.5 * config.options["weight_low"]


def test_each_teacher_may_have_its_own_pairing(both, wide_fold, tmp_path):
    config = replace(trial_of(str(tmp_path)).config, pairings=("paired", "shuffled"))
    roles = make_roles(config, WIDE, wide_fold, 0, storage=str(tmp_path), runtime=CPU)
    optimizer = torch.optim.SGD(roles.trained().parameters(), lr=0.0)
    train_epoch(config, 0, 0, wide_fold, roles, optimizer)
    last = epoch_batches(wide_fold.train, config.network.optim.batch_size, 0, 0)[-1]
    (own,) = roles.teach([last], 0)
    paired, shuffled = (
        torch.equal(seen.features, mine.features) for seen, mine in zip(both.seen, own, strict=True)
    )
    assert (paired, shuffled) == (True, False)
    order = [(own[1].logits == line).all(1).nonzero().item() for line in both.seen[1].logits]
    assert sorted(order) == list(range(len(last)))
