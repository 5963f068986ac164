"""Records that are stored as JSON: their fields checked, their schema's version beside them."""

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError


class UnreadableRecord(Exception):  # noqa: N818
    """A record that cannot be used, and why, in words that follow "is no ...": "(…)"."""


class OtherVersion(UnreadableRecord):
    """A record that another fdsweep wrote: not damaged, but of no use to this one."""


class Record(BaseModel):
    """What is stored: no unknown field, none changed later.

    Numbers and texts are taken as they are; lists become tuples where the field says so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_text(self, schema: str) -> str:
        """The record as JSON, `schema` first; ValueError for a number that is not finite."""
        fields = {"schema": schema, **self.model_dump(mode="json")}
        return json.dumps(fields, indent=1, allow_nan=False)

    def replace(self, **changes: object) -> Self:
        """The record with other values in some fields, checked as a new one is."""
        return type(self)(**{**dict(self), **changes})

    @classmethod
    def from_text(cls, text: str | bytes, schema: str) -> Self:
        """The record in `text`.

        Raises:
            UnreadableRecord: it is no JSON, of another version, or lacks what a record has.
        """
        return cls.from_fields(read_fields(text, schema)[1])

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """The record of `fields`; UnreadableRecord with the first fault.

        Fields too many are no damage: they are an OtherVersion's.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            faults = error.errors()
            is_newer = all(fault["type"] == "extra_forbidden" for fault in faults)
            place = ".".join(map(str, faults[0]["loc"]))
            kind = OtherVersion if is_newer else UnreadableRecord
            raise kind(f"{place}: {faults[0]['msg']}") from None


def read_fields(text: str | bytes, *schemas: str) -> tuple[str, dict[str, Any]]:
    """The schema of `text`, which must be one of `schemas`, and its other fields.

    What was written under another schema is refused, with the names of both.

    Raises:
        OtherVersion: it was written under another version of the schema.
        UnreadableRecord: it is no JSON object of that kind.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableRecord(f"no JSON: {error}") from None
    if not isinstance(fields, dict):
        raise UnreadableRecord("no JSON object")
    found = fields.pop("schema", None)
    if found not in schemas:
        known = " and ".join(schemas)
        is_other = _kind(found) in {_kind(schema) for schema in schemas}
        kind = OtherVersion if is_other else UnreadableRecord
        raise kind(f"written as {found}, while this fdsweep reads {known}")
    return str(found), fields


def _kind(schema: object) -> str:
    """What `schema` is of, without its version."""
    return str(schema).rpartition("/")[0]
