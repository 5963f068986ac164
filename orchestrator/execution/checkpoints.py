"""What Ray Train keeps of a trial that did not end: whether training can go on from it."""

import zipfile

from fdsweep.orchestrator.execution.ray_compat import SNAPSHOT, checkpoint_folders
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.storage import Storage

STATE = ".pt"
"""How the files end that `trainers.worker` puts into a checkpoint."""


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
        with kept.system.open_input_file(kept.inside(place)) as file:
            return "" if zipfile.is_zipfile(file) else "no whole checkpoint"
    return ""
