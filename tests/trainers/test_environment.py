import json
import platform
from pathlib import Path

import numpy
import pytest
import torch
import transformers

from fdsweep.trainers import environment

CPU = torch.device("cpu")


def test_it_is_what_runs_here_sorted_and_the_same_each_time():
    text = environment.environment(CPU)
    facts = json.loads(text)
    assert text == json.dumps(dict(sorted(facts.items())))
    assert facts == {
        "blas": environment.blas(torch.__config__.show()),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "numpy": numpy.__version__,
        "processor": environment.processor(),
        "python": platform.python_version(),
        "system": facts["system"],
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    assert facts["system"].startswith(f"{platform.system()} {platform.machine()}")
    assert environment.environment(CPU) == text


@pytest.mark.parametrize(
    ("build", "name"),
    [
        ("  - Build settings: BLAS_INFO=mkl, BUILD_TYPE=Release", "mkl"),
        ("  - Build settings: BLAS_INFO=open", "open"),
        ("  - CPU capability usage: AVX2", "unknown"),
    ],
)
def test_what_multiplies_matrices_is_read_from_torchs_build(build, name):
    assert environment.blas(build) == name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("processor\t: 0\nmodel name\t: EPYC: 7\nmodel name\t: other\n", "EPYC: 7"),
        ("processor\t: 0\n", "x86_64"),
        (None, "x86_64"),
    ],
)
def test_the_processor_has_its_name_or_that_of_its_kind(monkeypatch, tmp_path, content, name):
    file = tmp_path / "cpuinfo"
    if content:
        file.write_text(content)
    environment.processor.cache_clear()
    monkeypatch.setattr(environment, "CPUINFO", Path(file))
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert environment.processor() == name
    environment.processor.cache_clear()


def test_what_went_on_elsewhere_says_where_it_began():
    here = environment.environment(CPU)
    other = json.dumps(
        json.loads(here) | {"processor": "Another", "torch": "2.6.0"}, sort_keys=True
    )
    gpu = json.dumps(json.loads(here) | {"gpu": "A card"}, sort_keys=True)
    assert environment.continued(here, [here, here]) == here
    moved = json.loads(environment.continued(here, [other, here, other, gpu]))
    assert moved.pop("continued_from") == "processor Another, torch 2.6.0; then gpu A card"
    assert moved == json.loads(here)
