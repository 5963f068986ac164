import itertools

from fdsweep.search_spaces.palette import MOST, PAPER, VOID, palette, spell


def test_classes_have_different_colours_none_of_them_that_of_void():
    colours = palette(40)

    assert len({*colours, VOID, PAPER}) == 42
    nearest = min(
        sum(abs(a - b) for a, b in zip(one, other, strict=True))
        for one, other in itertools.combinations((*colours, VOID, PAPER), 2)
    )
    assert nearest >= 51  # of 765


def test_a_smaller_palette_is_the_beginning_of_a_larger_one():
    assert palette(0) == ()
    assert palette(12) == palette(40)[:12]


def test_colours_are_spelt_as_the_web_does():
    assert [spell(colour) for colour in palette(2)] == ["#0000ff", "#00ff00"]


def test_colours_repeat_only_when_all_are_taken():
    colours = palette(MOST + 2)

    assert len(set(colours)) == MOST
    assert colours[MOST:] == colours[:2]
