"""`tokens`: a text as at most `shape[0]` ids, with the text itself in a column beside."""

import textwrap
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.trainers.modalities import registry
from fdsweep.trainers.modalities.arrays import ArrayKind

PADDING = 0
"""The token that fills up a text; no tokenizer of ours gives it to a word."""

TEXT = "clean_text"
LINE, LINES = 26, 9
"""Letters of a line and lines that fit on a contact sheet."""


@registry.register("tokens")
class Tokens(ArrayKind):
    """A list of ids; views [length] int64, filled up with PADDING."""

    column: ClassVar = pa.list_(pa.int32())
    beside: ClassVar = {TEXT: pa.string()}
    shown: ClassVar = TEXT
    dtype: ClassVar = np.int64

    @override
    def encode(self, value: Any) -> list[int]:
        if len(value) > self.shape[0]:
            raise ValueError(f"{len(value)} tokens, not at most {self.shape[0]}")
        return list(value)

    @override
    def array(self, cells: Sequence[Any]) -> NDArray[np.int64]:
        ids = np.full((len(cells), *self.shape), PADDING, self.dtype)
        for row, text in zip(ids, cells, strict=True):
            row[: len(text)] = text
        return ids

    @override
    def show(self, axes: Any, sample: Any) -> None:
        text = textwrap.fill(sample, LINE, max_lines=LINES)
        axes.text(0.03, 0.95, text, va="top", fontsize=6.5, clip_on=True)
