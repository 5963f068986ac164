"""An analysis of networks that predict every pixel: untrained ones, of pictures in memory."""

from dataclasses import replace

import numpy as np
import pytest
import tiles
import torch
import torch.nn.functional as F
from tiles import CHANNELS, HEIGHT, TEST, WIDTH

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.studies import analyze
from fdsweep.orchestrator.studies.analyze.samples import samples_of
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import datasets, teachers
from fdsweep.trainers.features.analysis import embedding
from fdsweep.trainers.features.pixels import IGNORE


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """As after training, with networks that never were."""
    with pytest.MonkeyPatch.context() as patch:
        tiles.register(patch)
        patch.setattr(embedding, "plane", lambda features: features[:, :2].round(3))
        sweep = override(analyze.base_sweep(), dataset="tiles", seeds=(0, 1), epochs=1)
        storage = str(tmp_path_factory.mktemp("runs"))
        options = StudyOptions(storage=storage, request=ResourceRequest(gpus=0))
        found = analyze.prepare(sweep, options)
        for trial in (*found.plan.teachers, *found.plan.students):
            for seed in trial.seeds:
                network = untrained(found, trial.config.network, seed)
                facts = {"test_score": 0.25}
                teachers.save(storage, trial.key, seed, network.state_dict(), facts)
        yield found


def untrained(study, network, seed):
    stream = f"teacher-init/{network.modality}"
    return teachers.build(network, study.info, seed, stream, study.store.root).eval()


@pytest.fixture(scope="module")
def found(study):
    return analyze.analysis(study, (0, 1))


def at_all_pixels(study, modality, seed):
    """The teacher's features after the ReLU at all pixels of the test pictures, [N, D, H, W]."""
    trial = next(
        cell.config.teachers[0]
        for cell in study.plan.cells
        if cell.config.teachers and cell.config.teachers[0].modality == modality
    )
    fold = study.dataset.folds()(seed)
    with torch.no_grad():
        maps = untrained(study, trial, seed)(fold.inputs[modality].values[fold.test]).maps[-1]
    return F.interpolate(F.relu(maps), [HEIGHT, WIDTH], mode="bilinear").double().numpy()


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_positions_are_compared_with_the_same_position_of_other_pictures(study, found):
    """Against loops over pixels. In so small a picture every pixel is a position."""
    labels = study.dataset.folds()(0).label_maps.values[-TEST:].numpy()
    paired, shuffled = [], []
    for seed in (0, 1):
        first, second = (at_all_pixels(study, name, seed) for name in ("left", "right"))
        for y, x in np.ndindex(HEIGHT, WIDTH):
            known = np.flatnonzero(labels[:, y, x] != IGNORE)
            for i in known if len(known) > 1 else ():
                paired.append(cosine(first[i, :, y, x], second[i, :, y, x]))
                others = [j for j in known if j != i]
                alike = [cosine(first[i, :, y, x], second[j, :, y, x]) for j in others]
                shuffled.append(np.mean(alike))
    comparison = next(one for one in found.comparisons if one.stage == "after ReLU")
    raw = comparison.quantities[0]
    assert comparison.samples == len(paired) == 2 * (4 * 6 * 8 - 4 - 4 - 16)
    assert raw.paired.mean == pytest.approx(np.mean(paired), abs=1e-6)
    assert raw.shuffled.mean == pytest.approx(np.mean(shuffled), abs=1e-6)
    assert (comparison.groups, comparison.dim, found.positions) == (2, CHANNELS, 48)


def test_classes_are_those_of_the_pixels(study, found):
    fold = study.dataset.folds()(0)
    every = samples_of(fold, 0)
    some = every.some(20, 0)
    one = found.embeddings[0]
    assert len(one.labels) == len(every.labels) == len(every.groups)
    assert some.places is not None
    pixels = fold.label_maps.values[fold.test]
    for place, picture, label, group in zip(
        some.places.tolist(),
        (some.kept // 48).tolist(),
        some.labels.tolist(),
        some.groups,
        strict=True,
    ):
        y, x = some.positions.rows[place], some.positions.columns[place]
        assert pixels[picture, y, x] == label
        assert group == fold.groups[fold.test[picture]]
    assert len(some.labels) == 20


def test_both_networks_stand_in_the_plane_and_scores_are_those_of_the_task(study, found):
    one = found.embeddings[0]
    assert (one.teacher, one.student) == ("left", "right")
    assert len(one.before.teacher) == len(one.before.student) == len(one.labels)
    features = np.moveaxis(at_all_pixels(study, "left", 0), 1, -1)
    samples = samples_of(study.dataset.folds()(0), 0)
    mine = features.reshape(-1, CHANNELS)[samples.kept]
    mine = mine - mine.mean(axis=1, keepdims=True)
    mine /= np.linalg.norm(mine, axis=1, keepdims=True)
    np.testing.assert_allclose(one.before.teacher, mine[:, :2], atol=2e-3)
    assert found.metric == "miou"
    assert {teacher.test_score for teacher in found.teachers} == {0.25}


def test_the_student_distils_as_the_paper_does_on_pixels(study):
    options = next(c.config.options for c in study.plan.cells if c.config.method == "fd-cmkd")
    assert (options["align"], options["band_heads"], options["cutoff"]) == (False, False, 0.5)


def test_words_say_positions_and_miou(found):
    text = analyze.analysis_text.to_markdown(found)
    for words in (
        f"{found.comparisons[0].samples} test positions of 2 images or scenes",
        "Positions: 48 of each picture at most",
        "test mIoU: left 25.0 % (25.0 to 25.0)",
        "the partners at the same position of all other pictures",
        f"{len(found.embeddings[0].labels)} positions of its test split",
        "| Test mIoU %",
    ):
        assert words in text
    assert "speaker" not in text
    assert "ccuracy" not in text


def test_a_test_split_without_two_labelled_pictures_is_refused(study):
    fold = study.dataset.folds()(0)
    with pytest.raises(ConfigError, match="no position is labelled in two of 1 test pictures"):
        samples_of(replace(fold, test=fold.test[:1]), 0)


def test_its_data_set_is_looked_up_once(monkeypatch, tmp_path):
    """Also where another sweep than the one asked for is planned, as on pixels."""
    tiles.register(monkeypatch)
    asked, find = [], datasets.find
    monkeypatch.setattr(datasets, "find", lambda *given: asked.append(given) or find(*given))
    options = StudyOptions(storage=str(tmp_path), request=ResourceRequest(gpus=0))
    study = analyze.prepare(override(analyze.base_sweep(), dataset="tiles"), options)
    assert [name for name, _ in asked] == [study.info.name]
