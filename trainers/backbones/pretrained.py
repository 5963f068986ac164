"""Checkpoints to start from: fetched by the driver, kept in the storage under their content.

Only safetensors are read, so that nothing is unpickled.
"""

import hashlib
from pathlib import Path

import safetensors.torch
from torch import Tensor, nn

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.storage import Storage, cache

WEIGHTS = "model.safetensors"


def keep(storage: str, name_or_path: str) -> str:
    """Put the checkpoint `name_or_path` (a folder, or a name on the hub) into the storage.

    Returns:
        Its digest, under which `load` finds it.

    Raises:
        DataError: it cannot be fetched, or holds no safetensors.
    """
    content = find(name_or_path, WEIGHTS, "--pretrained").read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:20]
    place = layout.checkpoint(digest)
    if Storage(storage).size(place) != len(content):
        Storage(storage).write(place, content)
    return digest


def load(storage: str, digest: str) -> dict[str, Tensor]:
    """The weights that `keep` put into the storage; DataError if they are gone or damaged."""
    kept, place = Storage(storage), layout.checkpoint(digest)
    gone = DataError("the checkpoint is gone", kept.uri(place), "Run the same command again")
    if not kept.exists(place):
        raise gone
    try:
        weights: dict[str, Tensor] = safetensors.torch.load(cache.read(kept, place, digest))
    except safetensors.SafetensorError:
        kept.set_aside(place, "no whole safetensors")
        raise gone from None
    return weights


def adopt(network: nn.Module, weights: dict[str, Tensor], prefix: str, backbone: str) -> None:
    """Give `network` its `weights`, which may stand behind `prefix` beside those of a head.

    A first convolution for other input channels gets the mean over the checkpoint's channels,
    scaled so that equal channels give what they gave.

    Raises:
        ConfigError: a weight is missing or has another shape.
    """
    found = {name.removeprefix(prefix): x for name, x in weights.items()}
    own = network.state_dict()
    for name, x in own.items():
        if name not in found and name.endswith(("num_batches_tracked", "position_ids")):
            found[name] = x
        if name not in found:
            raise ConfigError(f"{name} is not in it", f"--pretrained for {backbone}", _FIX)
        given = found[name]
        if given.shape != x.shape and given.ndim == 4 and given.shape[2:] == x.shape[2:]:
            mean = given.mean(dim=1, keepdim=True) * (given.shape[1] / x.shape[1])
            given = found[name] = mean.expand(-1, x.shape[1], -1, -1)
        if given.shape != x.shape:
            shapes = f"{list(given.shape)}, not {list(x.shape)}"
            raise ConfigError(f"{name} is {shapes}", f"--pretrained for {backbone}", _FIX)
    network.load_state_dict({name: found[name] for name in own})


_FIX = "Give a checkpoint of the same network"


def find(name_or_path: str, file: str, option: str) -> Path:
    """A `file` of the folder or, on the hub, of the repository `name_or_path`.

    Raises:
        DataError: there is none, or it cannot be fetched; `option` says what it was wanted for.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        if not (folder / file).exists():
            fix = "Save it as safetensors" if file == WEIGHTS else f"Give a folder with {file}"
            raise DataError(f"there is no {file}", name_or_path, fix)
        return folder / file
    if folder.is_absolute() or name_or_path.startswith("."):
        raise DataError("there is no such folder", name_or_path, f"Give one with {file}")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(hf_hub_download(name_or_path, file))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"cannot be fetched from the hub ({reason})",
            f"{option} {name_or_path}",
            "Give a name on the hub, or a folder with " + file,
        ) from None
