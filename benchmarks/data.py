"""What data cost: `python benchmarks/data.py` prepares and loads a CREMA-D in miniature.

300 clips in the true format (WAV, FLV at 480 x 360, 2.5 s) are written, prepared by one core and
then by all through Ray, and read as training batches of sound and picture in three ways:

  resident   from memory, cropped where they lie
  streaming  from the shards, read ahead
  per item   a torch Dataset that unpickles a spectrogram and opens a JPEG of the clip for each
             sample, crops and normalises it with Pillow and numpy: the published code's way, on
             frames and spectrograms that were extracted before

Reading takes one thread of torch's, as in trials. The memory that a process with a budget needs to
load the data, and then to read them all, is measured at its peaks (Linux).

Prints a table for people, then one JSON line.
"""

import io
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as execution/cluster.py sets it for workers

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from fdsweep.search_spaces.trials import Loading
from fdsweep.trainers import datasets
from fdsweep.trainers.loaders import training_views
from fdsweep.trainers.modalities.crops import ASPECT, MEAN, SIZE, STD
from fdsweep.trainers.preparation.catalog import Options

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "trainers"))

CLIPS, EPOCHS, BATCH = 300, 3, 64
MODALITIES = ("audio", "visual")
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS")
CHILD = """
import sys
from pathlib import Path
import torch
from benchmarks.data import MODALITIES, batches, find

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith("VmHWM"))

torch.set_num_threads(1)
start = peak()
fold = find(sys.argv[1], memory_gb=float(sys.argv[2])).folds(MODALITIES)(0)
loaded = peak()
for _ in batches(fold):
    pass
print(type(fold.inputs["visual"]).__name__, start, loaded, peak())
"""


def write_clips(raw: Path) -> None:
    """CLIPS clips of smooth moving pictures, whose JPEG files have a usual size."""
    from miniature.media_files import sine, write_video, write_wav

    rng = np.random.default_rng(0)
    for number in range(CLIPS):
        actor, sentence = 1001 + number // 60, SENTENCES[number // 6 % 10]
        clip = f"{actor}_{sentence}_{EMOTIONS[number % 6]}_XX"
        write_wav(raw / "AudioWAV" / f"{clip}.wav", sine(300 + number, 2.5, 16000), 16000)
        coarse = Image.fromarray(rng.integers(0, 256, (45, 60, 3), np.uint8))
        still = np.asarray(coarse.resize((480, 360), Image.Resampling.BICUBIC))
        frames = [np.roll(still, shift, axis=1) for shift in range(25)]
        write_video(raw / "VideoFlash" / f"{clip}.flv", frames, 10, "flv")


def find(storage: str, mode: str = "auto", memory_gb: float = 8.0) -> datasets.Dataset:
    loading = Loading(mode=mode, memory_gb=memory_gb)  # type: ignore[arg-type]
    return datasets.find("crema-d", datasets.DataLocation(storage, loading))


def batches(fold: datasets.Fold) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Training batches of both modalities, EPOCHS times through the training split."""
    for epoch in range(EPOCHS):
        order = fold.train[torch.randperm(len(fold.train))]
        steps = order[: len(order) // BATCH * BATCH].view(-1, BATCH)
        views = [training_views(fold.inputs[m], steps, 0, m, epoch) for m in MODALITIES]
        yield from zip(*views, strict=True)


class PerItem(Dataset):
    """What published code does for one sample."""

    def __init__(self, folder: Path) -> None:
        self.clips = sorted(folder.glob("*.pkl"))

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        with self.clips[index].open("rb") as file:
            spectrogram = pickle.load(file)
        picture = Image.open(self.clips[index].with_suffix(".jpg")).convert("RGB")
        width, height = picture.size
        area = width * height * np.random.uniform(0.08, 1)
        shape = np.exp(np.random.uniform(*np.log(ASPECT)))
        w = min(width, round((area * shape) ** 0.5))
        h = min(height, round((area / shape) ** 0.5))
        x, y = np.random.randint(width - w + 1), np.random.randint(height - h + 1)
        cut = picture.crop((x, y, x + w, y + h)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        if np.random.rand() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        scaled = torch.from_numpy(np.array(cut)).permute(2, 0, 1).contiguous().float().div(255)
        mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))
        return torch.from_numpy(spectrogram)[None], scaled.sub(mean).div(std)


def extract(storage: str, raw: Path, folder: Path) -> int:
    """Each training clip's spectrogram as a pickle and its middle frame as a JPEG of full size."""
    import av

    fold = find(storage, "resident").folds(MODALITIES)(0)
    sounds = fold.inputs["audio"].batches([fold.train[i : i + 1] for i in range(len(fold.train))])
    for index, sound in zip(fold.train.tolist(), sounds, strict=True):
        clip = fold.sample_ids[index]
        (folder / f"{clip}.pkl").write_bytes(pickle.dumps(sound[0, 0].numpy()))
        with av.open(str(raw / "VideoFlash" / f"{clip}.flv")) as video:
            frames = list(video.decode(video=0))
        file = io.BytesIO()
        frames[len(frames) // 2].to_image().save(file, "JPEG", quality=90)
        (folder / f"{clip}.jpg").write_bytes(file.getvalue())
    return len(fold.train)


def rate(source: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Samples per second."""
    start, count = time.perf_counter(), 0
    for sound, picture in source:
        assert picture.shape[1:] == (3, SIZE, SIZE)
        count += len(sound)
    return count / (time.perf_counter() - start)


def main() -> None:
    torch.set_num_threads(1)
    from fdsweep.orchestrator.data.prepare import prepare

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        raw, storage, items = (Path(place) / name for name in ("raw", "runs", "items"))
        raw.mkdir()
        items.mkdir()
        write_clips(raw)
        dataset = find(str(storage), "resident")
        catalog = dataset.catalog(raw, Options())
        start = time.perf_counter()
        for item in catalog.items:
            dataset.decode(raw, item, {})
        found["decode, clips/s of one core"] = CLIPS / (time.perf_counter() - start)
        start = time.perf_counter()
        prepare(dataset, raw, str(storage), Options(), shard_mb=4)
        wall = time.perf_counter() - start
        found["prepare, clips/s per core, start of Ray included"] = CLIPS / wall / os.cpu_count()
        extract(str(storage), raw, items)
        loader = DataLoader(PerItem(items), BATCH, shuffle=True, drop_last=True)
        folds = {mode: find(str(storage), mode).folds(MODALITIES)(0)
                 for mode in ("resident", "streaming")}  # fmt: skip
        rounds = []
        for _ in range(4):
            each = {mode: rate(batches(fold)) for mode, fold in folds.items()}
            each["per item"] = rate(batch for _ in range(EPOCHS) for batch in loader)
            rounds.append(each)
        best = {way: float(np.median([one[way] for one in rounds[1:]])) for way in rounds[0]}
        found |= {f"{way}, samples/s": value for way, value in best.items()}
        for way in ("resident", "streaming"):
            ratios = [one[way] / one["per item"] for one in rounds[1:]]
            found[f"{way}, times per item"] = float(np.median(ratios))
        environment = dict(os.environ)
        for budget in (2.0, 1.0):
            output = subprocess.run(
                [sys.executable, "-c", CHILD, str(storage), str(budget)],
                capture_output=True, text=True, check=True, env=environment,
            ).stdout  # fmt: skip
            way, *peaks = output.split()
            start, loaded, peak = (int(x) / 1024 for x in peaks)
            label = f"budget of {budget * 1000:,.0f} MB, {way}: MB that "
            found[label + "loading adds"] = loaded - start
            found[label + "loading and reading add"] = peak - start
    where = f"{os.cpu_count()} CPUs, {platform.machine()}, torch {torch.__version__}"
    print(f"{CLIPS} clips, {where}\n")
    print("| what | figure |\n| --- | ---: |")
    for name, value in found.items():
        print(f"| {name} | {value:,.1f} |")
    print(json.dumps({"figures": found, "command": sys.argv}))


if __name__ == "__main__":
    main()
