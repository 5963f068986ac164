"""A data set as `save_to_disk` of Hugging Face's `datasets` 5.2 leaves it, made with pyarrow."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from miniature.media_files import write_wav

NAMES = ["wren", "robin"]
FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SCHEMA = pa.schema(
    {
        "sound": FILE, "photo": FILE, "species": pa.int64(), "heard": pa.list_(pa.int64()),
        "who": pa.string(), "motion": pa.list_(pa.list_(pa.float32())), "words": pa.string(),
        "boxes": pa.list_(pa.struct([("x", pa.int32())])),
    }
)  # fmt: skip
CLASSES = {"names": NAMES, "_type": "ClassLabel"}
FEATURES = {
    "sound": {"sampling_rate": 8000, "_type": "Audio"}, "photo": {"_type": "Image"},
    "species": CLASSES, "heard": {"feature": CLASSES, "_type": "List"},
}  # fmt: skip
"""Of the columns whose Arrow type does not say it all."""


def motion(i: int) -> np.ndarray:
    """[times, channels] of sample i, which are no more of some than of others."""
    return np.random.default_rng(i).normal(size=(20 + i % 3, 2)).astype(np.float32)


def rows(first: int, count: int, folder: Path) -> list[dict[str, object]]:
    """Samples of six people in turn, of two classes; files are made in `folder`."""
    found = []
    for i in range(first, first + count):
        wave = folder / f"{i}.wav"
        write_wav(wave, np.sin(np.arange(4000) * (0.1 + i % 2 / 10)), 8000)
        picture = io.BytesIO()
        Image.new("RGB", (20, 16), (i, 0, 100)).save(picture, "PNG")
        found.append(
            {
                "sound": {"bytes": wave.read_bytes(), "path": wave.name},
                "photo": {"bytes": picture.getvalue(), "path": None},
                "species": i % 2,
                "heard": [0, 1] if i % 3 else [1],
                "who": f"p{i // 2 % 6}",
                "motion": motion(i).tolist(),
                "words": f"{NAMES[i % 2]} in a garden",
                "boxes": [{"x": i}],
            }
        )
        wave.unlink()
    return found


def save(folder: Path, samples: list[dict[str, object]], files: int = 1) -> Path:
    """`samples` as the data set in `folder`, in so many Arrow files of batches of five rows."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number in range(files):
        part = samples[number * len(samples) // files : (number + 1) * len(samples) // files]
        names.append(f"data-{number:05d}-of-{files:05d}.arrow")
        with (
            pa.OSFile(str(folder / names[-1]), "wb") as sink,
            pa.ipc.new_stream(sink, SCHEMA) as writer,
        ):
            writer.write_table(pa.Table.from_pylist(part, SCHEMA), max_chunksize=5)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "f"}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def save_splits(folder: Path, splits: dict[str, list[dict[str, object]]]) -> Path:
    """Each of `splits` as a data set of its own below `folder`, as a DatasetDict is saved."""
    for name, samples in splits.items():
        save(folder / name, samples)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder
