"""Exported students as the teachers of a study, as they are (`--teacher`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from fdsweep.search_spaces.configs import GivenTeacher
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import tasks
from fdsweep.trainers.datasets import DatasetInfo

OPTION = "--teacher"


def given_teachers(folders: Mapping[str, str], info: DatasetInfo) -> dict[str, GivenTeacher]:
    """What is to be known of the teachers in `folders`, by modality.

    Raises:
        ConfigError: one takes or tells something else than this data set's.
        DataError: a folder holds no student.
    """
    if not folders:
        return {}
    from fdsweep.trainers.students.model import read_folder  # brings torch

    found = {}
    for name, folder in folders.items():
        modality, (record, _, digest) = info.modality(name), read_folder(Path(folder))
        outputs = tasks.find(info.task).num_outputs(info)
        expected = (info.task, outputs, modality.channels, info.classes)
        told = record.network
        if (record.task, told.outputs, told.channels, record.classes) != expected:
            what = f"a student of {record.dataset} that takes {record.modality} cannot teach {name}"
            fix = f"Give one with the classes and the input channels of {info.name}"
            raise ConfigError(what, f"{OPTION} {name}={folder}", fix)
        found[name] = GivenTeacher(told.backbone, told.version, digest, told.options)
    return found


def place(
    storage: str, folders: Mapping[str, str], cells: Sequence[Cell], seeds: Sequence[int]
) -> None:
    """Put the teachers in `folders` where those that are trained lie, one for each of `seeds`."""
    if not folders:
        return
    from fdsweep.trainers import teachers  # brings torch
    from fdsweep.trainers.students.model import read_folder, tensors_of

    networks = {
        key: network for cell in cells for key, network in cell.config.trained_teachers.items()
    }
    for key, network in networks.items():
        missing = teachers.missing(storage, key, tuple(seeds)) if network.weights else ()
        if missing:
            record, content, digest = read_folder(Path(folders[network.modality]))
            facts = {"given": digest, "test_score": record.test_score}
            for seed in missing:
                teachers.save(storage, key, seed, tensors_of(content), facts)


def notes(given: Mapping[str, GivenTeacher]) -> tuple[str, ...]:
    """What a report must say of them."""
    return tuple(
        f"The teacher of {name} is a given one (weights {one.weights[:8]}), the same for every "
        "seed: on which samples it was trained, perhaps on some of test, fdsweep does not know."
        for name, one in given.items()
    )
