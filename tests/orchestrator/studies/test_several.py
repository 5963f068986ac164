"""Rows of several teachers: which of them teach, with what weights, and under which keys."""

import json

import pytest

from fdsweep.orchestrator.studies.manifest import make_manifest
from fdsweep.orchestrator.studies.plan import make_cells, sweep_name
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.keys import spell
from fdsweep.search_spaces.presets import load_preset
from fdsweep.search_spaces.sweep import override, validated
from fdsweep.trainers import datasets

INFO = datasets.find("room-kinds").info
BOTH = "rgb+normals->depth"


def sweep_of(*rows, direction=BOTH, **changes):
    named = [{"name": f"r{number}", **row} for number, row in enumerate(rows)]
    content = {"study": "s", "title": "t", "rows": named, "dataset": "room-kinds"}
    return validated({**content, "directions": [direction], **changes}, "here")


def configs(*rows, **changes):
    return [cell.config for cell in make_cells(sweep_of(*rows, **changes), INFO)]


def test_the_preset_has_nobody_each_teacher_and_all_of_them_for_every_student():
    sweep = override(load_preset("teachers"), dataset="room-kinds")
    cells = make_cells(sweep, INFO)
    assert [(str(cell.direction), cell.row.name) for cell in cells[:4]] == [
        ("depth+normals->rgb", "w/o KD"),
        ("depth+normals->rgb", "only depth"),
        ("depth+normals->rgb", "only normals"),
        ("depth+normals->rgb", "all together"),
    ]
    students = [cell.direction.student for cell in cells]
    assert students == [name for name in ("rgb", "depth", "normals") for _ in range(4)]
    rows = make_manifest(sweep, cells, INFO).rows
    assert [row.taught_by for row in rows[:4]] == ["", "depth", "normals", "depth + normals"]
    assert [len(row.teacher_keys) for row in rows[:4]] == [0, 1, 1, 2]


def test_a_teacher_alone_is_trained_once_whichever_study_asks():
    alone = load_preset("teachers").rows[1].options
    (one,) = configs({"options": alone}, direction="rgb->depth")
    cells = make_cells(override(load_preset("teachers"), dataset="room-kinds"), INFO)
    assert one.key in {cell.key for cell in cells if cell.row.name == "only rgb"}


def test_a_row_for_each_teacher_has_a_name_of_its_own():
    sweep = sweep_of({"name": "kd", "taught_by": "each"}, {"name": "kd rgb"})
    with pytest.raises(ConfigError, match=r"rgb\+normals->depth: row 'kd rgb' stands twice"):
        make_cells(sweep, INFO)


def test_where_one_teaches_each_is_all():
    watch = datasets.find("watch").info
    names = [cell.row.name for cell in make_cells(load_preset("teachers"), watch)]
    assert names == ["w/o KD", "all together"] * 2


def test_weights_count_by_their_share():
    """Who has none does not teach; the plain mean is spelt without weights."""
    plain, alike, twice, same, alone, zero = configs(
        *({}, {"teacher_weights": {"rgb": 3, "normals": 3}}),
        *({"teacher_weights": {"rgb": 2, "normals": 1}},),
        *({"teacher_weights": {"normals": 0.5, "rgb": 1.0}},),
        *({"teacher_weights": {"rgb": 1}}, {"teacher_weights": {"rgb": 5, "normals": 0}}),
    )
    assert plain == alike
    assert plain.weight_of_each == (0.5, 0.5)
    assert "teacher_weights" not in json.loads(spell(plain))
    assert twice == same
    assert twice.teacher_weights == pytest.approx((2 / 3, 1 / 3))
    assert len({plain.key, twice.key, alone.key}) == 3
    assert alone == zero == configs({}, direction="rgb->depth")[0]


def test_the_sweeps_weights_are_those_of_rows_that_name_none():
    told, own = configs(
        {}, {"teacher_weights": {"rgb": 1, "normals": 1}}, teacher_weights={"rgb": 3, "normals": 1}
    )
    assert (told.teacher_weights, own.teacher_weights) == ((0.75, 0.25), ())


def test_pairings_of_single_teachers_stand_in_the_key_where_they_differ():
    shuffled, same, mixed = configs(
        {"pairing": "shuffled"},
        {"pairings": {"rgb": "shuffled", "normals": "shuffled"}},
        {"pairing": "shuffled", "pairings": {"rgb": "paired"}},
    )
    assert shuffled == same
    assert mixed.pairing_of_each == ("paired", "shuffled")
    assert mixed.key != shuffled.key
    sweep = sweep_of({"pairings": {"rgb": "shuffled"}})
    (row,) = make_manifest(sweep, make_cells(sweep, INFO), INFO).rows
    assert row.pairing == "rgb shuffled, normals paired"


def test_what_came_later_is_in_no_name_of_a_sweep_while_it_is_unset():
    def name(*rows, **changes):
        sweep = sweep_of(*rows, **changes)
        return sweep_name(sweep, make_cells(sweep, INFO))

    plain = name({})
    assert plain == "s-room-kinds-efa504"
    assert plain == name({"taught_by": "all", "teacher_weights": {}, "pairings": {}})
    weights = {"rgb": 1.0, "normals": 2.0}
    given = [{"teacher_weights": weights}, {"taught_by": "each"}, {"pairings": {"rgb": "unpaired"}}]
    others = [*map(name, given), name({}, teacher_weights=weights)]
    assert len({plain, *others}) == 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"method": "c2kd"}, r"rgb\+normals->depth: the method moves its teacher, so it takes 1, "),
        ({"method": "kd+c2kd"}, "the method moves its teacher, so it takes 1, not 2"),
        ({"teacher_weights": {"rgb": 0}}, "none of rgb, normals has a weight. Give one of them"),
        (
            {"teacher_weights": {"sound": 1}},
            "unknown modality 'sound'. Choose from: depth, normals, rgb",
        ),
        ({"pairings": {"sound": "paired"}}, "unknown modality 'sound'"),
    ],
)
def test_what_cannot_be_taught_so_is_refused(row, message):
    with pytest.raises(ConfigError, match=message) as caught:
        configs(row)
    assert len(str(caught.value).splitlines()) == 1


def test_a_method_that_moves_its_teacher_learns_from_one_of_them():
    (config,) = configs({"method": "c2kd", "teacher_weights": {"normals": 1}})
    assert [teacher.modality for teacher in config.teachers] == ["normals"]


@pytest.mark.parametrize(("asked", "found"), [
    ("*->depth", ["rgb+normals->depth"]),
    ("rgb->*", ["rgb->depth", "rgb->normals"]),
    ("*->*", ["depth+normals->rgb", "rgb+normals->depth", "rgb+depth->normals"]),
])  # fmt: skip
def test_a_star_stands_for_the_other_modalities(asked, found):
    assert [str(one) for one in INFO.directions((asked,))] == found


@pytest.mark.parametrize("asked", ["*+rgb->depth", "rgb->sound", "sound+rgb->*"])
def test_a_star_invents_no_direction(asked):
    with pytest.raises(ConfigError, match="unknown direction"):
        INFO.directions((asked,))
