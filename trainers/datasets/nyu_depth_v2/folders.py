"""NYU-Depth V2 as CMX, DFormer and others share it: a picture file per frame and modality."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.nyu_depth_v2.frames import Frame, Listing, classes, in_one_list
from fdsweep.trainers.datasets.prepared import LABEL_MAP
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import Damaged, Skipped, Split

RGB, HHA, LABEL = "RGB", "HHA", "Label"
LISTS: dict[Split, str] = {"train": "train.txt", "test": "test.txt"}
ENDINGS = (".jpg", ".jpeg", ".png")
EIGHT_BITS_MM = 10_000
"""What 255 stands for where depth has eight bits, which is nowhere said: a Kinect's range."""


def listing(raw: Path, depth: str, lists: Path) -> Listing:
    """The frames that the lists name; the folder `depth` holds that modality.

    Raises:
        DataError: a list is not there, cannot be read or shares frames with the other.
    """
    files = {name: _files(raw / name) for name in (RGB, depth, LABEL)}
    splits = in_one_list({split: _read(lists / name) for split, name in LISTS.items()}, str(lists))
    parts: dict[str, dict[str, str]] = {}
    missing = []
    for name in sorted(splits):
        if lacking := [f"{folder}/{name}" for folder, found in files.items() if name not in found]:
            missing.append(Skipped(name, f"no {' and no '.join(lacking)}"))
        else:
            paths = (found[name].relative_to(raw).as_posix() for found in files.values())
            parts[name] = dict(zip(("rgb", "depth", "labels"), paths, strict=True))
    size = _first_size(raw, parts.values())
    frames = tuple(
        Frame(sample_id=name, scene=name, kind="room", parts={**own, **size})
        for name, own in parts.items()
    )
    named = {path.stem for path in files[RGB].values()}
    notes = [
        "Pictures are as they lie in the folders, with whatever border they have.",
        "The folders tell neither scenes nor kinds of room: each frame is a group of its own.",
        "Train and test are those of the lists; validation is carved from train.",
    ]
    if depth != HHA and _has_eight_bits(raw, parts.values()):
        notes.append(
            f"Depth has eight bits and no unit: 255 is taken for {EIGHT_BITS_MM / 1000:g} m."
        )
    if left_out := len(named - splits.keys()):
        notes.append(f"Left out for standing on neither list: {left_out} frames.")
    return Listing(
        frames=frames,
        splits=splits,
        missing=tuple(missing),
        notes=tuple(notes),
    )


def decode(raw: Path, parts: Mapping[str, str | float | int]) -> dict[str, Any]:
    """The frame that `parts` name; Damaged if a file cannot be decoded or is of another size."""
    rgb, depth, labels = (Path(str(parts[name])) for name in ("rgb", "depth", "labels"))
    is_hha = depth.parts[0] == HHA
    frame = {
        "rgb": colours(raw / rgb),
        "depth": colours(raw / depth) if is_hha else millimetres(raw / depth),
        LABEL_MAP: classes(media.raster(raw / labels)),
    }
    for name, pixels in frame.items():
        if pixels.shape[:2] != (parts["height"], parts["width"]):
            size = " x ".join(map(str, pixels.shape[:2]))
            raise Damaged(f"{name} of {size}, not {parts['height']} x {parts['width']}")
    return frame


def colours(path: Path) -> NDArray[np.uint8]:
    """A picture [H, W, 3]; Damaged if it cannot be decoded."""
    return np.asarray(media.image(path))


def millimetres(path: Path) -> NDArray[np.uint16]:
    """Depth [H, W]; Damaged if it cannot be decoded, or is none."""
    values = media.raster(path)
    if values.dtype == np.uint8:
        return (values * (EIGHT_BITS_MM / 255)).round().astype(np.uint16)
    if not 0 <= values.min() <= values.max() < 2**16:
        raise Damaged("depth that is no distance")
    return values.astype(np.uint16)


def _files(folder: Path) -> dict[str, Path]:
    """Pictures by their name without its ending."""
    return {
        path.stem: path
        for path in sorted(folder.iterdir(), reverse=True)
        if path.suffix.lower() in ENDINGS
    }


def _read(path: Path) -> list[str]:
    """Names of frames: a line begins with one, perhaps with a folder and an ending."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise DataError(
            f"cannot be read ({reason})", str(path), f"{' and '.join(LISTS.values())} are read"
        ) from None
    return [Path(line.split()[0]).stem for line in text.splitlines() if line.strip()]


def _first_size(raw: Path, frames: Iterable[dict[str, str]]) -> dict[str, int]:
    """Height and width of the first picture that can be decoded; the others must have them too."""
    for frame in frames:
        try:
            picture = media.image(raw / frame["rgb"])
        except Damaged:
            continue
        return {"height": picture.height, "width": picture.width}
    return {}


def _has_eight_bits(raw: Path, frames: Iterable[dict[str, str]]) -> bool:
    for frame in frames:
        try:
            return media.raster(raw / frame["depth"]).dtype == np.uint8
        except Damaged:
            continue
    return False
