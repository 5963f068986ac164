import numpy as np
import pytest
from matplotlib.colors import to_rgba

from fdsweep.results import plots
from fdsweep.results.plots.style import HUES
from fdsweep.results.plots.tsne import colours, planes

NAME = "tsne-accelerometer-to-gyroscope"


def test_a_panel_before_and_one_after_with_teacher_and_student_in_each(analysis, embedding):
    figures = planes(analysis)
    assert list(figures) == [NAME]
    before, after = figures[NAME].axes
    for axes, panel in ((before, embedding.before), (after, embedding.after)):
        teacher, student = axes.collections
        assert np.array_equal(teacher.get_offsets(), panel.teacher)
        assert np.array_equal(student.get_offsets(), panel.student)
        for drawn in (teacher, student):
            hues = [to_rgba(HUES[label], 0.75) for label in embedding.labels]
            assert np.allclose(drawn.get_facecolors(), hues)
        paths = [len(drawn.get_paths()[0].vertices) for drawn in (teacher, student)]
        assert paths[0] > paths[1] == 4  # a circle, a triangle
    assert "silhouette by modality 0.61 (in a class 0.70), by class −0.04" in before.get_title(
        loc="left"
    )
    assert "silhouette by modality 0.08" in after.get_title(loc="left")


def test_the_title_says_how_it_was_made(analysis):
    title = planes(analysis)[NAME].get_suptitle()
    assert "accelerometer → gyroscope, watch" in title
    assert "4 test samples, features after ReLU with mean 0 and length 1, perplexity 2.33" in title


def test_the_legend_names_modalities_and_classes_where_there_are_few(analysis):
    def entries(one):
        (legend,) = planes(one)[NAME].legends
        return [text.get_text() for text in legend.get_texts()]

    modalities = ["accelerometer (teacher)", "gyroscope (student)"]
    assert entries(analysis) == [*modalities, "walk", "run"]
    many = tuple(f"class {i}" for i in range(40))
    assert entries(analysis.replace(classes=many)) == modalities


def test_every_class_has_a_colour_of_its_own():
    for count in (2, 12, 13, 309):
        hues = {to_rgba(hue) for hue in colours(count)}
        assert len(hues) == min(count, 256)


def test_what_is_not_known_is_a_dash_and_a_direction_a_picture(analysis, embedding, panel):
    other = embedding.replace(
        teacher="gyroscope", student="accelerometer", before=panel("none", by_class=None)
    )
    figures = planes(analysis.replace(embeddings=(embedding, other)))
    assert list(figures) == [NAME, "tsne-gyroscope-to-accelerometer"]
    assert "by class –" in figures["tsne-gyroscope-to-accelerometer"].axes[0].get_title(loc="left")


@pytest.mark.slow
def test_pictures_are_the_same_bytes_each_time(analysis):
    first, second = (plots.render(planes(analysis)) for _ in range(2))
    assert first == second
    assert set(first) == {f"{NAME}.svg", f"{NAME}.png"}
