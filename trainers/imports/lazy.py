"""torch, Pillow and others for modules that are asked what they are more often than they compute.

`from fdsweep.trainers.imports.lazy import torch` imports torch when it is first used, which takes a
second: lists of data sets and plans of finished studies do without. Annotations must not be
evaluated there: `from __future__ import annotations`.
"""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av as av
    import tokenizers as tokenizers
    import torch as torch
    from PIL import Image as Image
    from PIL import ImageOps as ImageOps
else:

    class _Lazy(ModuleType):
        """Stands for the module of its name."""

        def __getattr__(self, name: str) -> object:
            return getattr(importlib.import_module(self.__name__), name)

    av, tokenizers, torch = map(_Lazy, ("av", "tokenizers", "torch"))
    Image, ImageOps = map(_Lazy, ("PIL.Image", "PIL.ImageOps"))
