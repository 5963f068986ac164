"""What the effects plot draws, against the effects themselves."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsweep.results.document import SweepData
from fdsweep.results.plots import effects, pictures
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.results.report import load

NONE = [0.60, 0.61, 0.59, 0.62, 0.60, 0.61, 0.60]
GAINED = [0.62, 0.64, 0.60, 0.65, 0.63, 0.63, 0.62]
BOTH = [0.64, 0.65, 0.63, 0.67, 0.65, 0.64, 0.63]
FLAT = [0.61, 0.60, 0.60, 0.61, 0.61, 0.60, 0.60]
ONE_WAY = [("accelerometer", "gyroscope")]


@pytest.fixture
def data(store: Store, fill_crossed: Callable[..., Manifest]) -> SweepData:
    fill_crossed(
        {"-": NONE, "a": GAINED, "b": FLAT, "ab": BOTH}, directions=ONE_WAY, seeds=range(7)
    )
    return load(store)


def drawn(data: SweepData) -> Figure:
    figure = effects(data)
    assert figure is not None
    return figure


def labels(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def entries(figure: Figure) -> Sequence[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_effect_has_its_mean_its_interval_and_its_seeds(data: SweepData) -> None:
    assert data.effects is not None
    figure = drawn(data)
    main, shapley, pairs = figure.axes
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "accelerometer → gyroscope: main effects",
        "accelerometer → gyroscope: Shapley values",
        "accelerometer → gyroscope: interactions",
    ]
    assert [labels(axes) for axes in figure.axes] == [
        ["a", "b"],
        ["a", "b", "all on − all off"],
        ["a × b"],
    ]
    assert pairs.get_xlabel() == "Δ test accuracy [points]"
    assert main.get_xlim() == shapley.get_xlim() == pairs.get_xlim()
    panels = {"main effect": main, "interaction": pairs}
    lines = dict.fromkeys(figure.axes, 0)
    for one in data.effects.effects:
        axes = panels.get(one.kind, shapley)
        place = lines[axes]
        lines[axes] += 1
        (mean,) = (x for x in axes.lines if x.get_label() == f"_{one.name}")
        assert tuple(mean.get_xydata()[0]) == (one.estimate, place)
        assert (mean.get_markerfacecolor() != "white") == one.is_decided
        interval = [x for x in axes.lines if x.get_label() == "_interval"][place]
        assert tuple(interval.get_xdata()) == one.ci
        dots = [x for x in axes.collections if x.get_label() == "_seeds"][place]
        np.testing.assert_array_equal(dots.get_offsets()[:, 0], one.values)
        assert one.ci is not None
        numbers = f"{one.estimate:+z.1f} [{one.ci[0]:+z.1f}, {one.ci[1]:+z.1f}]"
        assert axes.texts[place].get_text() == numbers.replace("-", "−")
    assert list(lines.values()) == [2, 3, 1]
    for axes in figure.axes:
        bottom, top = axes.get_ylim()
        assert bottom > top
    decided = {one.is_decided for one in data.effects.effects if one.kind != "whole gain"}
    assert decided == {True, False}
    assert entries(figure) == [
        "CI without 0 and p Holm < 0.05",
        "not decided",
        "95 % CI",
        "one seed",
    ]


def test_directions_stand_side_by_side_and_names_once(
    store: Store, fill_crossed: Callable[..., Manifest]
) -> None:
    fill_crossed({"-": [0.5], "a": [0.6], "ab": [0.7]}, seeds=[0])
    figure = drawn(load(store))
    assert len(figure.axes) == 4  # no pair has an interaction
    assert [labels(axes) for axes in figure.axes[:2]] == [["a", "b"], ["", ""]]
    assert entries(figure) == ["not decided", "one seed"]


def test_where_test_chooses_the_epoch_nothing_is_judged(
    store: Store, fill_crossed: Callable[..., Manifest]
) -> None:
    fill_crossed(
        {"-": NONE, "a": GAINED, "ab": BOTH},
        seeds=range(7), directions=ONE_WAY, protocol="published",
    )  # fmt: skip
    figure = drawn(load(store))
    assert entries(figure) == ["not judged", "95 % CI", "one seed"]
    faces = [
        x.get_markerfacecolor() for axes in figure.axes for x in axes.lines if "_a" in x.get_label()
    ]
    assert set(faces) == {"white"}


def test_it_stands_behind_the_forest_where_switches_are_crossed(
    data: SweepData, store: Store, fill: Callable[..., None]
) -> None:
    assert list(pictures(data))[:2] == ["forest", "effects"]
    fill({"Feat.gyroscope": NONE, "Freq.gyroscope": GAINED}, sweep="plain", seeds=range(7))
    assert effects(load(store, "plain")) is None


def test_without_numbers_there_is_no_picture(
    store: Store, fill_crossed: Callable[..., Manifest]
) -> None:
    fill_crossed({"-": [0.5], "a": [], "ab": [0.7]}, seeds=[0])
    assert effects(load(store)) is None
