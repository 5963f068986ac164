import json
from collections.abc import Sequence

import pandas as pd

from fdsweep.results.compute.provenance.environments import sentences


def rows(*environments: dict[str, object] | None, device: str = "cpu") -> pd.DataFrame:
    texts = ["" if one is None else json.dumps(one) for one in environments]
    return pd.DataFrame({"environment": texts, "device": device})


def said(*replicates: pd.DataFrame) -> Sequence[str]:
    return tuple(sentences(pd.concat([rows(), *replicates])))


HERE = {"processor": "A", "torch": "2.13.0+cpu", "threads": 1}


def test_one_environment_is_not_mentioned() -> None:
    assert said() == said(rows()) == said(rows(HERE, HERE), rows(HERE)) == ()
    assert said(rows(None, None)) == ()


def test_what_differs_is_told_with_how_many_replicates_of_each() -> None:
    there = HERE | {"processor": "B", "threads": 4}
    (text,) = said(rows(HERE, there), rows(HERE, HERE))
    assert text.startswith(
        "Replicates of 2 environments stand beside each other, and rounding differs between them: "
        "3 with processor A, threads 1; 1 with processor B, threads 4."
    )
    assert "torch" not in text


def test_what_an_older_fdsweep_did_not_write_down_is_unknown() -> None:
    (text,) = said(rows(HERE, {"processor": "A", "torch": "2.13.0+cpu"}, HERE))
    assert "2 with threads 1; 1 with threads unknown." in text
    (text,) = said(rows({"processor": "A"}, None))
    assert "1 with processor unknown; 1 with processor A." in text


def test_another_device_is_another_environment() -> None:
    (text,) = said(rows(HERE), rows(HERE, HERE, device="NVIDIA H100"))
    assert "2 with device NVIDIA H100; 1 with device cpu. On a GPU networks compute in bf" in text
    (text,) = said(rows(HERE, device="NVIDIA H100"), rows(HERE, device="NVIDIA H200"))
    assert "bfloat16" not in text
