"""Low-rank adapters: what is trained in place of an encoder's own weights."""

from torch import nn

from fdsweep.search_spaces.errors import ConfigError

SCALE = 2
"""Times the rank: what peft calls alpha."""

BASE = ".base_layer"
"""In the name of a weight that an adapter stands beside."""

OWN = ".lora_"
"""In the names of an adapter's own weights."""


def add(network: nn.Module, rank: int) -> None:
    """Put an adapter beside every linear layer of `network` that trains; only they train then.

    For a weight W [o, i] that is W + 2 B A with A [rank, i], drawn from torch's global generator,
    and B [o, rank], which starts at 0 (LoRA, Hu et al., ICLR 2022, arXiv 2106.09685; alpha is twice
    the rank). What is frozen gets none.

    Raises:
        ConfigError: peft is not installed, or there is no such layer.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        fix = "Install them: pip install 'fdsweep[adapters]'"
        raise ConfigError("peft is not installed", "adapters", fix) from None
    from transformers.pytorch_utils import Conv1D

    layers = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and layer.weight.requires_grad
    }
    if not layers:
        what = "there is no linear layer that trains"
        raise ConfigError(what, f"adapters of {type(network).__name__}", "Leave them out")
    config = LoraConfig(
        r=rank,
        lora_alpha=SCALE * rank,
        target_modules=list(layers),
        fan_in_fan_out=all(isinstance(layer, Conv1D) for layer in layers.values()),
    )
    for weight in network.parameters():
        weight.requires_grad_(False)
    inject_adapter_in_model(config, network)
