"""Every method's forward pass on a GPU that is not there: `python tests/trainers/fake_gpu.py`.

torch's fake tensors have a device, a type and a shape, and no numbers. Student, teacher and method
run as on a GPU, in bfloat16, on all kinds of inputs; what mixes devices or types fails. What
depends on numbers is taken to be one value each, and pixels to be labelled all. No gradient is
taken: that asks the driver.

Needs a torch that is built for CUDA, a driver or a GPU it does not need. Prints a line for each
method and at last the environment as JSON.
"""

import json
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from fdsweep.trainers import backbones, distillers, tasks
from fdsweep.trainers.distributed import Placed, Runtime
from fdsweep.trainers.environment import versions
from fdsweep.trainers.features.outputs import Outputs

GPU = torch.device("cuda", 0)
CLASSES, VOCABULARY = 4, 100

INPUTS = {
    "cnn1d": (8, 6, 64),
    "resnet18": (8, 3, 64, 64),
    "bert-small": (8, 16),
    "unet": (4, 3, 32, 48),
    "deeplab-resnet18": (4, 3, 64, 96),
}
SAMPLES = ("resnet18", "cnn1d"), ("bert-small", "resnet18"), ("cnn1d", "bert-small")
PIXELS = ("unet", "unet"), ("deeplab-resnet18", "unet")


class Known(TorchDispatchMode):
    """Sizes that depend on numbers are the largest that they can be, a number is 1."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name == "aten::_local_scalar_dense":
            return 1
        if name == "aten::_pin_memory":
            return args[0]
        if name == "aten::nonzero":
            return args[0].new_empty((args[0].numel(), args[0].ndim), dtype=torch.int64)
        if name == "aten::index" and args[1][0].dtype == torch.bool:
            return args[0].flatten(0, args[1][0].ndim - 1)
        if name == "aten::_unique2":
            return tuple(args[0].new_empty(1, dtype=torch.int64) for _ in range(3))
        return func(*args, **(kwargs or {}))


class Listed(TorchFunctionMode):
    """A list of numbers is one of as many ones."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.tolist and args[0].ndim == 1:
            return [1] * len(args[0])
        return func(*args, **(kwargs or {}))


def network(name: str) -> tuple[Placed, Tensor]:
    """The backbone `name` on the GPU, and what it is shown."""
    shape, is_text = INPUTS[name], name.startswith("bert")
    made = backbones.build(name, channels=VOCABULARY if is_text else shape[1], num_classes=CLASSES)
    inputs = torch.randint(VOCABULARY, shape) if is_text else torch.randn(shape)
    return Placed(made, made, Runtime(GPU)), inputs


def run(method: str, teacher: str, student: str) -> dict[str, Tensor]:
    """All losses and heads of `method`, of outputs that networks gave in bfloat16."""
    with torch.device(GPU):
        (taught_by, shown), (taught, seen) = network(teacher), network(student)
        frozen, own = taught_by.network, taught.network
        distiller = distillers.build(
            method,
            num_classes=CLASSES,
            student_dim=own.dim,
            student_map_dims=own.map_dims,
            teacher_dim=frozen.dim,
            teacher_dims=(frozen.dim,),
            teacher_map_dims=frozen.map_dims,
        )
        size = (len(seen), *seen.shape[2:]) if own.dense else (len(seen),)
        labels = torch.randint(CLASSES, size)
    frozen.requires_grad_(distiller.moves_teacher)
    distiller.attach(frozen)
    other = taught_by.on_batch(shown, len(shown), maps=distiller.teacher_maps)
    outputs = taught.on_batch(seen, len(seen), maps=distiller.student_maps)
    check({"features": outputs.features, "logits": outputs.logits})
    task = tasks.find("segmentation" if own.dense else "classification")
    found = distiller.losses(outputs, (other,), labels, task.loss)
    for step in distiller.inner_steps():
        found[step.name] = step.loss(outputs, other, labels)
    return found | distiller.heads(Outputs(*outputs))


def check(found: dict[str, Tensor]) -> None:
    """ValueError naming what is not float32 on the GPU."""
    for name, x in found.items():
        if (x.device, x.dtype) != (GPU, torch.float32):
            raise ValueError(f"{name} is {x.dtype} on {x.device}")


def cases() -> Iterator[tuple[str, str, str]]:
    """Methods with teacher and student."""
    for method in [*distillers.names(), "kd+fd-cmkd"]:
        made = distillers.specimen(method, {})
        for pair in (*SAMPLES[: 0 if made.dense_only else 3], *PIXELS[: 2 if made.on_maps else 0]):
            yield method, *pair


def main() -> int:
    if torch.version.cuda is None:
        print(f"Needs a torch that is built for CUDA; {torch.__version__} is not.", file=sys.stderr)
        return 2
    # torch leaves everything in float32 where it finds no GPU that computes in bfloat16
    torch.cuda.is_bf16_supported = lambda: True
    torch.cuda.amp.common.amp_definitely_not_available = lambda: False
    failed = 0
    for case in cases():
        try:
            with FakeTensorMode(), Known(), Listed():
                check(run(*case))
        except Exception as error:
            failed += 1
            frames = [
                f"{one.filename.rpartition('/')[2]}:{one.lineno}"
                for one in traceback.extract_tb(error.__traceback__)
                if "trainers" in one.filename
            ]
            print(*case, f"{type(error).__name__}: {error}".splitlines()[0], frames[-1])
        else:
            print(*case, "ok")
    facts = {"python": sys.version.split()[0], "torch": torch.__version__, **versions()}
    print(json.dumps({**facts, "cuda": torch.version.cuda, "failed": failed}))
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
