"""From what a shard holds of a modality to arrays: the same for data in memory and in a stream."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsweep.trainers.loaders.pictures import STORED
from fdsweep.trainers.preparation.payload import PADDING, Payload


def pictures(
    jpegs: Sequence[bytes], threads: int = 1
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Pictures [n, 3, STORED, STORED], stretched to squares, and their aspects [n] before that."""
    frames = np.empty((len(jpegs), 3, STORED, STORED), np.uint8)
    aspects = np.empty(len(jpegs), np.float32)

    def decode(place: int) -> None:
        with Image.open(io.BytesIO(jpegs[place])) as picture:
            aspects[place] = picture.width / picture.height
            square = picture.convert("RGB").resize((STORED, STORED), Image.Resampling.BILINEAR)
            frames[place] = np.asarray(square).transpose(2, 0, 1)

    if threads == 1:
        for place in range(len(jpegs)):
            decode(place)
    else:
        with ThreadPoolExecutor(threads) as pool:  # Pillow decodes without the interpreter's lock
            list(pool.map(decode, range(len(jpegs))))
    return frames, aspects


def numbers(found: Sequence[Any], payload: Payload) -> NDArray[Any]:
    """[n, ...], what a shard holds of a modality that consists of numbers, not of pictures."""
    if payload.kind == "spectrogram":
        return spectrograms(found, payload.shape)
    return tokens(found, payload.shape[0])


def spectrograms(payloads: Sequence[bytes], shape: tuple[int, ...]) -> NDArray[np.float16]:
    """[n, 1, frequencies, times] from little-endian float16 of `shape`."""
    numbers = np.frombuffer(b"".join(payloads), "<f2").astype(np.float16)
    return numbers.reshape(len(payloads), 1, *shape)


def tokens(texts: Sequence[Sequence[int]], length: int) -> NDArray[np.int64]:
    """[n, length] ids, filled up with PADDING and cut at `length`."""
    ids = np.full((len(texts), length), PADDING, np.int64)
    for row, text in zip(ids, texts, strict=True):
        row[: len(text)] = text[:length]
    return ids
