"""What an encoder of transformers is made from: what its config.json says of its numbers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fdsweep.search_spaces.errors import ConfigError, first_line
from fdsweep.trainers.backbones import HUB, pretrained
from fdsweep.trainers.modalities import Payload

CONFIG = "config.json"

UNTOLD = {
    *("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype"),
    *("id2label", "label2id", "problem_type", "quantization_config", "use_cache", "auto_map"),
}
"""Where it came from, what another head was for, and how it was stored: it decides no number."""

LENGTHS = ("max_position_embeddings", "n_positions")
"""What says how many tokens a text may have."""

TOWERS = {"tokens": "text_config", "signal": "audio_config"}
"""Which part of a network of several encoders takes a kind of modality; pictures' by default."""

PICTURES = "vision_config"


def read(name: str, payload: Payload) -> tuple[str, str]:
    """The encoder `name`, `hf:` and a folder or a name on the hub, for samples of `payload`.

    Returns:
        Its name by its kind, such as `hf:vit`, and its architecture as JSON: equal contents have
        the same, wherever they lie. Of a network of several encoders it is that for `payload`.

    Raises:
        DataError: there is no config.json, or it cannot be fetched.
        ConfigError: it is none of transformers', or too short for the texts.
    """
    path = pretrained.find(name.removeprefix(HUB), CONFIG, "backbone")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(config["model_type"], str):
            raise KeyError("model_type")
    except (ValueError, KeyError, TypeError):
        fix = "Give a model of transformers"
        raise ConfigError(f"its {CONFIG} names no model_type", name, fix) from None
    told = _tower(config, TOWERS.get(payload.kind, PICTURES), name)
    if payload.kind == "tokens" and payload.shape:
        most = min((told[field] for field in LENGTHS if field in told), default=payload.shape[0])
        if most < payload.shape[0]:
            what = f"it reads {most} tokens, and a text here has up to {payload.shape[0]}"
            raise ConfigError(what, name, "Give another one, or prepare shorter texts")
    architecture = {field: value for field, value in told.items() if field not in UNTOLD}
    return HUB + told["model_type"], json.dumps(architecture, sort_keys=True)


def _tower(config: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    own = config.get(part)
    if not isinstance(own, dict):
        return config
    whole = make(config, name)
    return {**own, "model_type": getattr(whole, part).model_type}


def make(architecture: dict[str, Any], name: str) -> Any:  # noqa: ANN401
    """Transformers' configuration of `architecture`; ConfigError if there is none."""
    from transformers import AutoConfig  # slow to import

    try:
        with quiet():
            return AutoConfig.for_model(**architecture)
    except Exception as error:  # the configurations check themselves, each in its own way
        what = f"transformers can make no network of it ({first_line(error)[:200]})"
        raise ConfigError(what, name, "Give another one, or a newer transformers") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers reports no progress and nothing below errors."""
    from transformers.utils import logging

    level, has_bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bar:
            logging.enable_progress_bar()
