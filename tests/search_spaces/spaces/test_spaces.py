import itertools
import random
import re

import optuna
import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.spaces import (
    Dimension,
    Space,
    check_names,
    default_point,
    dimensions,
    load_space,
    sample,
    spaces,
    violation,
)
from fdsweep.trainers import distillers

LR = 0.01
GOOD = """
title: Weights of the two bands
parameters:
  weight_low: {low: 0.1, high: 10000, log: true}
  freq: {choices: [true, false]}
  cutoff: {low: 0.05, high: 0.95, when: {freq: true}}
constraints:
  - weight_low <= weight_high
"""


class Recorder:
    """Answers from a list of values and keeps what it was asked for."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def suggest_float(self, name, low, high, *, log=False):
        return self._answer("float", name, low, high, log)

    def suggest_int(self, name, low, high, *, log=False):
        return self._answer("int", name, low, high, log)

    def suggest_categorical(self, name, choices):
        return self._answer("categorical", name, *choices)

    def _answer(self, *question):
        self.asked.append(question)
        return self.answers.pop(0)


def space(parameters, constraints=()):
    return Space.model_validate(
        {"space": "mine", "title": "", "parameters": parameters, "constraints": constraints}
    )


def defaults_of(method, **fixed):
    return {**distillers.resolve_options(method, fixed), "lr": LR}


def search(parameters, method="fd-cmkd", defaults=None):
    return dimensions(space(parameters), method, defaults or defaults_of(method))


def names(dims):
    return [dimension.name for dimension in dims]


def random_points(dims, n, seed=0):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [sample(dims, study.ask()) for _ in range(n)]


RANGE = {"low": 0.1, "high": 10}
FREQ = {"choices": [True, False]}


def test_the_presets_are_three_spaces_that_name_known_options():
    assert spaces() == ("all", "cutoffs", "loss-weights")
    known = {
        option for name in distillers.names() for option in distillers.resolve_options(name, {})
    }
    for name in spaces():
        assert load_space(name).space == name
        check_names(load_space(name), {*known, "lr", "teacher_weight.audio"})


@pytest.mark.parametrize(
    ("preset", "method", "expected"),
    [
        ("loss-weights", "fd-cmkd", "weight_low weight_high weight_align"),
        ("loss-weights", "kd", "weight"),
        ("loss-weights", "dkd", "alpha beta"),
        ("loss-weights", "freekd", "weight_low weight_high"),
        (
            "loss-weights",
            "cirkd-v2",
            "weight_kd weight_channel_mse weight_feature weight_pixel weight_pixel_memory "
            "weight_region_memory weight_channel weight_channel_memory",
        ),
        (
            "loss-weights",
            "kd+fd-cmkd",
            "kd.weight fd-cmkd.weight_low fd-cmkd.weight_high fd-cmkd.weight_align",
        ),
        ("cutoffs", "fd-cmkd", "cutoff"),
        (
            "all",
            "fd-cmkd",
            "freq weight_low weight_high weight_align cutoff logmse band_heads reduction lr",
        ),
        ("all", "feat", "weight reduction lr"),
        ("all", "none", "lr"),
    ],
)
def test_a_method_searches_what_it_has(preset, method, expected):
    assert names(dimensions(load_space(preset), method, defaults_of(method))) == expected.split()


NOTHING = {("cutoffs", name) for name in ("kd", "feat", "freekd", "dist", "none")}
NOTHING.add(("loss-weights", "none"))


@pytest.mark.parametrize("preset", ["loss-weights", "cutoffs", "all"])
@pytest.mark.parametrize(
    "method", ["fd-cmkd", "kd", "feat", "kd+fd-cmkd", "freekd", "dist", "none"]
)
def test_every_point_of_a_preset_is_accepted(preset, method):
    defaults = defaults_of(method)
    if (preset, method) in NOTHING:
        with pytest.raises(ConfigError, match=rf"{re.escape(method)} has nothing .* {preset}"):
            dimensions(load_space(preset), method, defaults)
        return
    dims = dimensions(load_space(preset), method, defaults)
    for point in random_points(dims, 60):
        for dimension in dims:
            if dimension.name in point:
                value = point[dimension.name]
                assert dimension.in_range(value) or value == dimension.otherwise
        options = {**defaults, **point}
        assert 0.001 <= options.pop("lr") <= 0.1
        assert distillers.resolve_options(method, options) == options
        distillers.specimen(method, options)


def test_a_point_holds_what_is_searched_and_what_otherwise_sets():
    dims = dimensions(load_space("all"), "fd-cmkd", defaults_of("fd-cmkd"))
    whole = {"freq", "weight_low", "weight_align", "reduction", "lr", "logmse"}
    points = random_points(dims, 200)
    for point in points:
        assert set(point) == (set(names(dims)) if point["freq"] else whole)
        assert point["freq"] or point["logmse"] is False
    for name in ("freq", "logmse", "band_heads", "reduction"):
        assert len({point[name] for point in points if name in point}) == 2


@pytest.mark.parametrize("method", distillers.names())
@pytest.mark.parametrize("preset", ["loss-weights", "all"])
def test_the_defaults_are_a_point_of_the_presets(preset, method):
    defaults = defaults_of(method)
    if (preset, method) in NOTHING:
        return
    dims = dimensions(load_space(preset), method, defaults)
    start = default_point(dims)
    assert start
    assert start == sample(dims, optuna.trial.FixedTrial(start))
    assert {**defaults, **start} == defaults


def test_trials_are_asked_in_order_and_under_their_conditions():
    dims = search(
        {
            "levels": {"low": 1, "high": 5},
            "weight_low": {**RANGE, "log": True},
            "mask": FREQ,
            "weight_high": {**RANGE, "when": {"mask": True, "levels": [2, 3]}},
        },
        "freekd",
    )
    asked = [
        ("int", "levels", 1, 5, False),
        ("float", "weight_low", 0.1, 10, True),
        ("categorical", "mask", True, False),
        ("float", "weight_high", 0.1, 10, False),
    ]
    for levels, mask in itertools.product((2, 3, 4), (True, False)):
        trial = Recorder(levels, 0.5, mask, 7.0)
        point = sample(dims, trial)
        if mask and levels < 4:
            assert point == {"levels": levels, "weight_low": 0.5, "mask": True, "weight_high": 7.0}
            assert trial.asked == asked
        else:
            assert point == {"levels": levels, "weight_low": 0.5, "mask": mask}
            assert trial.asked == asked[:3]
    assert [type(value) for value in trial.asked[0][2:4]] == [int, int]


def test_a_condition_looks_at_what_otherwise_sets_and_at_defaults():
    dims = search(
        {
            "freq": FREQ,
            "logmse": {**FREQ, "when": {"freq": True}, "otherwise": False},
            "band_heads": {**FREQ, "when": {"freq": True}},
            "weight_low": {**RANGE, "when": {"logmse": False}},
            "weight_high": {**RANGE, "when": {"band_heads": True}},
        }
    )
    point = sample(dims, Recorder(False, 2.0, 3.0))
    assert point == {"freq": False, "logmse": False, "weight_low": 2.0, "weight_high": 3.0}


def test_a_condition_may_be_on_a_value_that_is_not_searched():
    cutoff = {"choices": [0.25, 0.75], "when": {"freq": True}}
    for value, given in ((0.5, {}), (0.1, {"otherwise": 0.1})):
        weight = {**RANGE, "when": {"cutoff": value}}
        dims = search({"freq": FREQ, "cutoff": {**cutoff, **given}, "weight_low": weight})
        assert sample(dims, Recorder(False, 2.0))["weight_low"] == 2.0
        assert "weight_low" not in sample(dims, Recorder(True, 0.25))


def test_a_name_has_precedence_over_its_short_form_and_over_patterns():
    parameters = {
        "weight*": {"low": 1, "high": 2},
        "weight_low": {"low": 1, "high": 3},
        "lr": {"low": 0.001, "high": 4},
        "*": {"low": 1, "high": 5},
        "freekd.weight_low": {"low": 1, "high": 6},
    }
    dims = search(parameters, "freekd+fd-cmkd")
    assert [(dimension.name, dimension.high) for dimension in dims] == [
        ("freekd.weight_high", 2),
        ("fd-cmkd.weight_high", 2),
        ("fd-cmkd.weight_align", 2),
        ("fd-cmkd.weight_low", 3),
        ("lr", 4),
        ("freekd.whole", 5),
        ("fd-cmkd.cutoff", 5),
        ("freekd.weight_low", 6),
    ]


def test_a_pattern_is_for_floats_of_the_method():
    expected = {
        name for name, value in defaults_of("fd-cmkd").items() if isinstance(value, float)
    } - {"lr"}
    assert set(names(search({"*": RANGE}))) == expected
    assert "cutoff" in expected
    assert names(search({"kd.*": RANGE}, "kd+feat")) == ["kd.weight", "kd.temperature"]
    learnt = defaults_of("fd-cmkd", cutoff="learn")
    assert set(names(search({"*": RANGE}, defaults=learnt))) == expected - {"cutoff"}


def test_a_condition_in_a_composition_is_on_the_same_part():
    parameters = {
        "reduction": {"choices": ["mean", "sum"]},
        "weight*": {**RANGE, "when": {"reduction": "sum"}},
        "lr": {"low": 0.001, "high": 0.1, "when": {"feat.reduction": "sum"}},
    }
    dims = {d.name: d.when for d in search(parameters, "kd+feat+fd-cmkd")}
    assert dims["kd.weight"] == ()
    assert dims["feat.weight"] == dims["lr"] == (("feat.reduction", ("sum",)),)
    assert dims["fd-cmkd.weight_low"] == (("fd-cmkd.reduction", ("sum",)),)


def test_a_condition_on_what_is_not_searched_is_decided_at_once():
    parameters = {
        "lr": {"low": 0.001, "high": 0.1},
        "cutoff": {"low": 0.1, "high": 0.9, "when": {"freq": True}},
        "logmse": {**FREQ, "when": {"freq": True}, "otherwise": False},
        "weight_high": {**RANGE, "when": {"logmse": True}},
    }
    dims = search(parameters)
    assert names(dims) == ["lr", "cutoff", "logmse", "weight_high"]
    assert [dimension.when for dimension in dims] == [(), (), (), (("logmse", (True,)),)]

    whole = search(parameters, defaults=defaults_of("fd-cmkd", freq=False))
    assert names(whole) == ["lr", "logmse", "weight_high"]
    assert random_points(whole, 1)[0].keys() == {"lr", "logmse"}
    assert random_points(whole, 1)[0]["logmse"] is False
    assert default_point(whole) is None
    valid = search(parameters, defaults=defaults_of("fd-cmkd", freq=False, logmse=False))
    assert default_point(valid) == {"lr": LR, "logmse": False}


def test_what_conditions_and_ranges_leave_out_may_leave_nothing():
    cutoffs = load_space("cutoffs")
    for fixed in ({"freq": False}, {"cutoff": "learn"}):
        with pytest.raises(ConfigError, match="fd-cmkd has nothing to search in the space cutoffs"):
            dimensions(cutoffs, "fd-cmkd", defaults_of("fd-cmkd", **fixed))
    only_fixed = {"logmse": {**FREQ, "when": {"freq": True}, "otherwise": False}}
    with pytest.raises(ConfigError, match="nothing to search in the space mine"):
        search(only_fixed, defaults=defaults_of("fd-cmkd", freq=False))


def test_values_take_the_type_of_the_default():
    dims = search({"weight_low": {"choices": [1, 10]}, "weight_high": {"low": 1, "high": 3}})
    assert [type(value) for value in dims[0].choices] == [float, float]
    assert (dims[1].integer, dims[0].integer) == (False, False)
    assert search({"high_loss": {"choices": [None, "mse"]}})[0].choices == (None, "mse")
    whole, levels = (search({"levels": way}, "freekd")[0] for way in ({"low": 1, "high": 3}, FEW))
    assert (whole.integer, levels.integer) == (True, False)


FEW = {"choices": [1, 3]}


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (Dimension(name="x", default=1.0, low=1.0, high=2.0), (1.0, 2, 1.5), (0.99, 2.01, True)),
        (
            Dimension(name="x", default=1, low=1.0, high=3.0, integer=True),
            (1, 3),
            (0, 4, 2.0, True, "1", None),
        ),
        (Dimension(name="x", default="a", choices=("a", None)), ("a", None), ("b", 0)),
        (Dimension(name="x", default=True, choices=(True, False)), (True,), (1, 0.0)),
    ],
)
def test_what_lies_in_range(dimension, inside, outside):
    assert all(dimension.in_range(value) for value in inside)
    assert not any(dimension.in_range(value) for value in outside)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cutoff": {"low": 0.6, "high": 0.9}},
        {"reduction": {"choices": ["sum", "other"]}},
        {"freq": FREQ, "logmse": {**FREQ, "when": {"freq": False}, "otherwise": False}},
    ],
)
def test_a_space_without_the_defaults_has_no_point_to_start_from(parameters):
    assert default_point(search(parameters)) is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"weight_low": {"choices": ["a", "b"]}}, "weight_low: weight_low takes no 'a'. .*numbers"),
        ({"weight*": {"choices": [2, True]}}, "weight_low takes no True"),
        ({"weight*": {"choices": [2, float("nan")]}}, "weight_low takes no nan"),
        ({"freq": RANGE}, "freq takes no 0.1. Give true or false"),
        ({"reduction": {"choices": [1, 2]}}, "reduction takes no 1. Give texts"),
        ({"reduction": {"choices": ["sum", None]}}, "reduction takes no None"),
        ({"cutoff": {**RANGE, "when": {"freq": "yes"}}}, "cutoff: freq takes no 'yes'"),
        (
            {"freq": FREQ, "logmse": {**FREQ, "when": {"freq": True}, "otherwise": "no"}},
            "logmse takes no 'no'",
        ),
        (
            {"logmse": {**FREQ, "when": {"freq": True}}, "freq": FREQ},
            "logmse: freq does not stand before it. Put freq first",
        ),
        ({"freq": {**FREQ, "when": {"freq": True}}}, "freq does not stand before it"),
        (
            {
                "reduction": {"choices": ["mean", "sum"]},
                "freq": {**FREQ, "when": {"reduction": ["mean", "summ"]}},
            },
            "reduction is never 'summ'",
        ),
        ({"temperature": RANGE}, "fd-cmkd has nothing to search in the space mine. .*weight_low"),
    ],
)
def test_what_does_not_fit_the_method_is_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        search(parameters)


def test_a_range_of_fractions_is_not_for_a_whole_number():
    with pytest.raises(ConfigError, match="levels takes no 1.5. Give whole numbers"):
        search({"levels": {"low": 1.5, "high": 3}}, "freekd")


def broken(text, point, method="fd-cmkd", **fixed):
    constraints = space({"lr": RANGE}, [text]).constraints
    return violation(constraints, point, defaults_of(method, **fixed))


@pytest.mark.parametrize(
    ("text", "point", "expected"),
    [
        ("weight_low <= weight_high", {"weight_low": 3.0, "weight_high": 5.0}, 0.0),
        ("weight_low <= weight_high", {"weight_low": 5.0, "weight_high": 3.0}, 2.0),
        ("weight_low >= weight_high", {"weight_low": 3.0, "weight_high": 5.0}, 2.0),
        ("weight_low <= weight_high", {"weight_low": 5.0}, 4.0),
        ("weight_low <= weight_high", {}, 0.0),
        ("weight_low<=10*weight_high", {"weight_low": 25.0, "weight_high": 2.0}, 5.0),
        ("weight_low <= weight_high * 10", {"weight_low": 25.0, "weight_high": 2.0}, 5.0),
        ("1e1 >= weight_low", {"weight_low": 25.0}, 15.0),
        ("weight_low > -2 * weight_high", {"weight_low": 0.0, "weight_high": 1.0}, 0.0),
        ("lr < 0.05", {"lr": 0.07}, 0.02),
        ("lr <= 0.05", {"lr": 0.05}, 0.0),
        ("weight <= 2", {"weight_low": 5.0}, 0.0),
        ("weight_low >= 2 * weight_low", {"weight_low": 5.0}, 5.0),
    ],
)
def test_how_far_a_constraint_is_broken(text, point, expected):
    assert broken(text, point) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("text", ["weight_low < weight_high", "weight_low > weight_high"])
def test_equality_breaks_a_strict_constraint(text):
    point = {"weight_low": 2.0, "weight_high": 2.0}
    assert 0 < broken(text, point) < 1e-9
    assert broken(text.replace(" w", "= w"), point) == 0


def test_the_worst_constraint_counts():
    constraints = space({"lr": RANGE}, ["weight_low <= 2", "weight_high <= 2"]).constraints
    point = {"weight_low": 3.0, "weight_high": 7.0}
    assert violation(constraints, point, defaults_of("fd-cmkd")) == 5.0
    assert violation((), point, defaults_of("fd-cmkd")) == 0.0


def test_constraints_agree_with_python_on_random_points():
    draw = random.Random(0)
    for _ in range(200):
        a, b, factor = (round(draw.uniform(0.1, 3), 1) for _ in range(3))
        point = {"weight_low": a, "weight_high": b}
        for sign in ("<=", "<", ">=", ">"):
            holds = {
                "<=": a <= factor * b,
                "<": a < factor * b,
                ">=": a >= factor * b,
                ">": a > factor * b,
            }[sign]
            assert (broken(f"weight_low {sign} {factor} * weight_high", point) == 0) == holds


def test_every_part_of_a_composition_meets_a_constraint():
    method = "freekd+fd-cmkd"
    point = {"freekd.weight_low": 4.0, "fd-cmkd.weight_low": 9.0, "fd-cmkd.weight_high": 2.0}
    assert broken("weight_low <= weight_high", point, method) == 7.0
    assert broken("freekd.weight_low <= weight_high", point, method) == 3.0
    assert broken("weight_low <= 500 * lr", point, method) == 4.0
    assert broken("weight_low <= weight_align", point, method) == 8.0


def test_a_constraint_on_a_learnt_cutoff_does_not_count():
    assert broken("cutoff <= 0.4", {}) == pytest.approx(0.1)
    assert broken("cutoff <= 0.4", {}, cutoff="learn") == 0


@pytest.mark.parametrize("name", ["freq", "high_loss"])
def test_only_numbers_are_compared(name):
    with pytest.raises(ConfigError, match=f"{name} <= 1: {name} of fd-cmkd is no number"):
        dimensions(space({"lr": RANGE}, [f"{name} <= 1"]), "fd-cmkd", defaults_of("fd-cmkd"))


@pytest.mark.parametrize(
    "text",
    [
        "weight_low",
        "weight_low == weight_high",
        "weight_low <= weight_high <= 3",
        "weight_low <= weight_high + 1",
        "weight_low <= weight_high * weight_align",
        "weight_low <=",
        "weight_low <= 1e999",
        "weight_low <= 10 weight_high",
        "weight_low <= abs(weight_high)",
        "1 <= 2",
        "3",
    ],
)
def test_what_is_no_comparison_is_refused(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace("weight_low <= weight_high", text))
    with pytest.raises(ConfigError, match=r"mine.yaml, constraints: .*(no single|no option)") as e:
        load_space(str(path))
    assert repr(text) in str(e.value)
    assert len(str(e.value).splitlines()) == 1


def test_a_users_space_is_read(tmp_path):
    path = tmp_path / "My_space.yaml"
    path.write_text(GOOD)
    mine = load_space(str(path))
    assert (mine.space, mine.title) == ("my-space", "Weights of the two bands")
    assert names(dimensions(mine, "fd-cmkd", defaults_of("fd-cmkd"))) == [
        "weight_low",
        "freq",
        "cutoff",
    ]
    assert violation(mine.constraints, {"weight_low": 4.0}, defaults_of("fd-cmkd")) == 3.0


def test_powers_of_ten_are_numbers(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("parameters: {lr: {low: 1e-3, high: 1E-1}, cutoff: {choices: [5e-1, 2.5e-1]}}")
    parameters = load_space(str(path)).parameters
    assert (parameters["lr"].low, parameters["lr"].high) == (0.001, 0.1)
    assert parameters["cutoff"].choices == (0.5, 0.25)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", "unknown field 'titel'. Choose from: .*title"),
        ("log: true", "lug: true", "weight_low.lug: unknown field 'lug'. Choose from: .*log"),
        ("low: 0.1,", "", "weight_low: .*give low and high, or choices"),
        ("low: 0.1,", "low: a,", "weight_low.low: .*valid number, not 'a'"),
        ("low: 0.1,", "low: true,", "weight_low.low: .*valid number, not True"),
        ("low: 0.1,", "low: 1e4,", r"low \(10000\) must be below high \(10000\)"),
        ("low: 0.1,", "low: 0,", r"low \(0\) must be above 0"),
        ("high: 10000,", "high: .inf,", "weight_low.high: .*finite"),
        ("[true, false]}", "[true, false], low: 1}", "freq: .*choices have no low"),
        ("[true, false]}", "[true, false], log: true}", "freq: .*choices have no low"),
        ("[true, false]}", "[true]}", "freq: .*2 or more different choices"),
        ("[true, false]}", "[true, true]}", "freq: .*2 or more different choices"),
        ("[true, false]}", "[]}", "freq: .*give low and high, or choices"),
        ("[true, false]}", "[true, false], otherwise: null}", "freq: .*otherwise needs a when"),
        ("when: {freq: true}", "when: {freq: []}", "cutoff.when.freq: .*at least 1"),
        ("when: {freq: true}", "when: freq", "cutoff.when: .*dictionary, not 'freq'"),
        ("weight_low: {", "weight_low: 3 #", "weight_low: .*, not 3"),
        ("constraints:\n  - ", "constraints: ", "constraints: .*tuple"),
        ("title:", "space: My space\ntitle:", "space: .*pattern.*not 'My space'"),
        ("parameters:", "parameters: [", "is not YAML"),
        (GOOD, "title: mine", "parameters: Field required"),
        (GOOD, "parameters: {}", "parameters: .*at least 1"),
        (GOOD, "", "holds no fields. Give some of: space, title, parameters, constraints"),
    ],
)
def test_a_fault_in_a_space_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_space(str(path))
    assert "mine.yaml" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["everything", "none.yaml", "."])
def test_an_unknown_space_names_the_known_ones(name):
    with pytest.raises(
        ConfigError, match="Choose from: all, cutoffs, loss-weights; or give a YAML"
    ):
        load_space(name)


KNOWN = ("kd.weight", "fd-cmkd.weight_low", "fd-cmkd.freq", "lr")


@pytest.mark.parametrize(
    ("parameters", "constraints", "message"),
    [
        ({"weight": RANGE, "kd.weight": RANGE, "lr": RANGE, "w*": RANGE}, ["lr < weight"], None),
        ({"weigth": RANGE}, [], "mine: unknown parameter 'weigth'. .*: freq, lr, weight, weight_l"),
        ({"feat.weight": RANGE}, [], "unknown parameter 'feat.weight'"),
        ({"weigth*": RANGE}, [], r"unknown parameter 'weigth\*'"),
        ({"l*": RANGE}, [], r"unknown parameter 'l\*'"),
        ({"weight": {**RANGE, "when": {"frq": True}}}, [], "unknown option 'frq'"),
        ({"weight": {**RANGE, "when": {"f*": True}}}, [], r"unknown option 'f\*'"),
        ({"weight": RANGE}, ["weight <= weight_lo"], "unknown option 'weight_lo'"),
        ({"weight": RANGE}, ["weight <= nan"], "unknown option 'nan'"),
    ],
)
def test_a_name_that_no_method_has_is_refused(parameters, constraints, message):
    if message is None:
        check_names(space(parameters, constraints), KNOWN)
    else:
        with pytest.raises(ConfigError, match=message):
            check_names(space(parameters, constraints), KNOWN)
