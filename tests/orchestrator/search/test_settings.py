"""What a search plans on data of either task."""

import pytest
import tiles

from fdsweep.orchestrator.execution.cluster import ResourceRequest
from fdsweep.orchestrator.search import settings as planning
from fdsweep.orchestrator.studies.options import StudyOptions
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.spaces import load_space
from fdsweep.search_spaces.sweep import override

WAYS = {
    "watch": "accelerometer->gyroscope",
    "tiles": "left->right",
    "room-kinds": "rgb+normals->depth",
}
WATCH = "loss-weights-fd-cmkd-watch-accelerometer-gyroscope-6687ca03"


def planned(storage, dataset, objective="score", **given):
    settings = planning.SearchSettings(
        space=load_space("loss-weights"), objective=objective, **{"options": {}, **given}
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
