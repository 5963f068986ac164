import json
import pickle
from dataclasses import replace

import pytest

from fdsweep.search_spaces import errors
from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.errors import ConfigError, FdsweepError
from fdsweep.search_spaces.keys import canonical, content_key, spell

NETWORK = NetworkConfig(
    dataset="watch",
    data_fingerprint="f",
    modality="gyroscope",
    backbone="cnn1d",
    backbone_version=1,
    loop_version=1,
    optim=OptimConfig(epochs=3),
)


def test_a_key_is_pinned():
    """When this value changes, every stored result is orphaned: somebody must mean it."""
    student = StudentConfig(network=NETWORK, method="feat", method_version=1, options={"w": 1.0})
    assert student.key == "4fcde7c3785eedea6982"


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({"a": (1, 2)}, {"a": [1, 2]})],
)
def test_equal_meaning_gives_equal_keys(one, other):
    assert content_key(x=one) == content_key(x=other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, 1.0), (True, 1), ("1", 1), (None, ""), ([1, 2], [2, 1]), ({"a": {"b": 1}}, {"a": 1})],
)
def test_unequal_meaning_gives_unequal_keys(one, other):
    assert content_key(x=one) != content_key(x=other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, {1: 2}, object()])
def test_what_has_no_stable_spelling_is_refused(value):
    with pytest.raises(ConfigError, match=r"config\.a.* no stable spelling"):
        canonical({"a": value})


@pytest.mark.parametrize("kind", [kind for kind in vars(errors).values() if isinstance(kind, type)])
def test_every_error_survives_pickling(kind):
    error = pickle.loads(pickle.dumps(kind("it broke", "here", "Mend it")))
    assert isinstance(error, FdsweepError)
    assert (type(error), str(error)) == (kind, "here: it broke. Mend it.")


def test_every_field_that_decides_a_result_changes_the_key():
    from dataclasses import fields

    teacher = replace(NETWORK, modality="accelerometer")
    student = StudentConfig(
        network=NETWORK, method="kd", method_version=1, options={}, teachers=(teacher,)
    )
    changed = {
        "network": replace(NETWORK, optim=OptimConfig(epochs=4)),
        "method": "dkd",
        "method_version": 2,
        "options": {"weight": 2.0},
        "teachers": (replace(teacher, backbone_version=2),),
        "teacher_state": "random",
        "teacher_channels": "permuted",
        "pairing": "shuffled",
        "perturbation": 1e-7,
        "teacher_weights": (0.5,),
        "pairings": ("shuffled",),
    }
    assert set(changed) == {field.name for field in fields(student)}
    keys = {replace(student, **{name: value}).key for name, value in changed.items()}
    assert len({student.key, *keys}) == 1 + len(changed)


def test_a_random_teacher_needs_no_trained_one():
    student = StudentConfig(network=NETWORK, method="kd", method_version=1, teachers=(NETWORK,))
    assert student.teacher_keys == (NETWORK.teacher_key,)
    from dataclasses import replace

    assert replace(student, teacher_state="random").teacher_keys == ()


@pytest.mark.parametrize(
    "fault",
    [
        *({"epochs": 0}, {"batch_size": 0}, {"lr": 1e-5}, {"final_lr": 0.0}),
        *({"warmup_epochs": 100.0}, {"warmup_epochs": -1.0}, {"momentum": 1.0}, {"momentum": -0.1}),
        *({"weight_decay": -1e-4}, {"weight_decay": float("inf")}, {"power": -1.0}),
    ],
)
def test_optimisation_that_makes_no_sense_is_refused(fault):
    with pytest.raises(ConfigError, match="Give"):
        OptimConfig(**fault)


@pytest.mark.parametrize(
    "change",
    [
        *({"optimizer": "adamw"}, {"optimizer_version": 2}, {"warmup_epochs": 0.5}),
        *({"schedule": "cosine"}, {"schedule_version": 2}),
    ],
)
def test_optimiser_and_schedule_stand_in_a_key_only_if_they_are_not_the_first_there_were(change):
    names = {"epochs", "batch_size", "lr", "final_lr", "power", "momentum", "weight_decay"}
    assert json.loads(spell(OptimConfig())).keys() == names
    changed = replace(NETWORK, optim=replace(NETWORK.optim, **change))
    assert json.loads(spell(changed))["optim"].keys() == names | set(change)
    assert changed.teacher_key != NETWORK.teacher_key


def test_keys_of_results_with_one_teacher_or_none_are_those_of_before_there_could_be_several():
    parts = {
        "method": "kd",
        "method_version": 1,
        "options": {},
        "teacher_state": "trained",
        "teacher_channels": "ordered",
        "pairing": "paired",
    }
    for teachers in ((), (NETWORK,)):
        student = StudentConfig(network=NETWORK, teachers=teachers, method="kd", method_version=1)
        before = {**parts, "network": NETWORK, "teacher": teachers[0] if teachers else None}
        assert student.key == content_key(kind="student", student=before)
    several = StudentConfig(network=NETWORK, teachers=(NETWORK,) * 2, method="kd", method_version=1)
    assert json.loads(spell(several))["teachers"] == [json.loads(spell(NETWORK))] * 2


@pytest.mark.parametrize("change", [{"class_weights": "balanced"}, {"sampling": "balanced"}])
def test_what_is_done_about_rare_classes_stands_in_a_key_only_if_it_is_something(change):
    (name,) = change
    assert name not in json.loads(spell(NETWORK))
    other = replace(NETWORK, **change)
    assert other.teacher_key != NETWORK.teacher_key
    with pytest.raises(ConfigError, match=f"unknown {name} 'twice'"):
        replace(NETWORK, **{name: "twice"})


def test_a_task_stands_in_a_key_only_if_it_is_not_the_first_there_was():
    assert "task" not in json.loads(spell(NETWORK))
    other = replace(NETWORK, task="segmentation")
    assert other.teacher_key != NETWORK.teacher_key
