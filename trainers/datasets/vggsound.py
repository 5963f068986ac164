"""`vggsound`: 309 sounds with what makes them, in clips of ten seconds; `vggsound@c2kd`.

About 200,000 clips (Chen et al. 2020, "VGGSound: a large-scale audio-visual dataset", ICASSP,
arXiv 2004.14368), of which many are no longer to be had.

takes   <youtube id>_<start>.mp4 anywhere in the tree (a .wav of the same name gives the sound, if
        there is one), and vggsound.csv: id, start second, "label", train or test
yields  per clip 10 s of sound as a 257x1004 log-spectrogram, and one frame per second
splits  published; a tenth of the training clips validates, chosen from the whole list, so that a
        clip has the same split whoever misses which others

`vggsound@c2kd` takes sound as the code of C2KD (Huo et al., CVPR 2024, github.com/huofushuo/C2KD)
does: the log of a short-time Fourier transform (segments of 256 samples, 128 apart), of which 5 s
from anywhere train. Its 50 classes are lists for `--split-dir`. What is our reading of it stands in
docs/reference/datasets.md.
"""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.prepared import FRAMES, Payload, Prepared
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import (
    Catalog,
    Item,
    Options,
    Skipped,
    Split,
    of_lists,
    wrong_tree,
)
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram, log_stft
from fdsweep.trainers.preparation.splits import SPLITS, carve_val

RATE, SECONDS = 16000, 10
VIDEO = (".mp4", ".mkv", ".webm")
SOUND = (".wav", ".flac")
COUNTS = "stat.csv"
"""A file of the authors' repository: clips per class."""


class Clip(NamedTuple):
    """A line of a list; `start` in seconds."""

    video: str
    start: int
    label: str
    split: Split

    @property
    def sample_id(self) -> str:
        """The name that downloaders give its file."""
        return f"{self.video}_{self.start:06d}"

    @property
    def stems(self) -> tuple[str, ...]:
        """All names that its file may have: padded seconds, seconds, or milliseconds to end."""
        start, end = self.start * 1000, (self.start + SECONDS) * 1000
        return self.sample_id, f"{self.video}_{self.start}", f"{self.video}_{start}_{end}"


@registry.register("vggsound")
class VGGSound(Prepared):
    """The importer."""

    name: ClassVar = "vggsound"
    modalities: ClassVar = (Modality("audio", 1, "resnet18"), Modality("visual", 3, "resnet18"))
    payloads: ClassVar = {
        "audio": Payload("spectrogram", (257, 1004)),
        "visual": FRAMES,
    }
    lists: ClassVar = "train_tiny.csv and test_tiny.csv, the 50 classes of KD papers"
    about: ClassVar = (
        "about 200,000 clips of 10 s from YouTube with 309 kinds of sounds; lists choose fewer"
    )
    source: ClassVar = "Chen et al. 2020, ICASSP, arXiv 2004.14368"
    licence: ClassVar = "lists CC BY 4.0; videos of YouTube users, each under its own terms"
    url: ClassVar = "https://www.robots.ox.ac.uk/~vgg/data/vggsound/"
    expects: ClassVar = """RAW_DIR/
  vggsound.csv   (or other lists with --split-dir, such as train_tiny.csv and test_tiny.csv)
  <any folders, such as train and test>/<youtube id>_<start, 6 digits>.mp4 ...
  <any folders>/<youtube id>_<start, 6 digits>.wav ...   (if the sound lies apart)"""

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        clips, repeats = self._listed(raw, options)
        classes = tuple(sorted({clip.label for clip in clips}))
        number_of = {label: number for number, label in enumerate(classes)}
        labels = [number_of[clip.label] for clip in clips]
        splits = [clip.split for clip in clips]
        listed = of_lists(Counter(splits), "clips")
        notes = []
        if "val" not in splits:
            splits = carve_val(splits, [clip.video for clip in clips], labels)
            notes.append("A tenth of the listed training clips validates.")
        videos, sounds = _index(raw)
        if not videos:
            raise wrong_tree(raw, "<youtube id>_<start>.mp4", self.expects)
        items, missing = [], []
        for clip, label, split in zip(clips, labels, splits, strict=True):
            video = next((videos[stem] for stem in clip.stems if stem in videos), None)
            sound = next((sounds[stem] for stem in clip.stems if stem in sounds), None)
            if video is None:
                reason = "not on disk" if sound is None else "sound without a video"
                missing.append(Skipped(clip.sample_id, reason))
                continue
            items.append(
                Item(
                    sample_id=clip.sample_id,
                    group=clip.video,
                    label=label,
                    split=split,
                    parts={"audio": sound or video, "visual": video},
                )
            )
        apart = sum(item.parts["audio"] != item.parts["visual"] for item in items)
        notes += [
            f"{len(clips)} clips of {len(classes)} classes are listed (published: 199,467 of "
            f"309); {len(items)} are on disk, {apart} of them with the sound in a file of its own.",
            "Classes are numbered in the order of their names.",
        ]
        if repeats:
            notes.append(f"Lines that list a clip again, of which test keeps its own: {repeats}.")
        return Catalog(
            items=tuple(items),
            missing=tuple(missing),
            classes=classes,
            notes=tuple(notes),
            split=listed,
        )

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        files = {name: raw / str(item.parts[name]) for name in self.payloads}
        return {name: self.read_file(name, file, assets)[0] for name, file in files.items()}

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        end = float(SECONDS)
        if modality == "visual":
            return [media.frames(file, end=end)]
        return [self.spectrogram(fit(media.audio(file, rate=RATE, end=end), SECONDS * RATE))]

    def spectrogram(self, signal: NDArray[np.float32]) -> NDArray[np.float16]:
        """What is heard in `signal` [SECONDS * RATE]."""
        return log_spectrogram(signal)

    def _listed(self, raw: Path, options: Options) -> tuple[list[Clip], int]:
        """The clips of all lists in the order of their ids, and how many lines repeat one."""
        folder = options.split_dir or raw
        names = "*.csv" if options.split_dir else "vggsound.csv"
        lists = [path for path in sorted(folder.glob(names)) if path.name != COUNTS]
        if not lists:
            raise wrong_tree(folder, names, self.expects)
        clips: dict[str, Clip] = {}
        repeats = 0
        where: dict[str, Path] = {}
        for path in lists:
            for clip in _read(path):
                if (known := clips.get(clip.sample_id)) is not None:
                    if where[clip.sample_id] != path and known.split == clip.split:
                        raise ConfigError(
                            f"{where[clip.sample_id].name} and {path.name} both list "
                            f"{clip.sample_id}",
                            f"--split-dir {folder}",
                            "Put the lists to use in a folder of their own",
                        )
                    repeats += 1
                if known is None or SPLITS.index(clip.split) > SPLITS.index(known.split):
                    clips[clip.sample_id], where[clip.sample_id] = clip, path
        return [clips[sample_id] for sample_id in sorted(clips)], repeats


@registry.register("vggsound@c2kd")
class VGGSoundC2KD(VGGSound):
    """The importer that does as C2KD's code."""

    name: ClassVar = "vggsound@c2kd"
    payloads: ClassVar = {
        "audio": Payload("spectrogram-window", (129, 1251, 626)),
        "visual": FRAMES,
    }
    about: ClassVar = "the clips of vggsound, of which 5 s are heard, as C2KD's code reads them"

    @override
    def spectrogram(self, signal: NDArray[np.float32]) -> NDArray[np.float16]:
        return log_stft(signal)


def _read(path: Path) -> Iterator[Clip]:
    """The clips of a list in either published form; DataError naming a line that is in none.

    Forms are `id,start,label,split`, and `id_start.mp4,label` where the file's name says the split.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, skipinitialspace=True)
        for row in reader:
            cells = [cell.strip() for cell in row]
            try:
                match cells:
                    case []:
                        continue
                    case [video, start, label, split]:
                        yield Clip(video, int(float(start)), label, _split(split))
                    case [file_name, label]:
                        video, start = Path(file_name).stem.rsplit("_", 1)
                        yield Clip(video, int(start), label, _split(path.stem))
                    case _:
                        raise ValueError
            except ValueError:
                if reader.line_num == 1:  # column names
                    continue
                raise DataError(
                    f"{','.join(row)!r} is neither id,start,label,split nor id_start.mp4,label",
                    f"{path}:{reader.line_num}",
                    "Take the published list",
                ) from None


def _split(word: str) -> Split:
    """The split that a column or a file's name means; ValueError if none or several."""
    (found,) = [split for split in SPLITS if split in word.lower()]
    return found


def _index(raw: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Videos and sounds of the tree, paths relative to `raw` by their stems."""
    videos: dict[str, str] = {}
    sounds: dict[str, str] = {}
    for folder, folders, files in os.walk(raw):
        folders.sort()
        for name in sorted(files):
            stem, ending = os.path.splitext(name)
            for endings, found in ((VIDEO, videos), (SOUND, sounds)):
                if ending.lower() in endings:
                    found.setdefault(stem, Path(folder, name).relative_to(raw).as_posix())
    return videos, sounds
