"""Writers of real media files, for miniature data sets: true containers and codecs."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 73212\n"
)
FLV_RATE = 22050
BARS = 8
WRITTEN: dict[tuple[object, ...], bytes] = {}
"""Videos by what they show: encoding takes long, and miniatures repeat themselves."""


def write_wav(path: Path, signal: np.ndarray, rate: int) -> None:
    """A 16-bit PCM WAV file of `signal` in [-1, 1], [T] mono or [channels, T]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = np.atleast_2d(signal)
    samples = np.round(channels.clip(-1, 1) * 32767).astype(np.int16)
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout=layout)
        packed = np.ascontiguousarray(samples.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: float,
    codec: str = "libx264",
    audio: np.ndarray | None = None,
    audio_rate: int = 44100,
) -> None:
    """`frames` uint8 [H, W, 3] in the container that the ending names, perhaps with sound [T].

    `codec`: "flv" (Sorenson, what CREMA-D's .flv files hold), "libx264" or "mpeg4". Sound is MP3
    in .flv and AAC elsewhere. A file that was written before in this process is copied.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [*frames, *([] if audio is None else [audio])]
    shown = hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in content))
    key = (shown.digest(), path.suffix, len(frames), fps, codec, audio_rate)
    if key not in WRITTEN:
        _encode_video(path, frames, fps, codec, audio, audio_rate)
        WRITTEN[key] = path.read_bytes()
    path.write_bytes(WRITTEN[key])


def _encode_video(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: float,
    codec: str,
    audio: np.ndarray | None,
    audio_rate: int,
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000
        sound = None
        if audio is not None:
            name = "libmp3lame" if path.suffix == ".flv" else "aac"
            sound = container.add_stream(name, rate=audio_rate, layout="mono")
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts = number
            frame.time_base = 1 / stream.codec_context.framerate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            samples = np.ascontiguousarray(audio, np.float32).reshape(1, -1)
            sound_frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            sound_frame.sample_rate = audio_rate
            sound_frame.pts = 0
            container.mux(sound.encode(sound_frame))
            container.mux(sound.encode(None))


def write_jpeg(path: Path, pixels: np.ndarray, orientation: int | None = None) -> None:
    """A JPEG file of uint8 [H, W, 3], with an EXIF orientation if given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, "JPEG", quality=95, exif=exif)


def numbered(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A picture [height, width, 3] that says `number` (below 256) in bars, black 0 and white 1."""
    bits = [(number >> bit) & 1 for bit in range(BARS)]
    row = np.array(bits, np.uint8)[np.arange(width) * BARS // width] * 200 + 28
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def read_number(pixels: np.ndarray) -> int:
    """The number in a picture [H, W, 3] drawn by `numbered`, at any scale and after compression."""
    height, width = pixels.shape[:2]
    middle = pixels[height // 2 - 2 : height // 2 + 2].mean(axis=(0, 2))
    centres = [(2 * bar + 1) * width // (2 * BARS) for bar in range(BARS)]
    return sum(int(middle[x] > 128) << bit for bit, x in enumerate(centres))


def sine(hertz: float, seconds: float, rate: int, amplitude: float = 0.5) -> np.ndarray:
    """A sine wave, float32 [seconds * rate]."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype(
        np.float32
    )
