import pytest

from fdsweep.results import plots
from fdsweep.results.plots import output
from fdsweep.results.plots.similarity import spectrum


def drawn_lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_the_spectrum_shows_the_means_of_pairs_and_controls(analysis):
    figures = spectrum(analysis)
    assert list(figures) == ["similarity-spectrum", "similarity-bands"]
    lines = drawn_lines(figures["similarity-spectrum"])
    for label in ("paired", "shuffled pairs", "permuted channels", "other start"):
        assert lines[label].get_ydata() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    ticks = [text.get_text() for text in figures["similarity-bands"].axes[0].get_yticklabels()]
    parts = [part.name for part in analysis.comparisons[0].quantities]
    assert [tick.split("\n")[0] for tick in ticks] == parts
    for figure in figures.values():
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles[:2] == ["before ReLU", "after ReLU (distilled)"]


def test_pictures_are_the_same_bytes_each_time(alone, monkeypatch):
    monkeypatch.delitem(output.KINDS, "png")
    figures = [spectrum(alone) for _ in range(2)]
    first, second = (plots.render({"x": drawn["similarity-bands"]}) for drawn in figures)
    assert first == second


def test_what_is_not_known_is_not_drawn(alone):
    figures = spectrum(alone)
    assert "other start" not in drawn_lines(figures["similarity-spectrum"])
    figures["similarity-bands"].draw_without_rendering()


def test_each_pair_of_modalities_has_its_own_pictures(analysis, comparison):
    several = analysis.replace(comparisons=(comparison(), comparison(second="sound")))
    assert set(spectrum(several)) == {
        f"similarity-{kind}-accelerometer-{second}"
        for kind in ("spectrum", "bands")
        for second in ("gyroscope", "sound")
    }
