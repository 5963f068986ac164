"""Sound, video and pictures from files, through PyAV and Pillow; whatever is wrong is `Damaged`."""

from __future__ import annotations

import itertools
import math
import warnings
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from fdsweep.trainers.imports.lazy import Image, ImageOps, av
from fdsweep.trainers.preparation.catalog import Damaged

if TYPE_CHECKING:
    from av import AudioStream, VideoStream
    from av.container import InputContainer

POINTER = b"version https://git-lfs"
SLACK_S = 0.002
"""Time stamps of FLV and Matroska count whole milliseconds."""

UNKNOWN_SIZE = 2**31 - 2**16
"""WAV files that were written as a stream state about 2 or 4 GiB."""
MAX_SHORT_SHARE = 0.1
"""A stream that lacks less than this share of its stated length is not worth a word."""


class ShortWarning(UserWarning):
    """A file is shorter than it states, but of use."""


def versions() -> dict[str, str]:
    """What decodes: PyAV, the FFmpeg libraries in it, and Pillow."""
    libraries = {
        name: ".".join(map(str, number)) for name, number in sorted(av.library_versions.items())
    }
    return {"av": av.__version__, **libraries, "pillow": version("pillow")}


def audio(
    path: Path, *, rate: int = 16000, start: float | None = None, end: float | None = None
) -> NDArray[np.float32]:
    """The first sound stream as float32 [T] in [-1, 1]: the mean of its channels at `rate` Hz.

    Seconds `start` and `end` cut it.

    Raises:
        Damaged: there is no sound, or less than half of what the file states.
    """
    begin, stop = start or 0.0, math.inf if end is None else end
    pieces = []
    length = 0
    with _opened(path, "audio") as source:
        resampler = av.AudioResampler(format="fltp", rate=rate)
        for frame in itertools.chain(_decoded(source), (None,)):
            for piece in resampler.resample(frame):
                pieces.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))
                length += pieces[-1].size
            if length >= stop * rate:
                break
    _check_length(length / rate, source.seconds, begin, stop)
    cut = slice(round(begin * rate), None if end is None else round(end * rate))
    signal: NDArray[np.float32] = np.concatenate(pieces)[cut].clip(-1, 1)
    return signal


def sound(path: Path) -> tuple[int, float]:
    """Rate in Hz and length in seconds of the first sound stream, as the file states them.

    Raises:
        Damaged: there is no sound; or no length is stated, and nothing can be decoded.
    """
    with _opened(path, "audio") as source:
        rate = int(source.stream.rate)
        if source.seconds is not None:
            return rate, source.seconds
    return rate, audio(path, rate=rate).size / rate


def frames(
    path: Path,
    *,
    per_second: float = 1.0,
    at_least: int = 3,
    start: float | None = None,
    end: float | None = None,
) -> list[Image.Image]:
    """Pictures of the first video stream in the order of time, in RGB.

    They are those at 0, 1, 2, ... / `per_second` seconds after `start`. A clip too short for
    `at_least` of them gives as many from the middles of equal parts, all distinct if it has so
    many pictures.

    Raises:
        Damaged: there is no picture, or less than half of what the file states.
    """
    begin, stop = start or 0.0, math.inf if end is None else end
    count, taken = _take(path, begin, stop, _every(1 / per_second))
    if len(taken) >= at_least:
        return list(taken.values())
    numbers = [(2 * i + 1) * count // (2 * at_least) for i in range(at_least)]
    _, taken = _take(path, begin, stop, lambda number, _seconds: number in numbers)
    return [taken[number] for number in numbers]


def image(path: Path) -> Image.Image:
    """The picture in `path` in RGB, upright.

    Raises:
        Damaged: it cannot be decoded.
    """
    _check(path)
    with _refusals(), Image.open(path) as picture:
        return ImageOps.exif_transpose(picture).convert("RGB")


def raster(path: Path) -> NDArray[Any]:
    """The numbers [H, W] of a picture of one channel: uint8, or of more bits; indices of a palette.

    Raises:
        Damaged: it cannot be decoded, or has several channels.
    """
    _check(path)
    with _refusals(), Image.open(path) as picture:
        values = np.asarray(picture)
    if values.ndim != 2:
        raise Damaged(f"{values.shape[2]} channels, not one number for each pixel")
    return values


@dataclass(frozen=True, slots=True)
class _Source:
    """An open file, one of its streams, and the length it states (None: it does not say)."""

    container: InputContainer
    stream: AudioStream | VideoStream
    seconds: float | None


@contextmanager
def _opened(path: Path, kind: Literal["audio", "video"]) -> Iterator[_Source]:
    from av import logging

    logging.set_level(logging.PANIC)
    _check(path)
    with _refusals(), av.open(str(path), metadata_errors="ignore") as container:
        streams = container.streams.audio if kind == "audio" else container.streams.video
        if not streams:
            raise Damaged(f"no {kind} stream")
        stream = streams[0]
        if stream.codec_context is None:
            raise Damaged(f"no decoder for its {kind} stream")
        stream.codec_context.thread_count = 1  # a shard is one task with one core
        yield _Source(container, stream, _stated(path, container, stream))


def _stated(
    path: Path, container: InputContainer, stream: AudioStream | VideoStream
) -> float | None:
    if container.format.name == "wav":
        return _stated_by_wav(path)
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _stated_by_wav(path: Path) -> float | None:
    """The length in a WAV file's header, for which FFmpeg gives that of the file."""
    try:
        with wave.open(str(path)) as header:
            if header.getnframes() * header.getnchannels() * header.getsampwidth() >= UNKNOWN_SIZE:
                return None
            return float(header.getnframes() / header.getframerate())
    except (wave.Error, EOFError):
        return None


def _decoded(source: _Source) -> Iterator[Any]:
    """Every frame that can be decoded; broken packets and what a cut-off end hides are left out."""
    packets = source.container.demux(source.stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            return
        if packet is None:
            return
        try:
            decoded = packet.decode()
        except av.FFmpegError:
            continue
        yield from decoded


def _take(
    path: Path, start: float, end: float, is_due: Callable[[int, float], bool]
) -> tuple[int, dict[int, Image.Image]]:
    """How many pictures lie between `start` and `end`, and those due, by their number.

    `is_due` is asked once for each picture in turn, with its number and its seconds from `start`.
    """
    taken: dict[int, Image.Image] = {}
    count = 0
    first: float | None = None
    reached = 0.0
    with _opened(path, "video") as source:
        period = 1 / float(source.stream.average_rate or 25)
        for frame in _decoded(source):
            time = reached if frame.time is None else frame.time
            first = time if first is None else first
            seconds = time - first
            if seconds >= end - SLACK_S:
                break
            reached = seconds + period
            if seconds < start - SLACK_S:
                continue
            if is_due(count, seconds - start):
                taken[count] = frame.to_image()
            count += 1
    _check_length(reached, source.seconds, start, end)
    return count, taken


def _every(step: float) -> Callable[[int, float], bool]:
    """Due is the first picture of each `step` seconds."""
    due = 0

    def is_due(_number: int, seconds: float) -> bool:
        nonlocal due
        part = math.floor((seconds + SLACK_S) / step)
        if part < due:
            return False
        due = part + 1
        return True

    return is_due


def _check(path: Path) -> None:
    """Refuse what is no media file at all, with a reason that names the cure."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(POINTER))
    except OSError as error:
        raise Damaged(f"cannot be read ({error.strerror})") from None
    if not begin:
        raise Damaged("empty file")
    if begin == POINTER:
        raise Damaged("a Git LFS pointer, not the file itself (type `git lfs pull` in its clone)")


def _check_length(reached: float, stated: float | None, start: float, end: float) -> None:
    """Refuse a stream that ends too early; all in seconds from the beginning of the file.

    Raises:
        Damaged: nothing, or less than half, can be decoded.

    Warns:
        ShortWarning: more than a tenth is missing.
    """
    if not reached:
        raise Damaged("nothing can be decoded")
    if reached <= start:
        raise Damaged(f"ends before second {start:g}")
    expected = min(end, stated or reached) - start
    text = f"only {reached - start:.1f} of {expected:.1f} seconds can be decoded"
    if reached - start < expected / 2:
        raise Damaged(text)
    if reached - start < expected * (1 - MAX_SHORT_SHARE):
        warnings.warn(text, ShortWarning, stacklevel=3)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn what the decoders raise into Damaged: a broken file makes them raise anything."""
    try:
        yield
    except Damaged:
        raise
    except av.FFmpegError as error:
        raise Damaged(f"cannot be decoded ({error.strerror})") from None
    except UnidentifiedImageError:
        raise Damaged("cannot be decoded (no known picture format)") from None
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Damaged(f"cannot be decoded ({text})") from None
