"""The method of the book's example, installed as a reader would install it."""

import re
import tomllib
from pathlib import Path

import pytest
from conftest import INFO, small_trial

from fdsweep.orchestrator.studies.methods import overview
from fdsweep.trainers.replicate import run_replicate

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "your-method.md"


def block(language: str, start: str) -> str:
    """The code block of the page in `language` that begins with `start`."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (found,) = [text for text in blocks if text.startswith(start)]
    return found


@pytest.fixture
def cosine(install, methods_kept):
    project = tomllib.loads(block("toml", "# pyproject.toml"))["project"]
    ((group, points),) = project["entry-points"].items()
    ((name, module),) = points.items()
    install(project["name"], module, name, block("python", f"# {module}.py"), group)
    return name


def test_the_pages_method_is_listed_and_trains(cosine, fold, tmp_path):
    assert cosine in {one["method"] for one in overview() if "error" not in one}
    trial = small_trial(str(tmp_path), method=cosine, options={"weight": 2})
    outcome = run_replicate(trial, INFO, fold, 0)
    terms = {metric for _, split, metric, _ in outcome["curves"] if split == "train"}
    assert terms == {"lr", "loss_task", "loss_cosine", "loss_total"}


def test_the_example_is_short():
    assert len(block("python", "# cosine_kd.py").splitlines()) <= 24
