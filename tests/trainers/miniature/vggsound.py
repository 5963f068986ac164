"""VGGSound in small: 48 clips, 44 of them complete and sound."""

import csv
from pathlib import Path

from miniature.media_files import numbered, sine, write_video, write_wav

LABELS = ("playing banjo", "donkey, ass braying", "engine accelerating, revving, vroom")
RATE, FPS, SECONDS = 44100, 2, 10
COUNT, TRAIN = 48, 36
EMPTY, CUT, GONE, NO_VIDEO = 4, 40, 12, 13
SOUND_APART = (6, 7, NO_VIDEO)
"""Clips whose sound lies in a WAV file of its own."""


def clips() -> list[tuple[str, int, str, str]]:
    """(id, start, label, split) of the 48 clips; training holds one video twice."""
    found = []
    for number in range(COUNT):
        video = f"{'-_gL'[number % 4]}LQrEij{number:04d}"
        split = "train" if number < TRAIN else "test"
        found.append((video, 7 * number, LABELS[number % 3], split))
    found[1] = (found[0][0], 130, *found[1][2:])
    return found


def stem(number: int) -> str:
    video, start, _, _ = clips()[number]
    return f"{video}_{start:06d}"


def build(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "vggsound.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(clips())
    for number, (_, _, label, split) in enumerate(clips()):
        if number == GONE:
            continue
        tone = sine(500 * (1 + LABELS.index(label)), SECONDS, RATE)
        path = folder / split / f"{stem(number)}.mp4"
        if number in SOUND_APART:
            write_wav(path.with_suffix(".wav"), tone, RATE)
        if number == NO_VIDEO:
            continue
        pictures = [numbered(second) for second in range(SECONDS) for _ in range(FPS)]
        silent = number in SOUND_APART
        write_video(path, pictures, FPS, audio=None if silent else tone, audio_rate=RATE)
        if number == EMPTY:
            path.write_bytes(b"")
        if number == CUT:
            path.write_bytes(path.read_bytes()[:3000])
