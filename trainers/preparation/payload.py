"""How one modality of a sample lies in a shard."""

from dataclasses import dataclass
from typing import Literal

PADDING = 0
"""The token that fills up a text; no tokenizer of ours gives it to a word."""

PayloadKind = Literal["frames", "spectrogram", "tokens"]


@dataclass(frozen=True, slots=True)
class Payload:
    """Kind and shape of what a shard holds of a modality.

    `frames`: a list of JPEG files, in the order of time, short side 256. `spectrogram`: float16 of
    `shape` [frequencies, times], little-endian bytes. `tokens`: a list of at most `shape[0]` ids.
    """

    kind: PayloadKind
    shape: tuple[int, ...] = ()
