"""`crema-d`: six emotions, acted by 91 speakers, heard and seen.

7,442 clips of 1 to 5 s (Cao et al. 2014), named by speaker, sentence, emotion and level.

takes   AudioWAV/*.wav (16 kHz, mono) and VideoFlash/*.flv (480x360, 30 per second) of the clone
yields  audio: 3 s, repeated and cut, as a log-spectrogram [257, 299]; visual: one frame per second
        from the first, at least three
splits  the lists that papers use where `--split-dir` has them (all speakers both train and test),
        else speakers apart, 72 / 8 / 20 %
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.prepared import FRAMES, Payload, Prepared
from fdsweep.trainers.preparation import media
from fdsweep.trainers.preparation.catalog import (
    Catalog,
    Damaged,
    Item,
    Options,
    Skipped,
    Split,
    of_lists,
    wrong_tree,
)
from fdsweep.trainers.preparation.spectrogram import fit, log_spectrogram
from fdsweep.trainers.preparation.splits import by_group, carve_val

CLASSES = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
NAME = re.compile(
    rf"(?P<speaker>\d{{4}})_({'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(CLASSES)})_(LO|MD|HI|XX?)"
)
"""One clip of the real set, 1040_ITH_SAD_X, has a level of one letter."""

AUDIO, VIDEO, SUMMARY = "AudioWAV", "VideoFlash", "processedResults/summaryTable.csv"
RATE, SECONDS = 16000, 3
LEAST_SOUND_S = 0.1
SHARES: dict[Split, float] = {"train": 0.8, "test": 0.2}
LISTS: dict[Split, str] = {"train": "train.csv", "test": "test.csv"}


@registry.register("crema-d")
class CremaD(Prepared):
    """The importer."""

    name: ClassVar = "crema-d"
    modalities: ClassVar = (Modality("audio", 1, "resnet18"), Modality("visual", 3, "resnet18"))
    payloads: ClassVar = {
        "audio": Payload("spectrogram", (257, 299)),
        "visual": FRAMES,
    }
    lists: ClassVar = "the published train.csv and test.csv"
    about: ClassVar = "7,442 clips of 91 actors saying 12 sentences in 6 emotions, sound and video"
    source: ClassVar = "Cao et al. 2014, CREMA-D: Crowd-sourced emotional multimodal actors dataset"
    licence: ClassVar = "Open Database License (ODbL) 1.0"
    url: ClassVar = "https://github.com/CheyneyComputerScience/CREMA-D"
    expects: ClassVar = """\
CREMA-D/                      (git clone, then: git lfs pull)
  AudioWAV/1001_DFA_ANG_XX.wav
  VideoFlash/1001_DFA_ANG_XX.flv
  processedResults/summaryTable.csv   (if there: says which clips are missing)
--split-dir LISTS: train.csv and test.csv without header, lines such as 1088_IOM_NEU_XX,NEU"""

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        # Clips of the lists, or those that the summary or either folder names.
        sounds, videos = _stems(raw / AUDIO, ".wav"), _stems(raw / VIDEO, ".flv")
        if not sounds and not videos:
            raise wrong_tree(raw, f"{AUDIO}/*.wav and {VIDEO}/*.flv", self.expects)
        there = sounds | videos | _summary(raw / SUMMARY)
        notes = []
        if options.split_dir is None:
            names = sorted(name for name in there if NAME.fullmatch(name))
            speakers = [_speaker(name) for name in names]
            splits = by_group(speakers, SHARES)
            split_by = "speakers apart"
            notes.append("Train and test have different speakers; the split is fdsweep's own.")
        else:
            lists = _read_lists(options.split_dir)
            names = sorted(lists)
            speakers = [_speaker(name) for name in names]
            splits = [lists[name] for name in names]
            count = Counter(lists.values())
            split_by = of_lists(count, "clips")
            left_out = {name for name in there if NAME.fullmatch(name)}.difference(lists)
            notes.append(_on_lists(count, len(left_out)))
        if odd := sorted(name for name in there if not NAME.fullmatch(name)):
            notes.append(f"Left out for want of a clip's name: {len(odd)}, such as {odd[0]}.")
        labels = [_label(name) for name in names]
        splits = carve_val(splits, speakers, labels)
        notes.append(_on_validation(splits, speakers))
        items, missing = [], []
        for name, split in zip(names, splits, strict=True):
            if lacking := [
                f"{folder}/{name}{suffix}"
                for folder, suffix, found in ((AUDIO, ".wav", sounds), (VIDEO, ".flv", videos))
                if name not in found
            ]:
                missing.append(Skipped(name, f"no {' and no '.join(lacking)}"))
                continue
            items.append(
                Item(
                    sample_id=name,
                    group=_speaker(name),
                    label=_label(name),
                    split=split,
                    parts={"audio": f"{AUDIO}/{name}.wav", "video": f"{VIDEO}/{name}.flv"},
                )
            )
        return Catalog(
            items=tuple(items),
            missing=tuple(missing),
            classes=CLASSES,
            notes=tuple(notes),
            split=split_by,
        )

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        return {
            "audio": _heard(raw / str(item.parts["audio"])),
            "visual": media.frames(raw / str(item.parts["video"])),
        }

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        return [_heard(file) if modality == "audio" else media.frames(file)]


def _heard(file: Path) -> NDArray[np.float16]:
    signal = media.audio(file, rate=RATE)
    if signal.size < LEAST_SOUND_S * RATE or not signal.any():
        raise Damaged(f"{signal.size / RATE:.2f} s of sound, or silence")
    return log_spectrogram(fit(signal, SECONDS * RATE))


def _stems(folder: Path, suffix: str) -> set[str]:
    if not folder.is_dir():
        return set()
    return {path.stem for path in folder.iterdir() if path.suffix == suffix}


def _summary(path: Path) -> set[str]:
    """Names in the column FileName of the ratings' summary, if it is there."""
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["FileName"] for row in csv.DictReader(file) if row.get("FileName")}


def _read_lists(folder: Path) -> dict[str, Split]:
    """The split of every clip in the published lists."""
    lists: dict[str, Split] = {}
    for split, name in LISTS.items():
        path = folder / name
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
            raise DataError(
                f"cannot be read ({reason})", str(path), f"{' and '.join(LISTS.values())} are read"
            ) from None
        for number, row in enumerate(csv.reader(text.splitlines()), start=1):
            if row:
                clip = _listed(row, f"{path} line {number}")
                if lists.setdefault(clip, split) != split:
                    raise DataError(f"{clip} is in the other list too", f"{path} line {number}")
    return lists


def _listed(row: Sequence[str], where: str) -> str:
    clip = row[0].strip()
    if len(row) != 2 or not NAME.fullmatch(clip):
        raise DataError(
            f"{','.join(row)!r} is no line such as 1088_IOM_NEU_XX,NEU", where, "Correct the list"
        )
    if row[1].strip() != CLASSES[_label(clip)]:
        raise DataError(f"{clip} is called {row[1].strip()}", where, "Correct the list")
    return clip


def _on_lists(count: Mapping[Split, int], left_out: int) -> str:
    return (
        f"Train and test are the lists of --split-dir ({count['train']:,} and {count['test']:,} "
        f"clips); {left_out:,} clips on neither are left out."
    )


def _on_validation(splits: Sequence[Split], speakers: Sequence[str]) -> str:
    members = {
        split: {who for who, where in zip(speakers, splits, strict=True) if where == split}
        for split in ("train", "val")
    }
    shared = len(members["train"] & members["val"])
    return f"Validation is carved from train; the two share {shared} speakers."


def _speaker(name: str) -> str:
    return name.split("_")[0]


def _label(name: str) -> int:
    return CLASSES.index(name.split("_")[2])
