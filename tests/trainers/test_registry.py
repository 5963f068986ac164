import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers
from fdsweep.trainers.registry import Registry, registrations, resolve_options

GROUP = "fdsweep.shapes"
PluginMaker = Callable[..., None]


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[str]:
    """A registry whose package `shapes` has the module `square`."""
    package = tmp_path / "ours" / "shapes_of_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from fdsweep.trainers.registry import Registry\n"
        f"registry = Registry('shape', 'shapes_of_test', '{GROUP}')\n"
    )
    (package / "square.py").write_text(
        "from shapes_of_test import registry\n"
        "registry.register('square', version=3)(lambda: 'a square')\n"
    )
    monkeypatch.syspath_prepend(str(package.parent))
    for name in ("shapes_of_test", "shapes_of_test.square"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import shapes_of_test  # type: ignore[import-not-found]

    return shapes_of_test.registry  # type: ignore[no-any-return]


def test_a_name_may_not_hold_what_joins_names(shapes: Registry[str]) -> None:
    with pytest.raises(ConfigError, match=r"shape 'a\+b': '\+' joins names\. Rename it\."):
        shapes.register("a+b")(str)


def test_a_module_of_the_package_is_found_without_importing_it(shapes: Registry[str]) -> None:
    assert shapes.names() == ("square",)
    assert shapes.get("square").factory() == "a square"
    assert shapes.get("square").version == 3


def test_a_look_up_imports_the_module_of_its_name_alone(shapes: Registry[str]) -> None:
    folder = Path(sys.modules["shapes_of_test"].__path__[0])
    (folder / "broken.py").write_text("raise AssertionError('nobody asked')\n")
    assert shapes.get("square").version == 3
    assert registrations("shapes_of_test") == {"square": ["shapes_of_test.square"]}
    with pytest.raises(AssertionError, match="nobody asked"):
        shapes.names()


def test_an_unknown_name_is_answered_with_the_known_ones(shapes: Registry[str]) -> None:
    with pytest.raises(ConfigError, match=r"^unknown shape 'cube'\. Choose from: square\.$"):
        shapes.get("cube")


def test_a_name_registered_by_two_factories_names_both(shapes: Registry[str]) -> None:
    def first() -> str:
        return ""

    shapes.register("x")(first)
    shapes.register("x")(first)
    with pytest.raises(ConfigError, match=r"shape 'x' is registered by both .*first and .*join"):
        shapes.register("x")("".join)
    assert shapes.get("x").factory is first


def test_an_installed_package_adds_a_name(shapes: Registry[str], install: PluginMaker) -> None:
    code = "from shapes_of_test import registry\nregistry.register('ring')(lambda: 'a ring')\n"
    install("rings", "rings_module", "ring", code, GROUP)
    assert shapes.names() == ("ring", "square")
    assert "rings_module" not in sys.modules
    assert shapes.get("ring").factory() == "a ring"


def test_a_broken_package_is_named_and_harms_no_other_name(
    shapes: Registry[str], install: PluginMaker
) -> None:
    install("rings", "rings_module", "ring", "import no_such_module_anywhere\n", GROUP)
    assert shapes.names() == ("ring", "square")
    assert shapes.get("square").version == 3
    with pytest.raises(ConfigError, match=r"'ring' of the package rings .*no_such_module_anywh"):
        shapes.get("ring")


@pytest.mark.parametrize(
    ("packages", "message"),
    [
        (["rings"], "package rings does not register the shape 'ring'"),
        (["rings", "hoops"], "'ring' is offered by hoops and rings"),
    ],
)
def test_packages_without_a_shape_or_with_the_same_are_named(
    packages: list[str], message: str, shapes: Registry[str], install: PluginMaker
) -> None:
    for package in packages:
        install(package, f"{package}_module", "ring", "", GROUP)
    with pytest.raises(ConfigError, match=message):
        shapes.get("ring")


def test_an_installed_method_can_be_built(install: PluginMaker, methods_kept: None) -> None:
    code = """
from fdsweep.trainers.distillers import registry
from fdsweep.trainers.distillers.none import NoDistillation

@registry.register("louder", version=5)
class Louder(NoDistillation):
    def __init__(self, *, num_classes: int, volume: int = 3) -> None:
        super().__init__()
        self.volume = volume
"""
    install("loud", "loud_module", "louder", code, "fdsweep.distillers")
    built = distillers.build("louder", num_classes=2, student_dim=3, teacher_dim=3, volume=4)
    assert built.volume == 4
    assert distillers.registry.get("louder").version == 5
    assert "louder" in distillers.names()


def example(
    *,
    size: int,
    on: bool = True,
    count: int = 1,
    rate: float = 1,
    word: str = "a",
    other: str | None = None,
    share: float | None = None,
) -> None:
    """Its signature is what is tested."""


def resolve(**options: object) -> dict[str, object]:
    return resolve_options(example, options, fixed={"size"}, owner="example")


def test_options_are_the_defaults_overlaid() -> None:
    defaults = {"on": True, "count": 1, "rate": 1.0, "word": "a", "other": None, "share": None}
    assert resolve() == defaults
    assert resolve(count=2, other="b") == defaults | {"count": 2, "other": "b"}


def test_an_int_for_a_float_becomes_a_float() -> None:
    assert repr(resolve(rate=2, share=1)["rate"]) == "2.0"
    assert repr(resolve(rate=2, share=1)["share"]) == "1.0"
    assert repr(resolve()["rate"]) == "1.0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 3}, "unknown option of example 'size'. Choose from: count, on,"),
        ({"on": 1}, "on of example: 1 is not a usable value. Give a bool."),
        ({"count": True}, "count of example: True is not a usable value. Give a int."),
        ({"count": 1.0}, "count of example: 1.0 is not a usable value. Give a int."),
        ({"rate": True}, "rate of example: True is not a usable value. Give a float."),
        ({"rate": "1"}, "rate of example: '1' is not a usable value. Give a float."),
        ({"rate": float("nan")}, "rate of example: nan is not a usable value. Give a float."),
        ({"rate": None}, "rate of example: None is not a usable value. Give a float."),
        ({"word": None}, "word of example: None is not a usable value. Give a str."),
        ({"other": 1}, "other of example: 1 is not a usable value. Give a str or null."),
    ],
)
def test_a_wrong_option_is_named_with_what_is_expected(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(**options)
    assert message in str(caught.value)


def test_an_option_without_a_default_must_be_given() -> None:
    with pytest.raises(ConfigError, match="the option size of example is missing"):
        resolve_options(example, {}, fixed=set(), owner="example")
