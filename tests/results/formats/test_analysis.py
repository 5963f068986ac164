import re
from html import unescape

from fdsweep.results.formats.analysis import to_html, to_markdown
from fdsweep.results.plots.alignment import alignment
from fdsweep.results.records.analyses import Matrix, numbers


def test_markdown_shows_every_part_with_its_controls_and_what_to_compare(analysis):
    text = to_markdown(analysis)
    (line, _) = (line for line in text.splitlines() if line.startswith("| low without DC"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        "low without DC",
        "50.0",
        "0.300 [0.290, 0.310]",
        "0.100 [0.090, 0.110]",
        "0.100 [0.090, 0.110]",
        "0.250 [0.240, 0.260]",
        "0.200 [0.190, 0.210]",
        "yes",
    ]
    above, _ = text.split("## Teacher and student")
    rows = [line for line in above.splitlines() if line.startswith("|")]
    assert len({len(row) for row in rows}) == 1
    for words in (
        "1,234 test samples of 4 subjects or speakers",
        "seeds 0, 1.",
        "accelerometer 85.0 % (80.0 to 90.0), gyroscope 70.0 %.",
        "2,000 draws",
        "with 4 of them it is too narrow",
        "39 random orders",
        "100 % of the weights of gyroscope are the same numbers as in accelerometer",
        "- Subjects are few.",
    ):
        assert words in text
    assert text.count("Before training") == 1


def test_markdown_says_what_is_missing(alone):
    text = to_markdown(alone)
    assert "With a single subject or speaker there is no interval." in text
    assert "Other start: takes two seeds." in text
    assert " 0.300 |" in text
    assert "None" not in text


def test_nothing_is_said_of_networks_that_start_apart(analysis, comparison):
    one = comparison(same_start=0.0, groups=30)
    text = to_markdown(analysis.replace(comparisons=(one,)))
    assert "Before training" not in text
    assert "too narrow" not in text


def test_both_feature_points_stand_beside_each_other_and_one_is_named(analysis):
    text = to_markdown(analysis)
    before, after = "accelerometer and gyroscope, before ReLU", "accelerometer and gyroscope, after"
    assert f"**{before} (8 channels)**" in text
    assert f"**{after} ReLU (8 channels; what distillation compares)**" in text
    other = to_markdown(analysis.replace(features="pre-relu"))
    assert f"**{before} (8 channels; what distillation compares)**" in other
    assert f"**{after} ReLU (8 channels)**" in other


def test_silhouettes_stand_beside_the_perplexity(analysis):
    text = to_markdown(analysis)
    lines = [line for line in text.splitlines() if line.startswith("| accelerometer->gyroscope")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [
        ["accelerometer->gyroscope", "before (none)", "62.5", "0.610", "0.700", "-0.045", "–"],
        ["accelerometer->gyroscope", "after (fd-cmkd)", "62.5", "0.080", "0.700", "-0.045", "–"],
    ]
    for words in (
        "t-SNE: perplexity 2.33",
        "Seed 0, 4 samples of its test split",
        "features after ReLU",
        "in the space of the features, not in the plane",
        "networks that were trained apart lie apart whatever they know",
    ):
        assert words in text


def test_of_several_labels_it_says_what_a_class_is(analysis):
    said = "A class is here the whole set of a sample's labels"
    assert said not in to_markdown(analysis)
    assert said in to_markdown(analysis.replace(metric="map"))


def test_without_planes_there_is_nothing_on_them(alone):
    text = to_markdown(alone)
    assert "t-SNE" not in text
    assert "Silhouette" not in text


def test_a_choice_on_test_is_called_optimistic(analysis):
    assert "optimistic" not in to_markdown(analysis)
    assert "that is optimistic" in to_markdown(analysis.replace(protocol="published"))


def test_the_page_holds_the_same_cells_and_captions_with_the_perplexity(analysis):
    page = to_html(analysis, {f"{name}.svg": b"<svg/>" for name in PICTURES})
    words = unescape(re.sub(r"<[^>]*>", "\n", page)).replace("→", "->")
    for line in to_markdown(analysis).splitlines():
        if line.startswith("| ") and "--" not in line:
            assert all(cell.strip() in words for cell in line.strip("|").split("|")), line
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert [caption.split(" of the features")[0] for caption in captions[:2]] == [
        "Cosine similarity"
    ] * 2
    assert "accelerometer → gyroscope: t-SNE" in captions[2]
    assert "perplexity 2.33" in captions[2]
    assert f"<h1>{analysis.name}</h1>" in page


PICTURES = ("similarity-spectrum", "similarity-bands", "tsne-accelerometer-to-gyroscope")


def test_all_networks_stand_beside_one_another(analysis):
    names = ("rgb teacher", "depth alone", "depth of rgb and normals")
    values = ((1.0, 0.25, None), (0.25, 1.0, 0.5), (None, 0.5, 1.0))
    with_all = analysis.replace(matrix=Matrix(seed=0, samples=20, networks=names, values=values))
    lines = [line for line in to_markdown(with_all).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert ["rgb teacher", "1", "1.00", "0.25", "–"] in cells
    assert ["depth of rgb and normals", "3", "–", "0.50", "1.00"] in cells
    found = {name: x for name, x in numbers(with_all).items() if name.startswith("alignment/")}
    assert found == {
        "alignment/rgb teacher - depth alone": 0.25,
        "alignment/depth alone - depth of rgb and normals": 0.5,
    }
    (figure,) = alignment(with_all).values()
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["1.00", "0.25", "0.25", "1.00", "0.50", "0.50", "1.00"]
    assert alignment(analysis) == {}
    assert "Similarity of all networks" not in to_markdown(analysis)
