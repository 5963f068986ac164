import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from conftest import INFO, network, small_fold, small_roles, small_trial

from fdsweep.results.records.store import Store
from fdsweep.results.records.teachers import unrecorded
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import StudentConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers import teachers
from fdsweep.trainers.distributed import Runtime
from fdsweep.trainers.replicate import run_replicate


@pytest.fixture(scope="module")
def once_trained(tmp_path_factory):
    """A student's configuration whose teacher was trained for seed 0; nobody may change it."""
    storage = str(tmp_path_factory.mktemp("trained"))
    config = replace(small_trial(storage).config, teacher_state="trained")
    (key,) = config.teacher_keys
    alone = StudentConfig(network=network("left"), method="none", method_version=1)
    trial = replace(small_trial(storage), kind="teacher", key=key, config=alone)
    assert teachers.missing(storage, key, (0, 1)) == (0, 1)
    return config, run_replicate(trial, INFO, small_fold(), 0), storage


@pytest.fixture
def trained(once_trained, tmp_path):
    """The same in a storage of the test's own."""
    config, outcome, storage = once_trained
    shutil.copytree(storage, tmp_path, dirs_exist_ok=True)
    return config, outcome, str(tmp_path)


def test_a_teacher_is_kept_at_its_best_epoch(trained, fold):
    config, outcome, storage = trained
    assert teachers.missing(storage, config.teacher_keys[0], (0, 1)) == (1,)
    teacher = teachers.load(config.teachers[0], config, INFO, 0, storage)
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    guess = teacher(fold.inputs["left"].values[fold.test]).logits.argmax(1)
    assert guess.tolist() == outcome["kept"]["prediction"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_student_is_kept_at_its_best_epoch_if_asked_for(tmp_path, fold, is_kept):
    storage = str(tmp_path)
    trial = replace(small_trial(storage), keeps_student=is_kept)
    outcome = run_replicate(trial, INFO, fold, 0)
    if not is_kept:
        with pytest.raises(DataError, match="the network is gone"):
            teachers.trained(trial.config.network, trial.key, INFO, 0, storage)
        return
    student = teachers.trained(trial.config.network, trial.key, INFO, 0, storage)
    inputs = fold.inputs[trial.config.network.modality].values[fold.test]
    assert outcome["best_head"] == "logits"
    assert student(inputs).logits.argmax(1).tolist() == outcome["kept"]["prediction"]
    assert not teachers.missing(storage, trial.key, (0,))


def test_cached_outputs_are_the_teachers_own(trained, fold):
    config, _, storage = trained
    teacher = teachers.load(config.teachers[0], config, INFO, 0, storage)
    placed = Runtime.here(torch.device("cpu")).place(teacher)
    teach = teachers.cached(placed, fold.inputs["left"], fold.train)
    some = fold.train[torch.tensor([5, 0, 5])]
    own = teacher(fold.inputs["left"].values[some])
    (taught,) = teach(some[None], 0)
    torch.testing.assert_close(taught.features, own.features)
    torch.testing.assert_close(taught.logits, own.logits)


def test_permuted_channels_are_one_permutation_for_all_samples(trained, fold):
    config, _, storage = trained
    shuffled = replace(config, teacher_channels="permuted")
    teacher, other = (teachers.load(c.teachers[0], c, INFO, 0, storage) for c in (config, shuffled))
    inputs = fold.inputs["left"].values[fold.train]
    plain, permuted = teacher(inputs), other(inputs)
    assert not torch.equal(plain.features, permuted.features)
    order = [
        int((plain.features == column[:, None]).all(0).nonzero()[0])
        for column in permuted.features.T
    ]
    assert sorted(order) == list(range(teacher.dim))
    torch.testing.assert_close(permuted.maps[-1], plain.maps[-1][:, order])
    torch.testing.assert_close(other.classifier(permuted.embedding()), plain.logits)
    torch.testing.assert_close(permuted.logits, plain.logits)


def test_a_missing_teacher_says_so(tmp_path, fold):
    config = replace(small_trial(str(tmp_path)).config, teacher_state="trained")
    with pytest.raises(DataError, match="the network is gone"):
        teachers.load(config.teachers[0], config, INFO, 0, str(tmp_path))


HARM = {
    "cut off": lambda content: content[:-1],
    "within its header": lambda content: content[:50],
    "empty": lambda content: b"",
    "garbage": lambda content: b"\xff" * len(content),
    "longer": lambda content: content + b"0",
    "another header": lambda content: content[:8] + b"[]" + content[10:],
}


@pytest.mark.parametrize("harm", HARM)
def test_damaged_weights_are_missing(trained, harm, capsys):
    config, _, storage = trained
    (key,) = config.teacher_keys
    place = Path(storage, layout.teacher_weights(key, 0))
    place.write_bytes(HARM[harm](place.read_bytes()))
    for _ in range(2):
        assert teachers.missing(storage, key, (0,)) == (0,)
    assert capsys.readouterr().err.count("is damaged (no whole safetensors)") == 1
    assert Path(storage, f"damaged/{layout.teacher_weights(key, 0)}.damaged").exists()
    assert unrecorded(Store(storage), key, (0,)) == ()


@pytest.mark.parametrize("content", [b"garbage", safetensors.torch.save({"x": torch.zeros(2)})])
def test_weights_that_cannot_be_loaded_make_way(trained, content):
    config, _, storage = trained
    (key,) = config.teacher_keys
    Path(storage, layout.teacher_weights(key, 0)).write_bytes(content)
    with pytest.raises(DataError, match=r"the network is gone. Run the same command again"):
        teachers.load(config.teachers[0], config, INFO, 0, storage)
    assert teachers.missing(storage, key, (0,)) == (0,)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"\xff"])
def test_a_network_without_its_record_is_missing(trained, content):
    config, _, storage = trained
    (key,) = config.teacher_keys
    assert unrecorded(Store(storage), key, (0, 1)) == ()
    record = Path(storage, layout.teacher_record(key, 0))
    record.unlink() if content is None else record.write_bytes(content)
    assert teachers.missing(storage, key, (0,)) == (0,)
    assert unrecorded(Store(storage), key, (0, 1)) == (0,)
    assert not record.exists()


def test_a_random_teacher_is_the_untrained_network(tmp_path, fold):
    trial = small_trial(str(tmp_path))
    roles = small_roles(trial, fold)
    fresh = teachers.build(
        network("left"), INFO, 0, teachers.init_stream("left"), str(tmp_path)
    ).eval()
    own = fresh(fold.inputs["left"].values[fold.train[:4]])
    torch.testing.assert_close(next(roles.teach([fold.train[:4]], 0))[0].features, own.features)


def test_teachers_of_two_modalities_start_apart(tmp_path):
    """From one stream they would share every weight of the same shape, and look alike for it."""
    starts = [
        teachers.build(network(name), INFO, 0, teachers.init_stream(name), str(tmp_path))
        for name in ("left", "right")
    ]
    one, other = (start.state_dict()["stages.1.0.weight"] for start in starts)
    assert one.shape == other.shape
    assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].abs() < 0.1
