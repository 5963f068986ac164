"""Importers of CREMA-D that give the same shards, if they come to give any."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdsweep.search_spaces.errors import StorageError
from fdsweep.trainers.datasets.crema_d import CremaD
from fdsweep.trainers.preparation.catalog import Item


class Slow(CremaD):
    """Takes its time over each clip."""

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        time.sleep(0.15)
        return super().decode(raw, item, assets)


class Deadly(CremaD):
    """Kills its worker at actor 1006, as a decoder's fault in C would."""

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        if item.group == "1006":
            os._exit(1)
        return super().decode(raw, item, assets)


class Mortal(CremaD):
    """Kills its worker at actor 1006 once, and leaves the file `grave`."""

    def __init__(self, grave: Path) -> None:
        super().__init__()
        self.grave = grave

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        if item.group == "1006" and not self.grave.exists():
            self.grave.touch()
            os._exit(1)
        return super().decode(raw, item, assets)


class Faulty(CremaD):
    """Has a fault that shows at actor 1006."""

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        if item.group == "1006":
            raise KeyError("no such actor")
        return super().decode(raw, item, assets)


class Helpless(CremaD):
    """Meets an error at actor 1006 that a person must put right."""

    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        if item.group == "1006":
            raise StorageError("is full", "the disk", "Empty it")
        return super().decode(raw, item, assets)
