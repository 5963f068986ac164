"""NYU-Depth V2 as its authors give it: nyu_depth_v2_labeled.mat, splits.mat, classMapping40.mat.

The first is HDF5 (MATLAB v7.3). MATLAB counts from 1 and lays arrays out with the first axis
running fastest, so HDF5 has their axes in reverse: images [frame, channel, column, row].
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsweep.search_spaces.errors import ConfigError, DataError, first_line
from fdsweep.trainers.datasets.nyu_depth_v2.frames import (
    COUNT,
    Frame,
    Listing,
    classes,
    in_one_list,
)
from fdsweep.trainers.datasets.prepared import LABEL_MAP
from fdsweep.trainers.preparation.catalog import Damaged, Skipped, Split

FILE, SPLITS, MAPPING = "nyu_depth_v2_labeled.mat", "splits.mat", "classMapping40.mat"
IMAGES, DEPTHS, LABELS, SCENES, NAMES = "images", "depths", "labels", "scenes", "names"
LISTS: dict[Split, str] = {"train": "trainNdxs", "test": "testNdxs"}
FRAME = "frame"
"""The part of an item that says which frame of FILE it is, counted from 0."""

ASSET = "classes.json"
"""Which of the 40 classes, from 1, each class of FILE is; void, the first, is 0."""

SIZE, ROWS, COLUMNS = (480, 640), (44, 471), (40, 601)
"""The valid part of a picture of SIZE, which undistorting the camera's picture left a white border:
rows 45 to 471 and columns 41 to 601 as MATLAB counts, 427 x 561 pixels."""


def listing(raw: Path, lists: Path | None) -> Listing:
    """The frames of FILE in `raw`; the other two files lie beside it or in the folder `lists`.

    Raises:
        DataError: a file is not there, cannot be read or is not what it should be.
        ConfigError: h5py is not installed.
    """
    with _opened(raw / FILE) as file:
        count = _check_shapes(raw / FILE, file)
        scenes = _texts(raw / FILE, file, SCENES)
        known = file[NAMES].size
    if len(scenes) != count:
        raise DataError(f"{len(scenes)} scenes are named of {count} frames", str(raw / FILE))
    where = _found(SPLITS, raw, lists)
    numbers = _variables(where, list(LISTS.values()))
    splits = in_one_list(
        {split: [_id(n) for n in numbers[name]] for split, name in LISTS.items()}, str(where)
    )
    frames = tuple(
        Frame(
            sample_id=_id(number),
            scene=scene,
            kind=re.sub(r"_\d+\w*$", "", scene),  # living_room_0012
            parts={"file": FILE, FRAME: number - 1},
        )
        for number, scene in enumerate(scenes, start=1)
        if _id(number) in splits
    )
    missing = sorted(splits.keys() - {frame.sample_id for frame in frames})
    notes = [
        "Pictures are cut to their valid part (of 480 x 640 rows 45 to 471, columns 41 to 601): "
        "around it they are white.",
        "Depth is `depths`, whose holes its authors have filled in.",
        "Train and test are those of splits.mat; validation is carved from train.",
    ]
    if count > len(frames):
        notes.append(f"Left out for standing on neither list: {count - len(frames)} frames.")
    return Listing(
        frames=frames,
        splits=splits,
        missing=tuple(Skipped(name, f"not one of {count} frames") for name in missing),
        notes=tuple(notes),
        assets={ASSET: json.dumps(_mapping(_found(MAPPING, raw, lists), known)).encode()},
    )


def decode(
    raw: Path, parts: Mapping[str, str | float | int], assets: Mapping[str, bytes]
) -> dict[str, Any]:
    """The frame that `parts` name; Damaged if it cannot be read or holds nothing."""
    index, table = int(parts[FRAME]), np.array(json.loads(assets[ASSET]))
    with _opened(raw / FILE) as file:
        try:
            pixels, metres, labels = (file[name][index].T for name in (IMAGES, DEPTHS, LABELS))
        except OSError as error:
            raise Damaged(f"cannot be read ({first_line(error)})") from None
    part = valid(*labels.shape)
    if labels.max() >= len(table):
        raise Damaged(f"class {labels.max()} of {len(table) - 1}")
    return {
        "rgb": np.ascontiguousarray(pixels[part]),
        "depth": _millimetres(metres[part]),
        LABEL_MAP: classes(table[labels[part]]),
    }


def valid(height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of the valid part, in proportion where a picture is not of SIZE."""
    rows, columns = (
        slice(*(round(end * length / whole) for end in ends))
        for ends, length, whole in zip((ROWS, COLUMNS), (height, width), SIZE, strict=True)
    )
    return rows, columns


def _millimetres(metres: NDArray[np.floating[Any]]) -> NDArray[np.uint16]:
    if not np.isfinite(metres).all() or metres.min() < 0 or not metres.any():
        raise Damaged("depth that is no distance")
    return (metres * 1000).round().clip(max=2**16 - 1).astype(np.uint16)


def _mapping(path: Path, known: int) -> list[int]:
    """The class from 1 to COUNT of each of `known` classes, after 0 for void."""
    (table,) = _variables(path, ["mapClass"]).values()
    if len(table) != known or not set(table) <= set(range(1, COUNT + 1)):
        raise DataError(
            f"maps {len(table)} classes to {min(table)} to {max(table)}, not {known} to 1 to "
            f"{COUNT}",
            str(path),
            "Take the file of Gupta et al. 2013",
        )
    return [0, *table]


def _found(name: str, raw: Path, lists: Path | None) -> Path:
    for folder in (raw, lists):
        if folder and (folder / name).is_file():
            return folder / name
    raise DataError(f"lacks {name}", str(raw), "Put it beside the data, or name --split-dir")


def _variables(path: Path, names: list[str]) -> dict[str, list[int]]:
    """Vectors of whole numbers in a file of MATLAB v5; DataError if it is none or lacks one."""
    from scipy.io import loadmat

    try:
        found = loadmat(str(path), variable_names=names)
        return {name: [int(x) for x in np.ravel(found[name])] for name in names}
    except Exception as error:  # a broken file makes it raise anything
        raise DataError(
            f"has no {' and '.join(names)} that can be read ({first_line(error)})", str(path)
        ) from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, read only; only what is asked for is read."""
    try:
        import h5py
    except ImportError:
        raise ConfigError(
            "h5py, which reads it, is not installed", str(path), "Type: pip install 'fdsweep[nyu]'"
        ) from None
    try:
        file = h5py.File(path, "r", locking=False)  # several workers, perhaps no lock at all
    except OSError as error:
        raise DataError(
            f"is no HDF5 file that can be read ({first_line(error)})", str(path), "Load it again"
        ) from None
    with file:
        yield file


def _check_shapes(path: Path, file: Any) -> int:  # noqa: ANN401
    """How many frames there are; DataError if arrays are not there, or not of the same frames."""
    lacking = [name for name in (IMAGES, DEPTHS, LABELS, SCENES, NAMES) if name not in file]
    if lacking:
        raise DataError(f"holds no {' and no '.join(lacking)}", str(path))
    count, channels, *size = file[IMAGES].shape
    shapes = {name: file[name].shape for name in (DEPTHS, LABELS)}
    if channels != 3 or set(shapes.values()) != {(count, *size)}:
        raise DataError(f"arrays do not fit: {file[IMAGES].shape}, {shapes}", str(path))
    return int(count)


def _texts(path: Path, file: Any, name: str) -> list[str]:  # noqa: ANN401
    """A cell array of texts: references to arrays of UTF-16 units."""
    try:
        return ["".join(map(chr, np.ravel(file[cell][()]))) for cell in np.ravel(file[name][()])]
    except (OSError, TypeError, ValueError) as error:
        raise DataError(f"{name} cannot be read ({first_line(error)})", str(path)) from None


def _id(number: int) -> str:
    """Of a frame, as MATLAB counts."""
    return f"{number:04d}"
