"""An analysis of untrained networks that stand in the storage as teachers: no Ray."""

from dataclasses import replace
from functools import partial
from unittest.mock import MagicMock

import pytest
import torch

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.studies import analyze
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.tracker import Tracker
from fdsweep.results.records import analyses
from fdsweep.results.records.schema import Replicate
from fdsweep.search_spaces.errors import ConfigError, ReplicateError
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import backbones, teachers
from fdsweep.trainers.backbones.cnn1d import CNN1d
from fdsweep.trainers.frequency import split

WANTED = {"seeds": (0, 1), "epochs": 1}


def prepared(storage, cutoff=0.5, address=None, **changes):
    sweep = override(analyze.base_sweep(cutoff), **{**WANTED, **changes})
    request = ResourceRequest(gpus=0, address=address)
    return analyze.prepare(sweep, StudyOptions(storage=str(storage), request=request))


def keep_untrained(study, seeds):
    """Let untrained networks stand in for the teachers of `seeds`."""
    for trial in study.plan.teachers:
        network = trial.config.network
        for seed in seeds:
            fresh = teachers.build(network, study.info, seed, "teacher-init", study.store.root)
            facts = {"test_accuracy": 0.25}
            teachers.save(study.store.root, trial.key, seed, fresh.state_dict(), facts)


def done(cell, seed):
    types = {name: str(one.annotation) for name, one in Replicate.model_fields.items()}
    texts = {name: "" for name, kind in types.items() if "str" in kind}
    numbers = {name: 1 for name, kind in types.items() if "str" not in kind}
    own = {"key": cell.key, "seed": seed, "status": "done", "teacher_keys": ()}
    return Replicate(**{**texts, **numbers, **own})


@pytest.fixture(scope="module")
def told():
    """The tracker, which keeps what it is told."""
    with pytest.MonkeyPatch.context() as patch:
        tracker = MagicMock(Tracker)
        tracker.__enter__.return_value = tracker
        patch.setattr(analyze, "open_tracker", lambda *given: tracker)
        yield tracker


@pytest.fixture(scope="module")
def found(tmp_path_factory, told):
    """Nobody answers at the address: Ray is not asked where all teachers are there."""
    storage = tmp_path_factory.mktemp("runs")
    keep_untrained(prepared(storage), (0, 1))
    study = prepared(storage, address="127.0.0.1:1")
    return study, analyze.run(study)


def test_missing_teachers_are_planned_and_no_student(tmp_path):
    study = prepared(tmp_path, directions=("gyroscope->accelerometer",))
    trials = study.plan.teachers
    assert {trial.config.network.modality for trial in trials} == {"accelerometer", "gyroscope"}
    assert all(trial.seeds == (0, 1) and trial.config.method == "none" for trial in trials)
    assert not study.plan.students
    assert (study.plan.done, study.plan.total, study.plan.left) == (0, 4, 4)
    assert study.plan.sweep == prepared(tmp_path).plan.sweep
    keep_untrained(study, (0,))
    assert [trial.seeds for trial in prepared(tmp_path).plan.teachers] == [(1,), (1,)]


def test_teachers_are_planned_also_where_their_students_are_done(tmp_path):
    study = prepared(tmp_path)
    for cell in study.plan.cells:
        for seed in study.plan.seeds:
            study.store.put(done(cell, seed), [], [])
    assert prepared(tmp_path).plan.left == 4


def test_the_name_tells_cutoffs_apart_and_not_seeds(tmp_path):
    def name(cutoff=0.5, **changes):
        return prepared(tmp_path, cutoff, **changes).plan.sweep

    assert name().startswith("analysis-watch-")
    assert name() == name(seeds=(5,))
    assert len({name(), name(0.25), name(epochs=2)}) == 3
    with pytest.raises(ConfigError, match="does not cut the bins in two"):
        name(1.5)


def test_networks_of_different_widths_are_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(backbones.registry, "_entries", dict(backbones.registry._entries))
    backbones.registry.register("wide")(partial(CNN1d, width=512))
    with pytest.raises(ConfigError, match="between 128 and 512 channels is not defined"):
        prepared(tmp_path, backbones={"gyroscope": "wide"})


def test_the_description_says_what_is_left(tmp_path, found):
    cost = analyze.studies.estimate_study(found[0])
    assert "4 of 4 teachers are there, 0 left" in analyze.describe(found[0], cost)


def test_features_are_those_of_the_test_split(found):
    """Against the networks run here, taken apart by `split`."""
    study, outcome = found
    products, signs = [], []
    for seed in (0, 1):
        fold = study.dataset.folds()(seed)
        features = []
        for trial in prepared(study.store.root + "-other").plan.teachers:
            network = teachers.build(
                trial.config.network, study.info, seed, "teacher-init", study.store.root
            ).eval()
            inputs = fold.inputs[trial.config.network.modality].values[fold.test]
            with torch.no_grad():
                features.append(network(inputs).features.double())
        high = [split(x)[1] for x in features]
        products.append(torch.cosine_similarity(*high, dim=1))
        signs.append((features[0].mean(1) * features[1].mean(1)).sign())
    before = outcome.analysis.comparisons[0]
    quantities = {part.name: part for part in before.quantities}
    assert quantities["high"].paired.mean == pytest.approx(float(torch.cat(products).mean()))
    assert quantities["DC alone"].paired.mean == pytest.approx(float(torch.cat(signs).mean()))
    assert before.samples == len(torch.cat(products))
    assert (before.groups, before.dim, before.last_low_bin) == (4, 128, 32)
    assert len(before.spectrum.paired) == 65


def test_the_shared_start_is_found_and_gone_in_its_control(found):
    """Untrained networks of one seed are the same network; those of two are not."""
    _, outcome = found
    for one in outcome.analysis.comparisons:
        high = next(part for part in one.quantities if part.name == "high")
        assert one.same_start == 1
        assert high.paired.mean > 0.1
        assert abs(high.other_start.mean) < 0.1
        assert high.stands_out is False


def test_after_relu_dc_always_agrees(found):
    after = found[1].analysis.comparisons[1]
    dc = after.quantities[-1]
    assert after.stage == "after ReLU"
    assert {dc.paired.mean, dc.shuffled.mean, dc.permuted.mean} == {1.0}


def test_record_and_pictures_are_kept(found, told):
    study, outcome = found
    assert analyses.load(study.store, study.plan.sweep) == outcome.analysis
    for name, content in outcome.pictures.items():
        assert study.store.exists(f"reports/{study.plan.sweep}/{name}")
        assert content
    assert {teacher.test_accuracy for teacher in outcome.analysis.teachers} == {0.25}
    assert [(t.modality, t.seed) for t in outcome.analysis.teachers] == [
        ("accelerometer", 0),
        ("accelerometer", 1),
        ("gyroscope", 0),
        ("gyroscope", 1),
    ]
    texts, numbers, pictures = told.finish.call_args.args
    assert texts == {"analysis.md": outcome.to_markdown()}
    assert numbers
    assert pictures == outcome.pictures
    assert outcome.to_json()["failures"] == []
    assert outcome.failures == ()
    assert outcome.to_markdown().startswith("## Cosine similarity of teacher features, watch")


def test_the_same_teachers_give_the_same_record(found):
    study, outcome = found
    assert analyze.analysis(study, (0, 1)) == outcome.analysis


def test_a_seed_without_its_teachers_is_left_out(found):
    study, _ = found
    more = replace(study, plan=replace(study.plan, seeds=(0, 7)))
    assert analyze.seeds_with_teachers(more, ()) == (0,)
    record = analyze.analysis(more, (0,))
    assert "Seeds 7 are left out: a teacher failed." in record.notes
    assert record.comparisons[0].quantities[0].other_start is None


def test_no_seed_with_teachers_is_an_error(found):
    study, _ = found
    none = replace(study, plan=replace(study.plan, seeds=(7,)))
    failure = analyze.Failure("teacher gyroscope", 7, "it exploded", "log.txt")
    with pytest.raises(ReplicateError, match="teacher gyroscope, seed 7: no seed has all"):
        analyze.seeds_with_teachers(none, (failure,))
