"""When settings of a method cross its switches, against combinations written down by hand."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference import batch, build, losses
from typing_extensions import override

from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.trainers import distillers
from fdsweep.trainers.distillers import Distiller
from fdsweep.trainers.distillers.switches import crossed

NETWORK = NetworkConfig(
    dataset="d", data_fingerprint="f", modality="m", backbone="b", backbone_version=1,
    loop_version=1, optim=OptimConfig(),
)  # fmt: skip
FD_CMKD = ("freq", "align", "scale", "logmse", "band_heads")


class Plain(Distiller):
    """Nothing but its options."""

    def __init__(self, *, a: bool = False, b: bool = False, c: bool = False, w: float = 1) -> None:
        super().__init__()

    @override
    def forward(self, *_: Any) -> Any: ...


class Needing(Plain):
    needs = {"b": "a"}  # noqa: RUF012


class Refusing(Plain):
    def __init__(self, *, a: bool = False, b: bool = False) -> None:
        super().__init__()
        if b and not a:
            raise ConfigError("b without a")


class Exclusive(Plain):
    def __init__(self, *, a: bool = False, b: bool = False) -> None:
        super().__init__()
        if a and b:
            raise ConfigError("a and b")


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = distillers.registry
    registry.names()
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    for factory in (Plain, Needing, Refusing, Exclusive):
        registry.register(factory.__name__.lower())(factory)


def settings(method: str, *combinations: str, **options: Any) -> list[StudentConfig]:
    """One for each of `combinations`, which name the switches that are on: "", "a", "ab"."""
    given = [
        {**dict.fromkeys("abc"[: 3 if method == "plain" else 2], False), **dict.fromkeys(on, True)}
        for on in combinations
    ]
    return [
        StudentConfig(
            network=NETWORK,
            method=method,
            method_version=1,
            options=distillers.resolve_options(method, {**one, **options}),
        )
        for one in given
    ]


@pytest.mark.parametrize(
    ("method", "combinations", "expected"),
    [
        ("plain", ["", "a", "b", "ab"], "ab"),
        ("plain", ["ac", "c", "abc", "bc"], "ab"),  # c is on throughout
        ("plain", ["", "a", "b", "c", "ab", "ac", "bc", "abc"], "abc"),
        ("plain", ["", "a", "b", "c", "ab", "ac", "bc"], ""),
        ("plain", ["", "a", "b"], ""),
        ("plain", ["a", "b", "ab"], ""),
        ("plain", ["", "a"], ""),
        ("plain", [""], ""),
        ("plain", ["", "a", "ab"], ""),
        ("needing", ["", "a", "ab"], "ab"),
        ("needing", ["", "a", "b", "ab"], "ab"),
        ("needing", ["", "b", "ab"], ""),
        ("refusing", ["", "a", "ab"], "ab"),
        ("refusing", ["", "ab"], ""),
        ("exclusive", ["", "a", "b"], ""),  # which would all on be?
    ],
)
def test_what_is_crossed(method: str, combinations: list[str], expected: str) -> None:
    assert crossed(settings(method, *combinations)) == tuple(expected)


def test_whatever_else_differs_is_no_cross() -> None:
    whole = ["", "a", "b", "ab"]
    *three, last = settings("plain", *whole)
    (other,) = settings("plain", "ab", w=2.0)
    assert crossed([*three, last]) == ("a", "b")
    assert crossed([*three, other]) == ()
    assert crossed([*three, last, other]) == ()


def test_switches_of_parts_have_the_names_of_their_parts() -> None:
    def make(**options: bool) -> StudentConfig:
        named = {f"needing.{name}": on for name, on in options.items()}
        resolved = distillers.resolve_options("needing+kd", named)
        return StudentConfig(
            network=NETWORK, method="needing+kd", method_version=1, options=resolved
        )

    found = crossed([make(), make(a=True), make(a=True, b=True)])
    assert found == ("needing.a", "needing.b")


@pytest.fixture
def fd_cmkd() -> Callable[..., Distiller]:
    def make(*on: str) -> Distiller:
        torch.manual_seed(0)
        return build("fd-cmkd", **{name: name in on for name in FD_CMKD})

    return make


def test_what_fd_cmkds_switches_need(fd_cmkd: Callable[..., Distiller]) -> None:
    """A combination without a needed switch is refused, or the same as without the needy one."""
    needs = fd_cmkd("freq").needs
    assert needs == {"logmse": "freq", "band_heads": "freq"}
    with pytest.raises(ConfigError, match="logMSE"):
        fd_cmkd("logmse")
    for size in range(3):
        for others in itertools.combinations(["align", "scale"], size):
            with_it, without = (
                losses(fd_cmkd(*others, *more), *batch()) for more in (["band_heads"], [])
            )
            torch.testing.assert_close(with_it, without, rtol=0, atol=0)
