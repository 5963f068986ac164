"""A miniature of CREMA-D in its true format: 16 kHz WAV, Sorenson FLV, names, summary, lists.

48 clips of 8 actors, one per emotion. Every emotion has its tone (300 Hz and more), so that a
network can learn it; the frames say their own numbers, shifted by 40 per emotion.
"""

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from miniature.media_files import POINTER, numbered, sine, write_video, write_wav

ACTORS = tuple(range(1001, 1009))
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
LABELS = {"NEU": 0, "HAP": 1, "SAD": 2, "FEA": 3, "DIS": 4, "ANG": 5}
SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH")
FPS = 30
POINTED, CUT_OFF, PARTNERLESS = "1002_TIE_HAP_XX", "1005_TAI_ANG_XX", "1003_IOM_SAD_XX"


@dataclass(frozen=True)
class Miniature:
    """Where the raw tree lies and what is in it."""

    raw: Path
    clips: tuple[str, ...]
    damaged: tuple[str, ...] = (POINTED, CUT_OFF)
    missing: tuple[str, ...] = (PARTNERLESS,)
    classes: tuple[str, ...] = field(default=tuple(LABELS))

    @property
    def whole(self) -> tuple[str, ...]:
        """Clips that can be decoded."""
        return tuple(c for c in self.clips if c not in (*self.damaged, *self.missing))


def tone(clip: str) -> int:
    """Hertz of the clip's sound."""
    return 300 + 500 * LABELS[clip.split("_")[2]]


def first_number(clip: str) -> int:
    """The number painted into the clip's first frame."""
    return 40 * LABELS[clip.split("_")[2]]


def write_clip(raw: Path, clip: str, seconds: float = 1.3) -> None:
    """The sound and the video of one clip."""
    sound = sine(tone(clip), seconds, 16000)
    write_wav(raw / "AudioWAV" / f"{clip}.wav", sound, 16000)
    frames = [numbered(first_number(clip) + i, 36, 48) for i in range(round(seconds * FPS))]
    write_video(raw / "VideoFlash" / f"{clip}.flv", frames, FPS, "flv")


def build(raw: Path, damage: bool = True) -> Miniature:
    """Write the tree; two clips are damaged and one lacks its video, unless `damage` is False."""
    clips = []
    for actor, sentence in zip(ACTORS, SENTENCES, strict=True):
        for emotion in EMOTIONS:
            clips.append(f"{actor}_{sentence}_{emotion}_XX")
            write_clip(raw, clips[-1])
    (raw / "VideoDemographics.csv").write_text("ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,,\n")
    (raw / "processedResults").mkdir()
    with (raw / "processedResults" / "summaryTable.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "FileName", "VoiceVote"])
        writer.writerows([number, clip, "A"] for number, clip in enumerate(clips, start=1))
    if not damage:
        return Miniature(raw, tuple(clips), (), ())
    (raw / "AudioWAV" / f"{POINTED}.wav").write_text(POINTER)
    video = raw / "VideoFlash" / f"{CUT_OFF}.flv"
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 5])
    (raw / "VideoFlash" / f"{PARTNERLESS}.flv").unlink()
    return Miniature(raw, tuple(clips))


def write_lists(folder: Path, clips: tuple[str, ...], test_every: int = 5) -> None:
    """train.csv (with a byte-order mark) and test.csv as published: every actor is in both."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(0).permutation(len(clips))
    lines = [f"{clips[i]},{clips[i].split('_')[2]}\n" for i in order]
    test = lines[::test_every]
    train = [line for line in lines if line not in test]
    (folder / "train.csv").write_text("".join(train), encoding="utf-8-sig")
    (folder / "test.csv").write_text("".join(test), encoding="utf-8")
