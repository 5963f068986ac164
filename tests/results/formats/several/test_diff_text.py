import json

from fdsweep.results.compute.differences import Difference, Differences, Outcome
from fdsweep.results.formats.several.diff import to_json, to_markdown

KD, BACK = ("kd", "audio", "visual"), ("kd", "visual", "audio")
FOUND = Differences(
    sweeps=("one", "other"),
    metric="accuracy",
    setup=(
        Difference(part="sweep", what="seeds", first=[0, 1, 2, 5], second=[0]),
        Difference(part="rows", what="options.t", first=4.0, second=None, lines=(KD, BACK)),
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
    lines = [[cell.strip() for cell in x.split("|")[1:-1]] for x in to_markdown(FOUND).splitlines()]
    for line in (
        ["seeds", "0-2, 5", "0"],
        ["options.t", "4.0", "–", "all"],
        ["key", "x", "y", "kd (visual -> audio)"],
        ["torch", "2.1, 2.2", "2.2"],
        ["none", "audio -> visual, visual -> audio"],
        ["kd", "5", "60.0", "61.0", "+1.0 [-0.5, +2.5]", "within noise"],
    ):
        assert line in lines
    text = to_markdown(FOUND)
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
