from dataclasses import replace

import pytest

from fdsweep.orchestrator.execution.devices.sharing import split
from fdsweep.orchestrator.execution.trial import train_name
from fdsweep.orchestrator.studies.compare import comparison
from fdsweep.orchestrator.studies.manifest import make_manifest
from fdsweep.orchestrator.studies.plan import make_cells, make_plan, sweep_name
from fdsweep.search_spaces.configs import GivenTeacher
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.presets.changes import with_options
from fdsweep.search_spaces.ranking.retrieval import RECALLS
from fdsweep.search_spaces.sweep import override, validated, with_aa
from fdsweep.trainers import datasets, optimisation

INFO = datasets.find("watch").info


def plan_of(sweep, finished=(), teachers_there=(), info=INFO, **options):
    return make_plan(
        sweep,
        make_cells(sweep, info),
        finished=set(finished),
        missing_teachers=lambda key, seeds: tuple(
            seed for seed in seeds if (key, seed) not in teachers_there
        ),
        storage="store",
        **options,
    )


@pytest.fixture
def components():
    return override(load_preset("components"), seeds=(0, 1, 2))


def test_a_fresh_study_is_all_trials_with_their_teachers(components):
    plan = plan_of(components)
    assert (plan.done, plan.total) == (0, 8 * 2 * 3)
    assert len(plan.students) == 16
    assert [trial.config.network.modality for trial in plan.teachers] == [
        "accelerometer",
        "gyroscope",
    ]
    assert {trial.seeds for trial in (*plan.students, *plan.teachers)} == {(0, 1, 2)}
    assert plan.left == 16 * 3 + 6


def test_headings_and_published_numbers_change_no_name(components):
    plain = plan_of(components)
    rows = tuple(row.model_copy(update={"group": "G", "paper": None}) for row in components.rows)
    headed = plan_of(components.model_copy(update={"rows": rows}))
    assert headed.sweep == plain.sweep
    assert [cell.key for cell in headed.cells] == [cell.key for cell in plain.cells]


def test_what_is_finished_is_not_planned_again(components):
    everything = {(cell.key, s) for cell in plan_of(components).cells for s in components.seeds}
    first = plan_of(components).cells[0]
    plan = plan_of(components, finished=everything - {(first.key, 1)})
    assert [(trial.key, trial.seeds) for trial in plan.students] == [(first.key, (1,))]
    assert [trial.seeds for trial in plan.teachers] == [(1,)]
    assert plan_of(components, finished=everything).left == 0


def test_a_teacher_in_the_storage_is_not_trained_again(components):
    keys = [trial.key for trial in plan_of(components).teachers]
    there = {(key, seed) for key in keys for seed in (0, 2)}
    assert [trial.seeds for trial in plan_of(components, teachers_there=there).teachers] == [
        (1,),
        (1,),
    ]


def test_an_interrupted_trial_keeps_its_name(components):
    fresh = plan_of(components).students[0]
    left = plan_of(components, finished={(fresh.key, 0)}).students[0]
    assert left.seeds == (1, 2)
    assert train_name(left) == train_name(fresh)


def test_seeds_can_be_split_among_trials(components):
    plan = split(plan_of(components), lambda cells: 2)
    mine = [trial for trial in plan.students if trial.key == plan.cells[0].key]
    assert [trial.seeds for trial in mine] == [(0, 1), (2,)]
    assert len({trial.group for trial in mine}) == 2
    assert [trial.seeds for trial in plan.teachers] == [(0, 1), (2,)] * 2
    assert plan.left == plan_of(components).left


def test_cells_and_teachers_are_split_each_by_their_number(components):
    plan = split(plan_of(components), lambda cells: 3 if cells == 16 else 1)
    assert {trial.seeds for trial in plan.students} == {(0, 1, 2)}
    assert [trial.seeds for trial in plan.teachers] == [(0,), (1,), (2,)] * 2


def test_what_was_interrupted_is_split_as_it_was(components):
    """Its checkpoint is found by the seeds that it was planned with."""
    begun = train_name(split(plan_of(components), lambda cells: 2).students[-1])
    finished = {(plan_of(components).students[0].key, 0)}
    plan = split(plan_of(components, finished), lambda cells: 1, {begun, "student-other-0-abc"})
    assert begun in {train_name(trial) for trial in plan.students}
    assert {trial.seeds for trial in plan.students} == {(0, 1), (1,), (2,)}
    assert {len(trial.seeds) for trial in plan.teachers} == {1}


def test_only_trials_of_all_seeds_are_split(components):
    plan = plan_of(components)
    kept = replace(plan.students[0], seeds=(0,), group="kept-0", keeps_student=True)
    assert split(replace(plan, students=(kept,)), lambda cells: 1).students == (kept,)


def test_none_needs_no_teacher_and_a_random_one_is_not_trained():
    rows = [{"name": "a", "method": "none"}, {"name": "b", "teacher": "random"}]
    plan = plan_of(validated({"study": "s", "title": "t", "rows": rows, "seeds": [0]}, "here"))
    assert plan.teachers == ()
    assert {trial.config.teacher_keys for trial in plan.students} == {()}


def test_equal_rows_are_trained_once():
    """Cutoff 1/2 of one study is the full method of another: one key, one result."""
    full = make_cells(load_preset("components"), INFO)[6]
    half = make_cells(load_preset("cutoffs"), INFO)[0]
    default_losses = make_cells(load_preset("losses"), INFO)[1]
    assert full.key == half.key == default_losses.key


def test_where_and_how_long_a_seed_list_is_changes_no_key(components):
    keys = [cell.key for cell in make_cells(components, INFO)]
    more = override(components, seeds=tuple(range(8)))
    assert [cell.key for cell in make_cells(more, INFO)] == keys
    longer = override(components, epochs=99)
    assert not set(keys) & {cell.key for cell in make_cells(longer, INFO)}


def test_a_sweeps_name_tells_settings_apart_but_not_seeds_or_directions(components):
    def name(**changes):
        sweep = override(components, **changes)
        return sweep_name(sweep, make_cells(sweep, INFO))

    one_way = ("accelerometer->gyroscope",)
    assert name() == name(seeds=(5,)) == name(directions=one_way)
    assert name() != name(epochs=99)
    assert name().startswith("components-watch-")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"method": "fdcmkd"}, "unknown method 'fdcmkd'. Choose from: .*fd-cmkd"),
        ({"options": {"cutof": 0.5}}, "unknown option of fd-cmkd 'cutof'. Choose from: .*cutoff"),
        ({"options": {"cutoff": 0.0}}, "0.0"),
        ({"options": {"cutoff": 1}}, "1.0"),
        ({"options": {"cutoff": "half"}}, "'half'"),
        ({"options": {"freq": False}}, "logmse=false"),
    ],
)
def test_a_row_that_cannot_run_is_refused_before_anything_runs(row, message):
    sweep = validated({"study": "s", "title": "t", "rows": [{"name": "x", **row}]}, "here")
    with pytest.raises(ConfigError, match=message) as caught:
        make_cells(sweep, INFO)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("dataset", "row", "message"),
    [
        ("rooms", {"method": "unpaired"}, "row x: unpaired is not for data sets whose pixels have"),
        ("rooms", {"method": "kd+unpaired"}, "kd.unpaired is not for data sets whose pixels have"),
        ("watch", {"options": {"axes": "positions"}}, "row x: fd-cmkd is for data sets whose pixe"),
    ],
)
def test_a_method_is_refused_where_it_cannot_be_used(dataset, row, message):
    sweep = validated({"study": "s", "title": "t", "rows": [{"name": "x", **row}]}, "here")
    with pytest.raises(ConfigError, match=message) as caught:
        make_cells(sweep, datasets.find(dataset).info)
    assert len(str(caught.value).splitlines()) == 1


def test_an_option_that_came_later_is_in_no_key_while_it_is_unset():
    def options_of(**given):
        rows = [{"name": "x", "options": given}]
        sweep = validated({"study": "s", "title": "t", "rows": rows}, "here")
        return make_cells(sweep, INFO)[0].config.options

    assert options_of() == options_of(axes="channels")
    assert "axes" not in options_of()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbones": {"gyroscope": "vgg"}}, "unknown backbone 'vgg'. Choose from: bert-base"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam'. Choose from: adamw, sgd"),
        ({"schedule": "linear"}, "unknown schedule 'linear'. Choose from: cosine, polynomial, pol"),
        ({"warmup_epochs": 5.0, "epochs": 5}, "5 of 5 epochs are a warm-up"),
        ({"lr": 1e-5}, "or a lower final_lr"),
        ({"backbones": {"audio": "cnn1d"}}, "unknown modality 'audio'"),
        ({"directions": ("a->b",)}, "unknown direction 'a->b'"),
    ],
)
def test_unknown_parts_name_what_there_is(components, changes, message):
    with pytest.raises(ConfigError, match=message):
        make_cells(override(components, **changes), INFO)


def test_the_optimisation_is_of_student_and_teacher_and_unset_changes_nothing(components):
    plain = plan_of(components)
    same = plan_of(override(components, optimizer="sgd", schedule="polynomial", warmup_epochs=0.0))
    assert (same.sweep, same.cells) == (plain.sweep, plain.cells)
    given = {
        "optimizer": "adamw",
        "schedule": "cosine",
        "warmup_epochs": 1.5,
        "weight_decay": 0.01,
        "momentum": 0.8,
        "final_lr": 1e-6,
        "power": 2.0,
    }
    other = plan_of(override(components, **given))
    assert other.sweep != plain.sweep
    assert other.teachers
    for trial in (*other.students, *other.teachers):
        assert {name: getattr(trial.config.network.optim, name) for name in given} == given


def test_a_raised_version_of_an_optimiser_makes_other_keys(components, monkeypatch):
    plain = plan_of(components)
    registry = optimisation.optimizers
    raised = {**registry._entries, "sgd": replace(registry.get("sgd"), version=2)}
    monkeypatch.setattr(registry, "_entries", raised)
    keys = {trial.key for trial in (*plain.students, *plain.teachers)}
    again = plan_of(components)
    assert keys.isdisjoint(trial.key for trial in (*again.students, *again.teachers))


def test_an_aa_row_repeats_the_first_row_from_other_weights(components):
    for study in (components, load_preset("controls")):
        cells = make_cells(with_aa(study), INFO)
        baseline, repeated = cells[0], next(cell for cell in cells if cell.row.control)
        assert repeated.row.name == "A/A"
        assert repeated.config == replace(baseline.config, perturbation=1e-7)
        assert repeated.key != baseline.key
    assert with_aa(load_preset("controls")) == load_preset("controls")


def test_the_protocol_and_the_feature_point_are_of_student_and_teacher(components):
    plain = plan_of(components)
    for change in ({"protocol": "published"}, {"features": "pre-relu"}):
        other = plan_of(override(components, **change))
        assert other.sweep != plain.sweep
        keys = {trial.key for trial in (*other.students, *other.teachers)}
        assert keys.isdisjoint(trial.key for trial in (*plain.students, *plain.teachers))


def test_what_is_done_about_rare_classes_is_for_teachers_too_and_in_the_name():
    plain = override(load_preset("components"), seeds=(0,))
    names = set()
    for change in ({}, {"class_weights": "balanced"}, {"sampling": "balanced"}):
        sweep = override(plain, **change)
        plan = plan_of(sweep)
        names.add(plan.sweep)
        for config in (trial.config for trial in (*plan.teachers, *plan.students)):
            for network in (config.network, *config.teachers):
                assert {name: getattr(network, name) for name in change} == change
        notes = make_manifest(sweep, plan.cells, INFO).data_notes
        assert len(notes) == len(INFO.notes) + len(change)
    assert len(names) == 3


SETS = replace(INFO, task="multilabel", scenes=("(none)", "PEN;ROW"))


@pytest.mark.parametrize(
    ("dataset", "method", "changes", "message"),
    [
        ("rooms", "none", {"sampling": "balanced"}, "on rooms pixels have a class each"),
        ("sets", "none", {"sampling": "balanced"}, "samples have several labels"),
        ("sets", "kd+dkd", {}, r"kd\+dkd is for samples of one label: it sets the label apart"),
    ],
)
def test_what_needs_one_label_is_refused_where_there_are_several(dataset, method, changes, message):
    info = SETS if dataset == "sets" else datasets.find(dataset).info
    sweep = validated({"study": "s", "title": "S", "rows": [{"name": "r", "method": method}]}, "s")
    with pytest.raises(ConfigError, match=message):
        make_cells(override(sweep, **changes), info)


def test_a_task_that_knows_no_weights_is_refused(monkeypatch):
    monkeypatch.setattr("fdsweep.trainers.tasks.classification.Classification.balances", False)
    sweep = override(load_preset("components"), class_weights="balanced")
    with pytest.raises(ConfigError, match="the loss of classification knows no weights"):
        make_cells(sweep, INFO)


def test_sets_of_labels_are_compared_by_methods_that_take_them():
    sweep = comparison(task="multilabel")
    methods = {row.method for row in sweep.rows}
    assert {"kd", "dist", "fd-cmkd", "unpaired"} - methods == {"unpaired"}
    cells = make_cells(sweep, SETS)
    assert make_manifest(sweep, cells, SETS).class_names == INFO.classes


PAIRS = replace(INFO, task="retrieval", classes=("all",))


def test_every_row_of_a_retrieval_has_the_teacher_that_learnt_beside_its_student():
    sweep = override(comparison(task="retrieval"), directions=(), seeds=(0,))
    methods = {row.method: row.options for row in sweep.rows}
    assert {"none", "feat", "pkd", "freekd", "fd-cmkd"} <= methods.keys()
    assert not {"kd", "dkd", "c2kd", "unpaired"} & methods.keys()
    assert methods["fd-cmkd"] == {"align": False, "band_heads": False}
    cells = make_cells(sweep, PAIRS)
    for cell in cells:
        (teacher,) = cell.config.teachers
        assert (teacher.modality,) == cell.direction.teachers
        assert teacher.partner.modality == cell.config.network.modality
        assert cell.config.network.partner is None
    assert len({cell.key for cell in cells}) == len(cells)
    given = {"gyroscope": GivenTeacher("cnn1d", 1, "digest")}
    taught = [cell.config.teachers[0] for cell in make_cells(sweep, PAIRS, given=given)]
    assert {(one.weights, one.partner is None) for one in taught} == {("", False), ("digest", True)}
    plan = plan_of(sweep, info=PAIRS)
    assert {trial.config.network.modality for trial in plan.teachers} == {
        modality.name for modality in PAIRS.modalities
    }
    manifest = make_manifest(sweep, cells, PAIRS)
    assert set(manifest.teachers) == {
        "accelerometer beside gyroscope", "gyroscope beside accelerometer",
    }  # fmt: skip
    assert manifest.class_names == RECALLS
    assert "learn to meet the teacher as it is" in manifest.data_notes[-1]


@pytest.mark.parametrize(
    ("row", "changes", "message"),
    [
        ({"method": "kd"}, {}, "kd is for samples with classes: its logits are those of classes"),
        ({"method": "feat+kd"}, {}, r"feat\+kd is for samples with classes"),
        ({"method": "fd-cmkd"}, {}, "learn labels unless align=false, band_heads=false"),
        ({"method": "freekd", "options": {"prompts": 2}}, {}, "unless prompts=0"),
        ({"method": "feat", "teacher": "random"}, {}, "a random teacher has no space"),
        ({"method": "feat", "pairing": "same-class"}, {}, "no classes to pair them by"),
        ({"method": "none"}, {"accumulate": 2}, "the loss of retrieval is not the mean"),
        ({"method": "none"}, {"sampling": "balanced"}, "samples have none"),
        ({"method": "none"}, {"class_weights": "balanced"}, "knows no weights of classes"),
    ],
)
def test_what_a_retrieval_cannot_do_is_refused(row, changes, message):
    sweep = validated({"study": "s", "title": "S", "rows": [{"name": "r", **row}]}, "s")
    with pytest.raises(ConfigError, match=message):
        make_cells(override(sweep, **changes), PAIRS)


def test_presets_without_classes_suit_a_retrieval():
    for name in ("losses", "cutoffs"):
        sweep = with_options(load_preset(name), ["align=false"], lambda _: ["align"])
        assert len(make_cells(sweep, PAIRS)) == 2 * len(sweep.rows)
