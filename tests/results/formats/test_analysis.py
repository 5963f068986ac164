from fdsweep.results.formats.analysis import to_markdown


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
    rows = [line for line in text.splitlines() if line.startswith("|")]
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
