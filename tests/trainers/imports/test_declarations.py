import sys

import pytest

from fdsweep.trainers import distillers
from fdsweep.trainers.imports.declarations import declarations

BASE = """
import torch_of_nobody
from types import MappingProxyType

class Base:
    paper = ""
    needs = MappingProxyType({"a": "b"})
    kind: str = "plain"
    def __init__(self, *, size, weight: float = 1):
        ...
"""
WAYS = """
import torch_of_nobody
from plugins_of_test import registry
from plugins_of_test.base import Base

CODE = "the code"

@registry.register("first", version=4)
class First(Base):
    paper = f"{CODE}, page {2 + 3}"
    def forward(self):
        kind = "local"
    @property
    def needs(self): ...

@registry.register("second")
class Second(First):
    kind = "other"
    def __init__(self, *, size, depth: int | None = None, word: str = CODE):
        ...

@registry.register("third")
class Third(Base):
    kind = torch_of_nobody.kind

@registry.register("fourth")
def fourth(): ...
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """`plugins_of_test`, whose modules cannot be imported."""
    folder = tmp_path / "plugins_of_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "base.py").write_text(BASE)
    (folder / "ways.py").write_text(WAYS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("fdsweep.trainers.imports.declarations.OURS", "plugins_of_test")
    return "plugins_of_test"


def test_a_class_tells_its_values_and_options_without_being_imported(package):
    found = declarations(package)
    assert package not in sys.modules
    first, second = found["first"], found["second"]
    assert (first.version, second.version) == (4, 1)
    assert first.values == {"paper": "the code, page 5", "kind": "plain"}
    assert second.values == {**first.values, "kind": "other"}
    assert first.options == {"weight": 1.0}
    assert type(first.options["weight"]) is float
    assert second.options == {"depth": None, "word": "the code"}


def test_what_its_text_does_not_tell_is_left_out(package):
    assert set(declarations(package)) == {"first", "second"}


def test_all_methods_are_told_by_their_text():
    found = declarations("fdsweep.trainers.distillers")
    assert tuple(sorted(found)) == distillers.names()
    for name, one in found.items():
        assert one.version == distillers.version(name)
        assert one.options == distillers.resolve_options(name, {})
        factory = distillers.registry.get(name).factory
        assert {key: getattr(factory, key) for key in one.values} == one.values
