"""The files that raw samples are read with, such as a vocabulary. No torch."""

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.preparation.manifest import load_manifest
from fdsweep.trainers.preparation.shards import digest
from fdsweep.trainers.students.record import StudentRecord


def stored_assets(storage: str, record: StudentRecord) -> dict[str, bytes]:
    """Those of `record` from the data set's preparation, by name.

    Raises:
        DataError: the data set is not prepared any more, or with other ones.
    """
    if not record.assets:
        return {}
    kept, manifest = Storage(storage), load_manifest(storage, record.dataset)
    found = {}
    for name, sha256 in record.assets.items():
        place = layout.data_file(manifest.name, manifest.folder, name)
        content = kept.read(place) if kept.exists(place) else b""
        if digest(content) != sha256:
            what = f"is not the {name} that the student was trained with"
            raise DataError(what, kept.uri(place), manifest.again)
        found[name] = content
    return found
