"""A device that is none: where a program would wait for a GPU, counted on a CPU.

Inside `pretended()` tensors of the device `DEVICE` hold real numbers on the CPU, and whatever is
computed of them is of that device too. Places in our code at which a CUDA device would make the
host wait are written down: a number is read, a size depends on values, or memory that is not
pinned is copied without `non_blocking`, in either direction. As on a GPU, a tensor of the host
among those of the device is an error, unless it is a scalar or an index.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fdsweep import trainers

DEVICE = torch.device("meta")
"""Autograd runs its backward passes in a build of torch without CUDA."""

READS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_consecutive"),
    *("unique_dim", "bincount", "equal", "histc", "repeat_interleave"),
}
COPIES = {"_to_copy", "copy_"}
INDICES = {"index", "index_put", "index_put_", "_index_put_impl_"}
OURS = str(Path(trainers.__file__).parent)


class Held(Tensor):
    """A tensor of DEVICE, whose numbers are in `inner`, on the CPU."""

    inner: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: Tensor) -> "Held":
        held = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        held.inner = inner
        return held

    def __repr__(self, **_: Any) -> str:
        return f"Held({self.inner!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside pretended()")


class _Waits(TorchDispatchMode):
    """Computes on the CPU and writes down in `places` where a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []
        self.operations = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled, and it would cost a tenth

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        given = _tensors([*args, *kwargs.values()])
        held = [x for x in given if isinstance(x, Held)]
        asked = kwargs.get("device")
        if asked is not None:
            kwargs["device"] = torch.device("cpu")
        is_held = bool(held) if asked is None else torch.device(asked) == DEVICE
        name = func._schema.name.removeprefix("aten::")
        if held or is_held:
            self.operations += 1
            self._look(name, func, args, kwargs, given, is_held)
        named = {name: _plain(x) for name, x in kwargs.items()}
        result = func(*map(_plain, args), **named)
        if name.endswith("_") and isinstance(args[0], Tensor):
            return args[0]
        if "out" in kwargs:
            return kwargs["out"]
        return _held(result) if is_held and name != "_local_scalar_dense" else result

    def _look(
        self, name: str, func: Any, args: Any, kwargs: Any, given: list[Tensor], is_held: bool
    ) -> None:
        on_host = [x for x in given if not isinstance(x, Held) and x.ndim]
        if name in READS:
            self.note(name)
        elif name in COPIES:
            source = args[1] if name == "copy_" else args[0]
            target = isinstance(args[0], Held) if name == "copy_" else is_held
            waits = not (kwargs.get("non_blocking") or args[2:3] == (True,))
            if isinstance(source, Held) != target and waits:
                self.note(name)
        elif name in INDICES:
            indices = [x for x in args[1] if x is not None]
            counted = any(x.dtype in (torch.bool, torch.uint8) for x in indices)
            if counted or any(not isinstance(x, Held) for x in indices):
                self.note(name)
        elif on_host and is_held:
            raise RuntimeError(f"{func}: tensors of the device and of the host; {_place()}")

    def note(self, name: str) -> None:
        """The host waits here."""
        self.places.append(f"{_place()} {name}")


class _Made(TorchFunctionMode):
    """Numbers of Python's are copied to the device that was asked for, and from it."""

    def __init__(self, waits: _Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and "device" in kwargs:
            device = torch.device(kwargs.pop("device") or "cpu")
            made = func(*args, **kwargs)
            return made.to(device) if device == DEVICE else made
        if func is Tensor.new_tensor:
            return torch.tensor(args[1], dtype=args[0].dtype).to(args[0].device)
        if func is Tensor.tolist and isinstance(args[0], Held):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)


@contextmanager
def pretended() -> Iterator[list[str]]:
    """Inside, DEVICE can be used; gives the list of places where the host waits."""
    waits = _Waits()
    with _Made(waits), waits:
        yield waits.places


def operations(compute: Callable[[], object]) -> int:
    """How many operations `compute` has done on DEVICE, views of tensors among them."""
    waits = _Waits()
    with _Made(waits), waits:
        compute()
    return waits.operations


def _tensors(arguments: list[Any]) -> list[Tensor]:
    """Those among the arguments of an operation, or in a list among them."""
    lists = [one for x in arguments if isinstance(x, list) for one in x]
    return [x for x in (*arguments, *lists) if isinstance(x, Tensor)]


def _plain(x: Any) -> Any:
    if isinstance(x, list):
        return [one.inner if isinstance(one, Held) else one for one in x]
    return x.inner if isinstance(x, Held) else x


def _held(x: Any) -> Any:
    if isinstance(x, Tensor):
        return Held(x)
    return type(x)(map(_held, x)) if isinstance(x, list | tuple) else x


def _place() -> str:
    """File and line of ours that is being executed."""
    frame = sys._getframe(2)
    while frame and not frame.f_code.co_filename.startswith(OURS):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame else "elsewhere"
