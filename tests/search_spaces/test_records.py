import json

import pytest

from fdsweep.search_spaces.records import Record, UnreadableRecord, read_fields


class Inner(Record):
    name: str


class Outer(Record):
    parts: tuple[Inner, ...]
    sizes: dict[str, int] = {}  # noqa: RUF012


VALUE = Outer(parts=(Inner(name="a"), Inner(name="b")), sizes={"a": 1})


def test_a_record_is_read_as_it_was_written():
    text = VALUE.to_text("example/1")
    assert json.loads(text)["schema"] == "example/1"
    assert Outer.from_text(text, "example/1") == VALUE
    assert Outer.from_text(text.encode(), "example/1") == VALUE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ('{"parts": []}', "written as None, while this fdsweep reads example/1"),
        ('{"schema": "example/2", "parts": []}', "written as example/2, .* reads example/1"),
        ('{"schema": "example/1"}', "parts: Field required"),
        ('{"schema": "example/1", "parts": [{"name": "a", "age": 3}]}', "parts.0.age: Extra"),
        ('{"schema": "example/1", "parts": [{"name": 3}]}', "parts.0.name"),
    ],
)
def test_what_is_no_record_says_why(text, message):
    with pytest.raises(UnreadableRecord, match=message):
        Outer.from_text(text, "example/1")


def test_older_schemas_may_be_read_by_who_knows_them():
    assert read_fields('{"schema": "example/1", "x": 3}', "example/2", "example/1") == (
        "example/1",
        {"x": 3},
    )


def test_a_replaced_field_is_checked_and_the_record_stays():
    other = VALUE.replace(sizes={"b": 2})
    assert (other.parts, other.sizes, VALUE.sizes) == (VALUE.parts, {"b": 2}, {"a": 1})
    with pytest.raises(ValueError, match="sizes"):
        VALUE.replace(sizes=3)
    with pytest.raises(ValueError, match="colour"):
        VALUE.replace(colour="red")


def test_a_number_that_json_cannot_spell_is_refused():
    class Measured(Record):
        value: float

    with pytest.raises(ValueError, match="not JSON compliant"):
        Measured(value=float("nan")).to_text("example/1")
