import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.presets.changes import parse_options, with_options
from fdsweep.search_spaces.sweep import Row, Sweep

KNOWN = {
    "fd-cmkd": ("freq", "cutoff", "weight_low"),
    "kd": ("weight",),
    "kd+feat": ("kd.weight", "feat.weight"),
    "none": (),
}
ROWS = (
    Row(name="none", method="none"),
    Row(name="FD", options={"weight_low": 2.0}),
    Row(name="no bands", options={"freq": False}),
    Row(name="kd", method="kd"),
    Row(name="both", method="kd+feat"),
)
SWEEP = Sweep(study="mine", title="Mine", rows=ROWS)


def changed(*texts, over=False):
    sweep = with_options(SWEEP, texts, KNOWN.__getitem__, over=over)
    rows = {row.name: row.options for row in sweep.rows if row not in SWEEP.rows}
    return rows, sweep.title


def test_values_are_spelt_as_in_yaml():
    given = parse_options(["a=1e2", "b=true", "c=null", "d=mse", "e= 3", "f=x=y"])
    assert given == {"a": 100.0, "b": True, "c": None, "d": "mse", "e": 3, "f": "x=y"}
    assert type(given["a"]) is float


@pytest.mark.parametrize("texts", [["a"], ["=1"], ["a=1", "a=2"], ["a=[1]"], ["a={"]])
def test_what_cannot_be_read_is_refused(texts):
    with pytest.raises(ConfigError, match="-o"):
        parse_options(texts)


def test_a_name_reaches_every_method_that_has_it():
    assert changed("weight=3") == (
        {"kd": {"weight": 3}, "both": {"kd.weight": 3, "feat.weight": 3}},
        "Mine, weight=3",
    )
    assert changed("kd.weight=3")[0] == {"kd": {"weight": 3}, "both": {"kd.weight": 3}}
    assert with_options(SWEEP, (), KNOWN.__getitem__) is SWEEP


def test_what_a_row_names_itself_counts_unless_it_is_overruled():
    assert changed("weight_low=9")[0] == {"no bands": {"freq": False, "weight_low": 9}}
    assert changed("weight_low=9", over=True)[0]["FD"] == {"weight_low": 9}
    alone = SWEEP.model_copy(update={"rows": ROWS[:2]})
    with pytest.raises(ConfigError, match="every row of mine that has weight_low says itself"):
        with_options(alone, ["weight_low=9"], KNOWN.__getitem__)


def test_a_cutoff_does_not_reach_rows_without_bands():
    assert changed("cutoff=0.3") == (
        {"FD": {"weight_low": 2.0, "cutoff": 0.3}},
        "Mine, cutoff=0.3",
    )


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"-o: unknown option 'wieght'.*Did you mean 'weight'\?"):
        changed("wieght=1")
