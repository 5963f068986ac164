"""What every kind of column says of itself."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from fdsweep.search_spaces.fields import Fields
from fdsweep.trainers.modalities import Payload

T = TypeVar("T")


class Column(Fields):
    """One column of a table, as a description has it; `settled` adds what only its files say.

    Attributes:
        kind: what descriptions call it.
        column: its name in the table, the modality's by default.
        backbone: the network of its modality, `suits` by default.
        suits: the network for this kind, where nothing else is said.
        endings: of its files, by which a kind is guessed; empty where cells hold the text itself.
        dense: its samples are pictures whose pixels may have classes.
        measured: fields that its files say, which a draft of a description spells out.
        if_few: fields that suit few samples and no GPU, for a draft.
        hints: what a draft says beside a field.
    """

    kind: ClassVar[str]
    suits: ClassVar[str]
    endings: ClassVar[tuple[str, ...]] = ()
    dense: ClassVar[bool] = False
    measured: ClassVar[tuple[str, ...]] = ()
    if_few: ClassVar[dict[str, Any]] = {}
    hints: ClassVar[dict[str, str]] = {}

    column: str | None = None
    backbone: str | None = None

    @property
    def in_files(self) -> bool:
        """Whether a cell is a path."""
        return bool(self.endings)

    @property
    @abstractmethod
    def in_channels(self) -> int:
        """Input channels of a network for it, once settled."""

    @property
    @abstractmethod
    def payload(self) -> Payload:
        """How it lies in a shard, once settled."""

    def settled(self, cells: Mapping[str, str], raw: Path, where: str) -> tuple[Self, bytes | None]:
        """The column with nothing left open, and a file that decoding needs, if it needs one.

        Args:
            cells: of the training samples, by sample id; whatever is learnt is learnt from them.
            raw: the folder that paths are relative to.
            where: the column, for errors.

        Raises:
            DataError: the files do not agree on what is left open.
            ConfigError: what is asked for cannot be.
        """
        del cells, raw, where
        return self, None

    @property
    def spelling(self) -> dict[str, Any]:
        """What decides the payload of a cell, as `make_column` takes it."""
        return {"kind": self.kind, **self.model_dump(exclude={"column", "backbone"})}

    @abstractmethod
    def decode(self, raw: Path, cell: str, learnt: bytes | None) -> Any:  # noqa: ANN401
        """The payload of `cell`; `learnt` is the file that `settled` gave.

        Raises:
            Damaged: it is of no use.
        """

    def read(self, file: Path, learnt: bytes | None) -> Any:  # noqa: ANN401
        """The payload of a sample in a raw `file`; Damaged if it is of no use."""
        return self.decode(file.parent, file.name, learnt)


def known(value: T | None) -> T:
    """What stands in a field of a settled column."""
    assert value is not None, "the column is not settled"
    return value
