"""What Ray Train keeps of a trial that did not end: whether training can go on from it."""

from fdsweep.orchestrator.execution.ray_compat.trainer import SNAPSHOT, checkpoint_folders
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage

STATE = ".pt"
"""How the names end of the files that `trainers.worker` puts into a checkpoint."""

ZIP_END, ZIP_END_SIZE = b"PK\x05\x06", 22
"""How the last record of what torch.save wrote begins, and its bytes."""


def drop(storage: str, name: str) -> None:
    """Delete what is kept of the trial `name`, which needs it no more."""
    Storage(storage).delete_folder(layout.train_folder(name))


def drop_damaged(storage: str, name: str) -> None:
    """See to it that the trial `name` can go on from what is kept of it, or starts anew.

    A damaged file is set aside; what is left of the trial is deleted, since Ray would refuse it.
    Garbage and truncation are noticed here, changed bytes within by the worker alone.
    """
    kept, folder = Storage(storage), layout.train_folder(name)
    places = kept.listing(folder)
    faults = {place: why for place in places if (why := _fault(kept, folder, place, places))}
    for place, why in faults.items():
        kept.set_aside(place, f"{why}; training starts again")
    if faults:
        drop(storage, name)


def _fault(kept: Storage, folder: str, place: str, places: dict[str, int]) -> str:
    """Why nothing can go on from the file at `place` of `folder`; empty if there is no fault."""
    if place == f"{folder}/{SNAPSHOT}":
        try:
            named = checkpoint_folders(kept.read(place))
        except ValueError:
            return "no list of checkpoints"
        here = {one.removeprefix(f"{folder}/").partition("/")[0] for one in places}
        return "" if here.issuperset(named) else "it names a checkpoint that is gone"
    if place.endswith(STATE):
        end = kept.read_end(place, ZIP_END_SIZE)
        return "" if end.startswith(ZIP_END) else "no whole checkpoint"
    return ""
