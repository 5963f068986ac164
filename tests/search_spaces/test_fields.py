import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.fields import (
    Direction,
    parse_names,
    parse_pairs,
    parse_seeds,
    parse_variant,
    spell_variant,
)


@pytest.mark.parametrize(
    ("text", "seeds"), [("1", (0,)), ("5", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), ("4,", None)]
)
def test_seeds_are_a_count_or_a_list(text, seeds):
    if seeds is None:
        with pytest.raises(ConfigError, match="no count and no list"):
            parse_seeds(text)
    else:
        assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "3,3", ""])
def test_bad_seeds_name_the_value_and_what_is_allowed(text):
    with pytest.raises(ConfigError, match="--seeds: .*Give a count of 1 or more") as caught:
        parse_seeds(text)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "teachers", "student"),
    [
        ("audio->visual", ("audio",), "visual"),
        (" audio -> visual ", ("audio",), "visual"),
        ("audio+text->visual", ("audio", "text"), "visual"),
    ],
)
def test_a_direction_names_who_teaches_and_who_learns(text, teachers, student):
    direction = Direction.parse(text)
    assert direction == (teachers, student)
    assert Direction.parse(str(direction)) == direction
    assert str(direction) == f"{direction.teacher}->{student}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("audio", "is no direction"),
        ("->visual", "is no direction"),
        ("audio->", "is no direction"),
        ("audio+->visual", "is no direction"),
        ("audio->audio", "names a modality twice"),
        ("audio+audio->visual", "names a modality twice"),
        ("audio+visual->visual", "names a modality twice"),
    ],
)
def test_what_is_no_direction_is_refused(text, message):
    with pytest.raises(ConfigError, match=f"--direction: .*{message}"):
        Direction.parse(text)


def test_a_variant_stands_behind_the_name_of_its_data_set():
    for name, parts in {"ave": ("ave", "own"), "ave@c2kd": ("ave", "c2kd")}.items():
        assert parse_variant(name) == parts
        assert spell_variant(*parts) == name


def test_names_and_pairs_stand_once():
    assert parse_names("kd, feat", "--methods") == ("kd", "feat")
    assert parse_pairs(["audio=a", "visual=b=c"], "--x") == {"audio": "a", "visual": "b=c"}
    with pytest.raises(ConfigError, match="--methods: 'kd' stands twice"):
        parse_names("kd,feat,kd", "--methods")
    for texts in (["audio"], ["audio="], ["=a"], ["audio=a", "audio=b"]):
        with pytest.raises(ConfigError, match="--x: .*cannot be read"):
            parse_pairs(texts, "--x")
