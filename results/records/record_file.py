"""Records beside a sweep's report, each in a JSON file that names the version of its schema."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import StorageError, first_line
from fdsweep.search_spaces.records import OtherVersion, Record, UnreadableRecord, read_fields

OTHER_FDSWEEP = "Use the fdsweep that wrote it, or a newer one"

Kind = TypeVar("Kind", bound=Record)
Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class RecordFile(Generic[Kind]):
    """A kind of record that a sweep has one of, at `reports/<sweep>/<name>`.

    Attributes:
        name: of the file.
        model: what it holds.
        schema: the version that is written.
        word: what the record is called for people.
        fix: how to get it again.
        older: versions that are read too, each with what makes today's fields of its own.
    """

    name: str
    model: type[Kind]
    schema: str
    word: str
    fix: str
    older: Mapping[str, Upgrade] = field(default_factory=dict)

    def save(self, store: Store, sweep: str, record: Kind) -> None:
        """Write `record`, in place of what was there; StorageError if it cannot be written."""
        store.write_text(layout.report_file(sweep, self.name), record.to_text(self.schema) + "\n")

    def exists(self, store: Store, sweep: str) -> bool:
        """Whether `sweep` has such a record."""
        return store.exists(layout.report_file(sweep, self.name))

    def find(self, store: Store, sweep: str) -> Kind | None:
        """The record of `sweep`; None if there is none, or none any more: a damaged one gives way.

        Raises:
            StorageError: its file cannot be opened, or is of a version not read here.
        """
        place = layout.report_file(sweep, self.name)
        if not store.exists(place):
            return None
        try:
            schema, fields = read_fields(store.read(place), self.schema, *self.older)
            if schema in self.older:
                fields = self.older[schema](fields)
            return self.model.from_fields(fields)
        except OtherVersion as error:
            what = f"is no {self.word} of this version ({error})"
            raise StorageError(what, store.uri(place), OTHER_FDSWEEP) from None
        except (UnreadableRecord, KeyError, TypeError, ValueError, AttributeError) as error:
            store.set_aside(place, f"no {self.word}: {first_line(error)}")
            return None

    def load(self, store: Store, sweep: str) -> Kind:
        """The same where there must be one.

        Raises:
            StorageError: as `find`, or there is none.
        """
        found = self.find(store, sweep)
        if found is None:
            place = store.uri(layout.report_file(sweep, self.name))
            raise StorageError(f"there is no {self.word} here", place, self.fix)
        return found
