"""NYU-Depth V2 in small, an eighth of its size, in both of its trees: 27 frames, 24 of use.

A pixel tells where it is: red is 4 x its row, green 3 x its column, blue its class. Depth is 1 m
and 2 cm more for each row, 1 cm for each column. Blocks of pixels share a class, some are void.
"""

from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH, COUNT = 60, 80, 27
ROWS, COLUMNS = slice(6, 59), slice(5, 75)
"""The valid part: rows 45 to 471 and columns 41 to 601 of 480 x 640, an eighth of each."""
KINDS = ("bedroom", "living_room", "kitchen")
FINE = 894
MAP = np.array([7 * k % 40 + 1 for k in range(FINE)])
"""To which of the 40 classes each of the 894 belongs, both counted from 1."""
TEST = tuple(range(19, 28))
UNLISTED, NO_SUCH = 4, 28
UNREADABLE, VOID, NO_DEPTH = 9, 24, 3
"""Numbers of frames, from 1: of two that are damaged, and of one that the folders lack."""


def train() -> list[int]:
    return [n for n in range(1, COUNT + 1) if n not in TEST and n != UNLISTED]


def scene(number: int) -> str:
    """Three frames in a row are of one place."""
    place = (number - 1) // 3
    return f"{KINDS[place % len(KINDS)]}_{place:04d}"


def labels(number: int) -> np.ndarray:
    """[HEIGHT, WIDTH], one of 894 classes from 1, or 0, in blocks of 12 x 16 pixels."""
    block = np.add.outer(5 * (np.arange(HEIGHT) // 12), np.arange(WIDTH) // 16)
    found = (block * 31 + number * 3) % FINE + 1
    return np.where((block == 7) | (number == VOID), 0, found).astype(np.uint16)


def classes(number: int) -> np.ndarray:
    """[HEIGHT, WIDTH], 1 to 40, or 0."""
    return np.concatenate([[0], MAP])[labels(number)]


def pixels(number: int) -> np.ndarray:
    """uint8 [HEIGHT, WIDTH, 3], white where it is not valid."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    coloured = np.stack([4 * row, 3 * column, 6 * classes(number)], axis=-1).astype(np.uint8)
    picture = np.full_like(coloured, 255)
    picture[ROWS, COLUMNS] = coloured[ROWS, COLUMNS]
    return picture


def millimetres() -> np.ndarray:
    """uint16 [HEIGHT, WIDTH]."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    return (1000 + 20 * row + 10 * column).astype(np.uint16)


def build(folder: Path) -> None:
    """The three files of MATLAB; one frame cannot be read, one is void throughout."""
    numbers = range(1, COUNT + 1)
    path = folder / "nyu_depth_v2_labeled.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        _write(file, "images", np.stack([pixels(n).transpose(2, 1, 0) for n in numbers]))
        depth = millimetres().T.astype(np.float32) / 1000
        _write(file, "depths", np.broadcast_to(depth, (COUNT, *depth.shape)))
        _write(file, "labels", np.stack([labels(n).T for n in numbers]))
        _write_texts(file, "scenes", [scene(n) for n in numbers])
        file["names"] = np.zeros((1, FINE))
        chunk = file["images"].id.get_chunk_info(UNREADABLE - 1)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\x02IM")
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    write_lists(folder, [*train(), NO_SUCH])
    savemat(folder / "classMapping40.mat", {"mapClass": MAP[None].astype(np.uint8)})


def write_lists(folder: Path, training: list[int]) -> None:
    """splits.mat: columns of numbers that count from 1."""
    lists = {"trainNdxs": np.array(training)[:, None], "testNdxs": np.array(TEST)[:, None]}
    savemat(folder / "splits.mat", {name: x.astype(np.uint16) for name, x in lists.items()})


def build_folders(folder: Path, depth: str = "Depth") -> None:
    """The extracted tree with `depth` or HHA; one frame lacks it, two others are damaged."""
    for name in ("RGB", depth, "Label"):
        (folder / name).mkdir(parents=True)
    for n in range(1, COUNT + 1):
        Image.fromarray(pixels(n)).save(folder / f"RGB/{n}.jpg", quality=95, subsampling=0)
        own = hha() if depth == "HHA" else millimetres()
        if n != NO_DEPTH:
            Image.fromarray(own).save(folder / depth / f"{n}.png")
        void = 255 if n % 2 else 0
        label = np.where(classes(n) == 0, void, classes(n)).astype(np.uint8)
        Image.fromarray(label).save(folder / f"Label/{n}.png")
    cut = folder / f"RGB/{UNREADABLE}.jpg"
    cut.write_bytes(cut.read_bytes()[:300])
    (folder / "train.txt").write_text("".join(f"{n}\n" for n in train()))
    (folder / "test.txt").write_text("".join(f"RGB/{n}.jpg Label/{n}.png\n" for n in TEST))


def build_hha(folder: Path) -> None:
    """The extracted tree of `nyu-depth-v2@hha`."""
    build_folders(folder, "HHA")


def hha() -> np.ndarray:
    """uint8 [HEIGHT, WIDTH, 3], other than RGB in every channel."""
    return np.stack([millimetres() // 16 + 10 * channel for channel in range(3)], -1).astype(
        np.uint8
    )


def _write(file: h5py.File, name: str, frames: np.ndarray) -> None:
    file.create_dataset(name, data=frames, chunks=(1, *frames.shape[1:]), compression="gzip")


def _write_texts(file: h5py.File, name: str, texts: list[str]) -> None:
    """A cell array, as MATLAB has it: references to columns of UTF-16 units."""
    cells = file.create_dataset(name, (1, len(texts)), h5py.ref_dtype)
    for place, text in enumerate(texts):
        units = np.array([[ord(letter)] for letter in text], np.uint16)
        cells[0, place] = file.create_dataset(f"#refs#/{name}{place}", data=units).ref
