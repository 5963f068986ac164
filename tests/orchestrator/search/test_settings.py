"""What a search plans on data of either task."""

import optuna
import pytest
import tiles
from miniature import own_table

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.search import settings as planning
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.spaces import load_space, sample
from fdsweep.search_spaces.sweep import override

WAYS = {
    "watch": "accelerometer->gyroscope",
    "tiles": "left->right",
    "room-kinds": "rgb+normals->depth",
    "steps": "text->motion",
}
SWITCHES = {
    "title": "Switches",
    "parameters": {
        "weight_high": {"low": 0.1, "high": 10.0},
        "align": {"choices": [True, False]},
        "weight_align": {"low": 0.1, "high": 10.0, "when": {"align": True}},
    },
}
WATCH = "loss-weights-fd-cmkd-watch-accelerometer-gyroscope-6687ca03"


def planned(storage, dataset, objective="score", *, space="loss-weights", **given):
    settings = planning.SearchSettings(
        space=load_space(space), objective=objective, **{"options": {}, **given}
    )
    sweep = override(planning.base_sweep(settings), dataset=dataset, directions=(WAYS[dataset],))
    options = StudyOptions(storage=str(storage), request=ResourceRequest(gpus=0))
    return planning.prepare(settings, sweep, options)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    tiles.register(monkeypatch)


def test_a_search_that_was_begun_when_scores_were_accuracies_is_gone_on_with(tmp_path):
    """Its study is found by name."""
    for objective in ("score", "accuracy"):
        study = planned(tmp_path, "watch", objective)
        assert [search.name for search in study.searches] == [WATCH]
        assert (study.metric, study.pruner) == ("accuracy", "asha")


def test_the_objective_is_named_by_the_metric(tmp_path):
    named = {one: planned(tmp_path, "tiles", one) for one in ("score", "miou", "score,cost")}
    assert named["score"].searches == named["miou"].searches
    assert {study.settings.objective for study in named.values()} == {"miou", "miou,cost"}
    assert (named["miou"].pruner, named["score,cost"].pruner) == ("asha", "none")
    message = "no objective 'accuracy' for tiles, whose score is miou.*score; .*miou; miou,cost"
    with pytest.raises(ConfigError, match=message):
        planned(tmp_path, "tiles", "accuracy")


def test_on_pixels_the_default_is_the_papers_there(tmp_path):
    (search,) = planned(tmp_path, "tiles").searches
    assert [dimension.name for dimension in search.dimensions] == ["weight_low", "weight_high"]
    assert search.starts_at_default
    row = search.row({"weight_low": 3.0}, "tuned")
    assert row.options == {"align": False, "band_heads": False, "weight_low": 3.0}
    (other,) = planned(tmp_path, "tiles", options={"cutoff": 0.25}).searches
    assert not other.starts_at_default
    assert other.options == {"align": False, "band_heads": False, "cutoff": 0.25}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """A storage with pairs without labels."""
    folder = tmp_path_factory.mktemp("pairs")
    own_table.prepare(own_table.build_pairs(folder), folder / "storage")
    return folder / "storage"


@pytest.mark.parametrize("space", ["loss-weights", "cutoffs", "all", "switches"])
@pytest.mark.parametrize("method", ["fd-cmkd", "feat+fd-cmkd"])
def test_without_classes_no_point_has_classifiers(pairs, tmp_path, space, method):
    """Whatever the space says: with them a row is refused (`Distiller.needs_classes`)."""
    if space == "switches":
        space = own_table.write_yaml(tmp_path / "switches.yaml", SWITCHES)
    study = planned(pairs, "steps", space=space, methods=(method,))
    (search,) = study.searches
    assert search.starts_at_default
    sampler = optuna.samplers.RandomSampler(seed=0)
    trials = optuna.create_study(sampler=sampler)
    for _ in range(8):
        (config,) = study.configs(search, sample(search.dimensions, trials.ask()))
        switches = {
            option.rpartition(".")[2]: value
            for option, value in config.options.items()
            if option.endswith(("align", "band_heads")) and "weight" not in option
        }
        assert switches == {"align": False, "band_heads": False}


def test_weights_of_several_teachers_are_searched_beside_the_methods_own(tmp_path):
    study = planned(tmp_path, "room-kinds", methods=("kd",))
    (search,) = study.searches
    names = ["weight", "teacher_weight.rgb", "teacher_weight.normals"]
    assert [dimension.name for dimension in search.dimensions] == names
    assert search.starts_at_default
    assert search.name.startswith("loss-weights-kd-room-kinds-normals-rgb-depth-")
    row = search.row({"weight": 2.0, "teacher_weight.rgb": 3.0}, "tuned")
    assert (row.options, row.teacher_weights) == ({"weight": 2.0}, {"rgb": 3.0, "normals": 1.0})
    (config,) = study.configs(search, {"weight": 2.0, "teacher_weight.rgb": 3.0})
    assert config.teacher_weights == (0.75, 0.25)
    default, cell = study.configs(search, dict.fromkeys(names, 1.0)), search.cells[0]
    assert [one.key for one in default] == [cell.key]
