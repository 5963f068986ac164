"""Imports ahead of their use."""

import sys

import pytest

from fdsweep.orchestrator.ahead import Ahead


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Two modules that can be imported, and one that cannot; each import is written down."""
    told = "from pathlib import Path\nwith (Path(__file__).parent / 'told').open('a') as file:\n"
    for name, then in (("ahead_one", ""), ("ahead_bad", "1 / 0"), ("ahead_two", "")):
        (tmp_path / f"{name}.py").write_text(f"{told}    file.write('{name} ')\n{then}\n")
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "told"


def test_what_is_begun_is_imported_once_and_what_fails_is_left_to_who_uses_it(package):
    ahead = Ahead("ahead_one", "ahead_bad", "ahead_nowhere", "ahead_two")
    ahead.wait()
    assert not package.exists()
    ahead.start()
    ahead.start()
    ahead.wait()
    assert {"ahead_one", "ahead_two"} <= sys.modules.keys()
    assert package.read_text() == "ahead_one ahead_bad ahead_two "
    with pytest.raises(ZeroDivisionError):
        __import__("ahead_bad")
