"""What every kind of modality says of itself, and what it gives to training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DRAWS = 24
"""Random numbers that a training view of one sample may use, uniform in [0, 1)."""

Arrays = tuple[NDArray[Any], ...]
"""What a kind decodes of a batch."""


@dataclass(frozen=True, slots=True)
class Payload:
    """How one modality of a sample lies in a shard: the name of a kind, and a shape as it asks."""

    kind: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Extent:
    """What samples hold in all: pieces, of which a view shows one, and their bytes in memory."""

    pieces: int = 0
    nbytes: int = 0

    def __add__(self, other: Extent) -> Extent:
        return Extent(self.pieces + other.pieces, self.nbytes + other.nbytes)


class Inputs(Protocol):
    """What the training loop asks of one modality."""

    @property
    def augmented(self) -> bool:
        """Whether training views differ from time to time."""

    @property
    def numbers(self) -> int:
        """How many numbers one sample's view holds."""

    def batches(
        self, order: Iterable[Tensor], draws: Iterable[Tensor] | None = None
    ) -> Iterator[Tensor]:
        """A tensor [B, ...] for each of `order`'s batches of sample indices [B], on the CPU.

        With `draws` [B, DRAWS] for each batch they are training views, decided by these numbers
        alone; without, the one view that is evaluated.
        """

    def to(self, device: torch.device) -> Self:
        """The same samples, with their batches on `device`."""


class Kind(ABC):
    """A kind of modality, for payloads of one `shape`.

    Samples in memory (`hold`) and in shards (`decode`, then `view`) give the same batches, to the
    bit. A kind whose samples are one array of numbers each is an `ArrayKind`, which needs less.

    Attributes:
        column: type of a modality's column in a shard.
        beside: further columns that an importer fills when it has their values, and their types.
        shown: that one of them which people are shown, in place of the evaluated view.
        augmented: training views differ from time to time.
        framed: it holds pictures, and its shape is (the most that their short side may be,),
            which `fdsweep prepare --frame-side` sets.
    """

    column: ClassVar[pa.DataType]
    beside: ClassVar[Mapping[str, pa.DataType]] = {}
    shown: ClassVar[str | None] = None
    augmented: ClassVar[bool] = False
    framed: ClassVar[bool] = False

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    @abstractmethod
    def encode(self, value: Any) -> Any:
        """The cell of `column` for what an importer decoded.

        Raises:
            ValueError: it is not of `shape`.
        """

    def size(self, cell: Any) -> int:
        """About how many bytes `cell` takes in a shard; it decides how many rows a shard has."""
        return len(cell)

    @abstractmethod
    def extent(self, cell: Any) -> Extent:
        """How many pieces `cell` holds, and the bytes that they take in memory."""

    @property
    @abstractmethod
    def numbers(self) -> int:
        """How many numbers one sample's view holds."""

    @abstractmethod
    def hold(
        self, shards: Iterable[Sequence[Any]], samples: int, extent: Extent, threads: int
    ) -> Inputs:
        """All samples in memory, decoded by `threads` from the cells of one shard after another.

        `samples` is their number, `extent` the sum over their cells.
        """

    @abstractmethod
    def decode(self, cells: Sequence[Any], draws: Tensor | None) -> Arrays:
        """What `view` needs of the samples in `cells` [B]; called in any thread.

        `draws` [B, DRAWS] are those of training views, None that the evaluated view is wanted.
        """

    @abstractmethod
    def view(self, decoded: Arrays, draws: Tensor | None, device: torch.device) -> Tensor:
        """The batch [B, ...] on `device` of what `decode` gave for the same `draws`."""

    @abstractmethod
    def show(self, axes: Any, sample: Any) -> None:
        """Draw a sample on matplotlib's `axes`: its evaluated view, or its value of `shown`."""
