import pytest

from fdsweep.search_spaces.errors import did_you_mean, unknown


@pytest.mark.parametrize(
    ("name", "allowed", "meant"),
    [
        ("cremad", ["ave", "crema-d"], "crema-d"),
        ("FD_CMKD", ["fd-cmkd", "fd-cmkd2"], "fd-cmkd"),
        ("weigth_low", ["weight_high", "weight_low"], "weight_low"),
        ("axe", ["asha", "none"], None),
        ("", ["a"], None),
        ("x" * 100_000, ["y" * 60], None),
        (3, ["30", "4"], None),
    ],
)
def test_the_nearest_name_is_proposed_if_it_is_near(name, allowed, meant):
    assert did_you_mean(name, allowed) == (f". Did you mean {meant!r}?" if meant else "")


def test_a_question_ends_the_sentence():
    assert str(unknown("task", "danse", ["dance", "song"], "--task")) == (
        "--task: unknown task 'danse'. Choose from: dance, song. Did you mean 'dance'?"
    )
    assert str(unknown("task", "x", ["dance"], "")).endswith("Choose from: dance.")
