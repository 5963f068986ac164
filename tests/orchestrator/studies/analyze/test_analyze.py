"""An analysis of untrained networks that stand in the storage as trained ones: no Ray."""

import math
from dataclasses import dataclass, replace
from functools import partial
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from miniature import own_table
from sklearn.metrics import silhouette_score

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.studies import analyze
from fdsweep.orchestrator.studies.analyze import networks, similarities, tsne
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.orchestrator.tracking.tracker import Tracker
from fdsweep.results.plots import output
from fdsweep.results.records import analyses
from fdsweep.results.records.schema import Replicate
from fdsweep.search_spaces.errors import ConfigError, ReplicateError
from fdsweep.search_spaces.sweep import override
from fdsweep.trainers import backbones, rng, teachers
from fdsweep.trainers.backbones.cnn import CNN1d
from fdsweep.trainers.datasets import Dataset, DatasetInfo
from fdsweep.trainers.features.analysis import embedding
from fdsweep.trainers.features.analysis.kernels import alignments
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.frequency import split

WANTED = {"seeds": (0, 1), "epochs": 1}
SAMPLES = 20


@dataclass(frozen=True)
class Part(Dataset):
    """Some samples of the test splits of `whole`."""

    whole: Dataset = None
    info: DatasetInfo = None

    def folds(self, modalities=None):
        whole = self.whole.folds(modalities)
        return lambda seed: replace(whole(seed), test=whole(seed).test[::8])


def prepared(storage, cutoff=0.5, address=None, **changes):
    sweep = override(analyze.base_sweep(cutoff), **{**WANTED, **changes})
    request = ResourceRequest(gpus=0, address=address)
    study = analyze.prepare(sweep, StudyOptions(storage=str(storage), request=request))
    return replace(study, dataset=Part(study.dataset, study.info))


def keep_untrained(study, seeds):
    """Let untrained networks stand in for the teachers of `seeds`, and for students."""
    root = study.store.root
    for trial in (*study.plan.teachers, *study.plan.students):
        for seed in set(seeds) & set(trial.seeds):
            fresh = untrained(study, trial, seed)
            facts = {"test_accuracy": 0.25}
            teachers.save(root, trial.key, seed, fresh.state_dict(), facts)


def untrained(study, trial, seed):
    modality = trial.config.network.modality
    stream = (
        f"{trial.config.method}-init" if trial.kind == "student" else f"teacher-init/{modality}"
    )
    return teachers.build(trial.config.network, study.info, seed, stream, study.store.root).eval()


def done(cell, seed):
    types = {name: str(one.annotation) for name, one in Replicate.model_fields.items()}
    texts = {name: "" for name, kind in types.items() if "str" in kind}
    numbers = {name: 1 for name, kind in types.items() if "str" not in kind}
    own = {"key": cell.key, "seed": seed, "status": "done", "teacher_keys": ()}
    return Replicate(**{**texts, **numbers, **own})


@pytest.fixture(scope="module")
def told():
    """The tracker, which keeps what it is told; planes and files that cost little."""
    with pytest.MonkeyPatch.context() as patch:
        tracker = MagicMock(Tracker)
        tracker.__enter__.return_value = tracker
        patch.setattr(analyze, "open_tracker", lambda *given: tracker)
        patch.setattr(tsne, "SAMPLES", SAMPLES)
        patch.setattr(embedding, "plane", lambda features: features[:, :2].round(3))
        patch.delitem(output.KINDS, "png")
        yield tracker


@pytest.fixture(scope="module")
def found(tmp_path_factory, told):
    """Nobody answers at the address: Ray is not asked where all teachers are there."""
    storage = tmp_path_factory.mktemp("runs")
    keep_untrained(prepared(storage), (0, 1))
    study = prepared(storage, address="127.0.0.1:1")
    return study, analyze.run(study)


def test_missing_teachers_are_planned_and_the_first_seeds_students(tmp_path):
    study = prepared(tmp_path, directions=("gyroscope->accelerometer",))
    trials = study.plan.teachers
    assert {trial.config.network.modality for trial in trials} == {"accelerometer", "gyroscope"}
    assert all(trial.seeds == (0, 1) and trial.config.method == "none" for trial in trials)
    students = study.plan.students
    assert [(one.config.network.modality, one.config.method) for one in students] == [
        ("gyroscope", "fd-cmkd"),
        ("gyroscope", "none"),
        ("accelerometer", "fd-cmkd"),
        ("accelerometer", "none"),
    ]
    assert all(one.seeds == (0,) and one.keeps_weights for one in students)
    assert (study.plan.done, study.plan.total, study.plan.left) == (0, 8, 8)
    assert study.plan.sweep == prepared(tmp_path).plan.sweep
    keep_untrained(study, (0,))
    again = prepared(tmp_path).plan
    assert [trial.seeds for trial in again.teachers] == [(1,), (1,)]
    assert (again.students, again.done, again.left) == ((), 6, 2)


def test_the_distilled_student_is_the_published_method(tmp_path):
    """So an analysis and a comparison of methods train the same replicate, under one key."""
    config = prepared(tmp_path).plan.cells[0].config
    assert {**config.options, "band_heads": True, "cutoff": 0.5} == config.options
    assert config.pairing == "paired"


def test_networks_are_planned_also_where_their_students_are_done(tmp_path):
    """Results do not hold weights; nor may a checkpoint say that a replicate ended without."""
    study = prepared(tmp_path)
    for cell in study.plan.cells:
        for seed in study.plan.seeds:
            study.store.put(done(cell, seed), [], [])
    plan = prepared(tmp_path).plan
    assert plan.left == 8
    assert {trial.group for trial in plan.students} == {"kept-0"}


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


def test_pairs_without_classes_are_refused(tmp_path):
    storage = tmp_path / "storage"
    own_table.prepare(own_table.build_pairs(tmp_path), storage)
    with pytest.raises(ConfigError, match="of samples with classes, and these have none"):
        prepared(storage, dataset="steps", directions=())


def test_the_description_says_what_is_left(tmp_path, found):
    cost = analyze.studies.estimate_study(found[0])
    assert "8 of 8 networks are there, 0 left" in analyze.describe(found[0], cost)


def last_maps(study, seed):
    """The teachers' last maps on the test split, run here."""
    fold = study.dataset.folds()(seed)
    for trial in prepared(study.store.root + "-other").plan.teachers:
        network = untrained(study, trial, seed)
        inputs = fold.inputs[trial.config.network.modality].values[fold.test]
        with torch.no_grad():
            yield network(inputs).maps[-1]


@pytest.fixture(scope="module")
def maps_of(found):
    return {seed: [x.double().numpy() for x in last_maps(found[0], seed)] for seed in (0, 1)}


@pytest.mark.parametrize(("place", "stage"), [(0, "before ReLU"), (1, "after ReLU")])
def test_both_feature_points_are_those_of_the_test_split(found, maps_of, place, stage):
    """Against numpy on the last maps, taken apart by `split`; the split has tests of its own."""
    comparison = found[1].analysis.comparisons[place]
    assert comparison.stage == stage
    means = {}
    for maps in maps_of.values():
        if stage == "after ReLU":
            maps = [np.maximum(x, 0) for x in maps]
        first, second = (x.mean(-1) for x in maps)
        bands = [split(torch.from_numpy(x))[1].numpy() for x in (first, second)]
        signs = np.sign(first.mean(1)) * np.sign(second.mean(1))
        found_here = {"raw": cosine(first, second), "high": cosine(*bands), "DC alone": signs}
        for name, values in found_here.items():
            means.setdefault(name, []).extend(values)
    quantities = {part.name: part for part in comparison.quantities}
    for name, values in means.items():
        assert quantities[name].paired.mean == pytest.approx(np.mean(values), abs=1e-6)
    assert comparison.samples == len(means["raw"])
    assert (comparison.groups, comparison.dim, comparison.last_low_bin) == (4, 128, 32)
    assert len(comparison.spectrum.paired) == 65


def cosine(a, b):
    return (a * b).sum(1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def test_a_network_without_maps_has_one_feature_at_both_points():
    x = torch.randn(2, 3)
    given = networks.stages(Outputs(x, x))
    assert list(given) == ["before ReLU", "after ReLU"]
    assert all(features is x for features in given.values())


def test_after_relu_dc_always_agrees(found):
    after = found[1].analysis.comparisons[1]
    dc = after.quantities[-1]
    assert {dc.paired.mean, dc.shuffled.mean, dc.permuted.mean} == {1.0}


def test_teachers_start_apart(found):
    for one in found[1].analysis.comparisons:
        high = next(part for part in one.quantities if part.name == "high")
        assert one.same_start == 0
        assert abs(high.paired.mean) < 0.1
        assert high.stands_out is False


def test_a_shared_start_is_found(found, monkeypatch):
    monkeypatch.setattr(teachers, "init_stream", lambda modality: "teacher-init")
    assert similarities.same_start(found[0], "accelerometer", "gyroscope") == 1


def test_planes_show_the_teacher_and_its_student_on_the_same_samples(found):
    """Silhouettes against scikit-learn's, on features that are made here."""
    study, outcome = found
    both = outcome.analysis.embeddings
    assert [(one.teacher, one.student) for one in both] == [
        ("accelerometer", "gyroscope"),
        ("gyroscope", "accelerometer"),
    ]
    one = both[1]
    fold = study.dataset.folds()(0)
    order = torch.randperm(len(fold.test), generator=rng.generator(0, "embedding-samples"))
    samples = fold.test[order[:SAMPLES].sort().values]
    assert one.labels == tuple(fold.labels[samples].tolist())
    assert one.perplexity == pytest.approx((2 * SAMPLES - 1) / 3)
    plan = prepared(study.store.root + "-other").plan
    teacher = next(t for t in plan.teachers if t.config.network.modality == "gyroscope")
    for panel in (one.before, one.after):
        student = next(t for t in plan.students if t.key == panel.key)
        assert student.config.network.modality == "accelerometer"
        features = []
        for trial in (teacher, student):
            inputs = fold.inputs[trial.config.network.modality].values[samples]
            with torch.no_grad():
                x = untrained(study, trial, 0)(inputs).maps[-1].relu().mean(-1).double()
            features.append(F.normalize(x - x.mean(1, keepdim=True)))
        whose = np.repeat([0, 1], SAMPLES)
        known = silhouette_score(np.concatenate(features), whose)
        assert panel.by_modality == pytest.approx(known, abs=1e-5)
        apart = [
            (silhouette_score(np.concatenate([x[here] for x in features]), np.repeat([0, 1], n)), n)
            for here in (np.array(one.labels) == label for label in set(one.labels))
            if (n := int(here.sum())) > 1
        ]
        known = np.average([value for value, _ in apart], weights=[n for _, n in apart])
        assert panel.by_modality_within_class == pytest.approx(known, abs=1e-5)
        known = silhouette_score(features[1], one.labels)
        assert panel.by_class_student == pytest.approx(known, abs=1e-5)
        assert (len(panel.teacher), len(panel.student)) == (SAMPLES, SAMPLES)
        assert panel.test_score == 0.25
    assert (one.before.method, one.after.method) == ("none", "fd-cmkd")
    assert one.before.key != one.after.key


def test_features_before_the_relu_are_another_analysis(found):
    study, _ = found
    keep = study.store.root + "-other"
    other = prepared(keep, features="pre-relu")
    assert other.plan.sweep != study.plan.sweep
    assert not {cell.key for cell in other.plan.cells} & {cell.key for cell in study.plan.cells}


def test_all_networks_of_the_first_seed_are_compared_at_the_distilled_stage(found):
    """Two teachers here, by the definition in `test_kernels`; a teacher is at 1 with itself."""
    study, outcome = found
    matrix = outcome.analysis.matrix
    assert matrix.networks == (
        *("accelerometer teacher", "gyroscope teacher", "gyroscope alone", "accelerometer alone"),
        *("gyroscope of accelerometer", "accelerometer of gyroscope"),
    )
    fold = study.dataset.folds()(0)
    features = [maps.relu().mean(-1) for maps in last_maps(study, 0)]
    assert matrix.samples == len(fold.test)
    expected = alignments(features)[0, 1].item()
    assert matrix.values[0][1] == pytest.approx(expected, abs=1e-6)
    assert [line[place] for place, line in enumerate(matrix.values)] == pytest.approx([1] * 6)


def test_of_several_teachers_every_two_modalities_are_compared(tmp_path):
    sweep = override(analyze.base_sweep(), dataset="room-kinds", directions=("*->depth",))
    options = StudyOptions(storage=str(tmp_path), request=ResourceRequest(gpus=0))
    plan = analyze.prepare(sweep, options).plan
    assert len(networks.pairs(plan.cells)) == 3
    directions = list(dict.fromkeys(str(cell.direction) for cell in plan.cells))
    assert (len(directions), directions[-1]) == (7, "rgb+normals->depth")
    assert len(plan.students) == 3 + 7  # alone, and taught


def test_record_and_pictures_are_kept(found, told):
    study, outcome = found
    assert analyses.load(study.store, study.plan.sweep) == outcome.analysis
    for name, content in outcome.pictures.items():
        assert study.store.exists(f"reports/{study.plan.sweep}/{name}")
        assert content
    assert {teacher.test_score for teacher in outcome.analysis.teachers} == {0.25}
    assert [(t.modality, t.seed) for t in outcome.analysis.teachers] == [
        ("accelerometer", 0),
        ("accelerometer", 1),
        ("gyroscope", 0),
        ("gyroscope", 1),
    ]
    texts, numbers, pictures = told.finish.call_args.args
    assert texts["analysis.md"] == outcome.to_markdown()
    assert set(texts) == {"analysis.md", "analysis.html"}
    for name, text in texts.items():
        assert study.store.read_text(f"reports/{study.plan.sweep}/{name}") == text
    assert "tsne-gyroscope-to-accelerometer.svg" in pictures
    assert numbers
    assert pictures == outcome.pictures
    assert outcome.to_json()["failures"] == []
    assert outcome.failures == ()
    assert outcome.to_markdown().startswith("## Cosine similarity of teacher features, watch")
    assert outcome.to_text(math.inf) == outcome.to_markdown()
    assert max(map(len, outcome.to_text(80).splitlines())) <= 80


@pytest.mark.slow
def test_the_same_networks_give_the_same_record(found):
    study, outcome = found
    assert analyze.analysis(study, (0, 1)) == outcome.analysis


def test_a_record_gives_way_if_it_is_another_or_cannot_be_read(found):
    study, outcome = found
    record = outcome.analysis
    assert analyze.is_kept(study.store, record)
    assert not analyze.is_kept(study.store, record.replace(cutoff=0.25))
    study.store.write_text(f"reports/{record.name}/analysis.json", "{}")
    assert not analyze.is_kept(study.store, record)
    analyses.save(study.store, record)


def test_what_lost_a_network_is_left_out(tmp_path, told):
    """The teachers of seed 1, and a student of seed 0."""
    study = prepared(tmp_path)
    lost = study.plan.students[0]
    left = replace(study, plan=replace(study.plan, students=study.plan.students[1:]))
    keep_untrained(left, (0,))
    assert analyze.seeds_with_teachers(study, ()) == (0,)
    record = analyze.analysis(study, (0,))
    assert "Seeds 1 are left out: a teacher failed." in record.notes
    assert record.comparisons[0].quantities[0].other_start is None
    assert lost.config.network.modality == "gyroscope"
    assert [one.student for one in record.embeddings] == ["accelerometer"]
    assert "No t-SNE of accelerometer->gyroscope: a network of seed 0 failed." in record.notes


def test_no_seed_with_teachers_is_an_error(found):
    study, _ = found
    none = replace(study, plan=replace(study.plan, seeds=(7,)))
    failure = analyze.Failure("teacher gyroscope", 7, "it exploded", "log.txt")
    with pytest.raises(ReplicateError, match="teacher gyroscope, seed 7: no seed has all"):
        analyze.seeds_with_teachers(none, (failure,))
