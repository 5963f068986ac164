"""`text`, which stands in the table itself, and `text-file`, which stands in files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field
from typing_extensions import override

from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets.table.arrow import file_of
from fdsweep.trainers.datasets.table.columns.base import Column, known
from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation.catalog import Damaged


class Text(Column):
    """At most `length` word pieces of a text.

    The vocabulary is learnt from the training samples, at most `vocabulary` pieces, or taken from
    the checkpoint `tokenizer` (folder, or name on the hub); settled, it has exactly so many.
    """

    kind: ClassVar = "text"
    suits: ClassVar = "bert-small"
    hints: ClassVar = {"kind": "word pieces; their vocabulary is learnt from the training samples"}

    length: Annotated[int, Field(ge=3, le=512)] = 128
    vocabulary: Annotated[int, Field(ge=1, le=1_000_000)] = 8192
    tokenizer: str | None = None

    @property
    @override
    def in_channels(self) -> int:
        return self.vocabulary

    @property
    @override
    def payload(self) -> Payload:
        return Payload("tokens", (self.length,))

    @override
    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        from fdsweep.trainers.preparation import text  # slow to import

        if self.tokenizer:
            learnt = text.pretrained_tokenizer(self.tokenizer)
        else:
            learnt = self._learnt(set(self._readable(cells, raw)), where)
        size = text.load_tokenizer(learnt).get_vocab_size()
        return self.model_copy(update={"vocabulary": size}), learnt

    @override
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:
        from fdsweep.trainers.preparation import text  # slow to import

        return text.encode(text.load_tokenizer(known(learnt)), self.words(raw, cell), self.length)

    def _learnt(self, texts: set[str], where: str) -> bytes:
        from fdsweep.trainers.preparation import text  # slow to import

        try:
            return text.train_tokenizer(texts, self.vocabulary)
        except DataError as error:
            raise DataError(error.what, where, "Give texts, or a `tokenizer`") from None

    @override
    def read(self, file: Path, learnt: bytes | None) -> Any:
        return self.decode(file.parent, _content(file), learnt)

    def words(self, raw: Path, cell: str) -> str:
        """The text in one line; Damaged if there is none."""
        del raw
        return _one_line(cell)

    def _readable(self, cells: Mapping[str, str], raw: Path) -> Iterator[str]:
        for cell in cells.values():
            try:
                yield self.words(raw, cell)
            except Damaged:
                continue


class TextFile(Text):
    """The same, of UTF-8 files."""

    kind: ClassVar = "text-file"
    endings: ClassVar = (".txt",)

    @override
    def words(self, raw: Path, cell: str) -> str:
        with file_of(raw, cell) as path:
            return _one_line(_content(path))

    @override
    def read(self, file: Path, learnt: bytes | None) -> Any:
        return self.decode(file.parent, file.name, learnt)


def _content(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise Damaged(f"cannot be read ({reason})") from None


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    if not words:
        raise Damaged("no words")
    return words
