"""RAVDESS in small: 48 spoken trials of 8 actors, 45 of them complete and sound."""

from pathlib import Path

import numpy as np

from miniature.media_files import numbered, sine, write_video, write_wav

ACTORS = range(1, 9)
EMOTIONS = (1, 3, 4, 5, 6, 8)
NO_VIDEO = "03-01-05-01-01-01-04"
EMPTY_WAV = "03-01-03-01-02-02-02"
CUT_VIDEO = "03-01-08-01-01-01-07"
RATE, FPS, SECONDS = 48000, 30, 1


def trial(emotion: int, actor: int) -> str:
    statement = 2 if emotion == 3 else 1
    return f"01-{emotion:02d}-01-{statement:02d}-{statement:02d}-{actor:02d}"


def build(folder: Path) -> None:
    for actor in ACTORS:
        for emotion in EMOTIONS:
            name = trial(emotion, actor)
            _write_wav(folder, f"03-{name}", emotion, actor)
            if f"03-{name}" != NO_VIDEO:
                _write_video(folder, f"02-{name}", emotion, actor)
            if actor == 1:  # most real trials have a video with sound as well
                _write_video(folder, f"01-{name}", emotion, actor)
    write_wav(
        folder / "Audio_Song_Actors_01-24" / "Actor_01" / "03-02-04-01-01-01-01.wav",
        sine(300, SECONDS, RATE),
        RATE,
    )
    wav_path(folder, EMPTY_WAV).write_bytes(b"")
    cut = video_path(folder, "02" + CUT_VIDEO[2:])
    cut.write_bytes(cut.read_bytes()[:400])


def wav_path(folder: Path, name: str) -> Path:
    return folder / "Audio_Speech_Actors_01-24" / f"Actor_{name[-2:]}" / f"{name}.wav"


def video_path(folder: Path, name: str) -> Path:
    actor = name[-2:]
    return folder / f"Video_Speech_Actor_{actor}" / f"Actor_{actor}" / f"{name}.mp4"


def _write_wav(folder: Path, name: str, emotion: int, actor: int) -> None:
    tone = sine(400 * emotion, SECONDS, RATE) + sine(100 + 10 * actor, SECONDS, RATE, 0.1)
    write_wav(wav_path(folder, name), tone, RATE)


def _write_video(folder: Path, name: str, emotion: int, actor: int) -> None:
    pictures = [_picture(emotion, actor)] * (FPS * SECONDS)
    sound = sine(400 * emotion, SECONDS, RATE) if name.startswith("01") else None
    write_video(video_path(folder, name), pictures, FPS, audio=sound, audio_rate=RATE)


def _picture(emotion: int, actor: int) -> np.ndarray:
    return numbered(emotion + 16 * actor, height=36, width=64)
