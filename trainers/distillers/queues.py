"""Rows that a method has seen in earlier batches, the oldest making place for new ones."""

from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers.distributed import sent


class Queues(nn.Module):
    """One queue of rows [width] for each of several groups; all of it is part of the state.

    Args:
        groups: how many queues.
        bound: the most rows that one of them holds.
        width: of a row; None takes that of the first rows.

    Attributes:
        rows: [groups, bound, width], a ring for each group.
        written: [groups], how many rows each has ever taken.
    """

    rows: Tensor
    written: Tensor

    def __init__(self, groups: int, bound: int, width: int | None) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(groups, bound, width or 0))
        self.register_buffer("written", torch.zeros(groups, dtype=torch.int64))

    @torch.no_grad()
    def push(self, group: int, rows: Tensor) -> None:
        """Add `rows` [n, width]; of more than a queue holds, the last ones.

        Raises:
            ConfigError: they are not as wide as those before.
        """
        bound, width = self.rows.shape[1:]
        if width != rows.shape[1]:
            self._widen(rows.shape[1])
        rows = rows[-bound:].to(self.rows)
        after = torch.arange(len(rows), device=rows.device)
        self.rows[group, (self.written[group] + after) % bound] = rows
        self.written[group] += len(rows)

    def held(self) -> list[int]:
        """How many rows each group has."""
        counts: list[int] = self.written.clamp(max=self.rows.shape[1]).tolist()
        return counts

    def draw(self, count: int, stream: torch.Generator) -> Tensor:
        """`count` different rows of every group, all where it has less: [k, width], a copy.

        Args:
            count: of each group; one that holds nothing yet gives nothing.
            stream: on the CPU, so that a GPU has the same rows.
        """
        bound = self.rows.shape[1]
        chosen = [
            group * bound + torch.randperm(held, generator=stream)[:count]
            for group, held in enumerate(self.held())
        ]
        return self.rows.flatten(0, 1)[sent(torch.cat(chosen), self.rows.device)]

    def _widen(self, width: int) -> None:
        groups, bound, before = self.rows.shape
        if before:
            raise ConfigError(
                f"a queue of rows of {before} numbers cannot take {width}",
                "maps",
                "Give all pictures the same size",
            )
        self.rows = self.rows.new_zeros(groups, bound, width)

    @override
    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        stored = state_dict.get(f"{prefix}rows")
        if stored is not None and not self.rows.shape[2]:
            self._widen(stored.shape[2])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
