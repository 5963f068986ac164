"""An exported student as a teacher: the weights, and nothing else, decide what it teaches."""

from dataclasses import replace

import pytest
from conftest import INFO, network, small_fold, small_trial

from fdsweep.orchestrator.models.export import export
from fdsweep.orchestrator.models.overview import find, overview
from fdsweep.orchestrator.models.teaching import given_teachers, notes, place
from fdsweep.orchestrator.studies.plan import make_cells, sweep_name
from fdsweep.results.records.store import Store
from fdsweep.search_spaces.configs import GivenTeacher, StudentConfig
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import teachers
from fdsweep.trainers.datasets.watch import Watch
from fdsweep.trainers.replicate import run_replicate
from fdsweep.trainers.students.model import read_folder, tensors_of

GIVEN = GivenTeacher("cnn1d", 1, "0123456789abcdef0123")


@pytest.fixture
def exported(tmp_path):
    """The folder of a student of `left`, trained for an epoch."""
    root = str(tmp_path / "runs")
    Store.create(root)
    alone = StudentConfig(
        network=network("left", epochs=1, batch_size=70), method="none", method_version=1
    )
    trial = replace(small_trial(root), key=alone.key, config=alone, keep="best")
    run_replicate(trial, INFO, small_fold(), 0)
    folder = tmp_path / "teacher"
    export(Store.open(root), find(overview(root), alone.key), folder)
    return folder


def test_it_teaches_what_the_same_weights_teach_as_a_cached_teacher(exported, tmp_path):
    storage = str(tmp_path / "mine")
    trial = small_trial(storage, teacher_state="trained", epochs=1, batch_size=70)
    (trained,) = trial.config.teachers
    weights = tensors_of(read_folder(exported)[1])
    teachers.save(storage, trained.teacher_key, 0, weights, {"test_score": 0.5})
    cached = run_replicate(trial, INFO, small_fold(), 0)

    folders = {"left": str(exported)}
    given = given_teachers(folders, INFO)
    config = replace(trial.config, teachers=(given["left"].instead_of(trained),))
    assert config.key != trial.key
    assert config.teacher_keys != trial.config.teacher_keys
    (cell,) = (Cell(load_preset("components").rows[0], INFO.directions()[0], config),)
    place(storage, folders, [cell], (0, 1))
    assert not teachers.missing(storage, config.teacher_keys[0], (0, 1))
    told = run_replicate(replace(trial, config=config, key=config.key), INFO, small_fold(), 0)
    assert told == cached

    lost = replace(trial, kind="teacher", key=config.teacher_keys[0],
                   config=replace(config, network=config.teachers[0], teachers=()))  # fmt: skip
    with pytest.raises(DataError, match="the teacher that was given is gone"):
        run_replicate(lost, INFO, small_fold(), 0)


def test_one_of_other_classes_or_channels_is_refused(exported):
    with pytest.raises(ConfigError, match="that takes left cannot teach right"):
        given_teachers({"right": str(exported)}, INFO)
    with pytest.raises(ConfigError, match="classes"):
        given_teachers({"left": str(exported)}, replace(INFO, classes=("c", "b", "a")))
    with pytest.raises(ConfigError, match="unknown modality 'smell'"):
        given_teachers({"smell": str(exported)}, INFO)


def test_only_those_who_learn_from_it_have_other_keys():
    study = load_preset("controls")
    plain = make_cells(study, Watch.info)
    taught = make_cells(study, Watch.info, given={"gyroscope": GIVEN})
    for one, other in zip(plain, taught, strict=True):
        learns = "gyroscope" in one.direction.teachers and bool(one.config.trained_teachers)
        assert (one.key != other.key) == learns
        assert one.config.network == other.config.network
    assert sweep_name(study, plain) != sweep_name(study, taught)
    (note,) = notes({"gyroscope": GIVEN})
    assert "weights 01234567" in note
