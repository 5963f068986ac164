import json

from fdsweep.results.compute.differences import Difference, Differences, Outcome
from fdsweep.results.formats.markdown import lines
from fdsweep.results.formats.several.diff import diff_sections, to_json

KD, BACK = ("kd", "audio", "visual"), ("kd", "visual", "audio")
FOUND = Differences(
    sweeps=("one", "other"),
    metrics=("accuracy", "accuracy"),
    setup=(
        Difference(part="sweep", what="seeds", first=[0, 1, 2, 5], second=[0]),
        Difference(part="rows", what="options.t", first=4.0, second=None, lines=(KD, BACK)),
        Difference(part="rows", what="lr", first=1.0, second=2.0, lines=(KD,)),
        Difference(part="rows", what="key", first="x", second="y", lines=(BACK,)),
        Difference(part="environment", what="torch", first=["2.1", "2.2"], second=["2.2"]),
    ),
    only_first=(("none", "audio", "visual"), ("none", "visual", "audio")),
    only_second=(),
    shared=(KD, BACK),
    untried=(BACK,),
    outcomes=(
        Outcome(
            row="kd",
            teacher_modality="audio",
            student_modality="visual",
            n=5,
            paired=True,
            first=60.0,
            second=61.0,
            delta=1.0,
            delta_ci=(-0.5, 2.5),
            word="within noise",
        ),
    ),
    notes=("Said.",),
)


def test_what_differs_is_spelt_in_few_words():
    (section,) = diff_sections(FOUND)
    text = [*lines(section)]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text]
    for line in (
        ["seeds", "0-2, 5", "0"],
        ["options.t", "4.0", "–", "all"],
        ["key", "x", "y", "kd (visual -> audio)"],
        ["lr", "1.0", "2.0", "all"],
        ["torch", "2.1, 2.2", "2.2"],
        ["none", "audio -> visual, visual -> audio"],
        ["kd", "5", "60.0", "61.0", "+1.0 [-0.5, +2.5]", "within noise"],
    ):
        assert line in cells
    assert "- Of 1 rows that both have in a direction: 1 “within noise”." in text
    assert "- Said." in text
    assert "- No score in one or both: kd (visual -> audio)." in text


def test_json_has_every_field():
    document = json.loads(to_json(FOUND))
    assert document["schema"] == "fdsweep.diff/1"
    assert document["setup"][0] == {
        "part": "sweep",
        "what": "seeds",
        "first": [0, 1, 2, 5],
        "second": [0],
        "lines": [],
    }
    assert document["outcomes"][0]["word"] == "within noise"
