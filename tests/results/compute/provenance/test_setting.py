from collections.abc import Callable

import pytest

from fdsweep.results.compute.provenance.published import FOLDER, SCORES, SETTING, read
from fdsweep.results.compute.provenance.setting import deviations, sentences
from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.setting import Setting

WAYS = [("audio", "visual"), ("visual", "audio")]


@pytest.fixture
def crema_d(manifest: Callable[..., Manifest], as_published: Setting) -> Manifest:
    """A sweep whose setting is the paper's in everything that is known of it."""
    return manifest(
        directions=WAYS,
        dataset="crema-d",
        epochs=100,
        features="post-relu",
        protocol="published",
        setting=as_published,
    )


def test_the_papers_own_setting_differs_in_nothing(crema_d: Manifest) -> None:
    found = deviations(crema_d)
    assert found is not None
    assert (found.task, found.setting, found.assumed, found.unstated) == ((), (), (), ())
    assert found.refusal is None
    assert list(sentences(found)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"split": "speakers apart"},
            "split speakers apart instead of lists of 6,698 train and 744 test clips",
        ),
        ({"classes": 4}, "4 classes instead of 6"),
        ({"split": ""}, "split unknown instead of lists of 6,698 train and 744 test clips"),
    ],
)
def test_another_task_is_not_comparable(
    crema_d: Manifest, changes: dict[str, object], said: str
) -> None:
    other = crema_d.replace(setting=crema_d.setting.replace(**changes))
    found = deviations(other)
    assert found is not None
    assert found.task == (said,)
    assert found.refusal == f"not comparable: {said}"
    assert next(sentences(found)) == (
        f"‡ not comparable, so neither a hit nor a miss: the task is not the paper's ({said})."
    )


def test_what_else_differs_leaves_the_task_as_it_is(crema_d: Manifest) -> None:
    setting = crema_d.setting.replace(
        batch_size=32,
        optimiser="adamw, weight decay 0.01",
        schedule="cosine",
        backbones={"audio": "mobilenet-v2", "visual": "resnet18"},
        pretraining={"audio": "none", "visual": "resnet-18"},
    )
    other = crema_d.replace(setting=setting, epochs=30, features="pre-relu", protocol="ours")
    found = deviations(other)
    assert found is not None
    assert found.refusal is None
    assert list(sentences(found)) == [
        "Differs from the paper's setting: 30 epochs instead of 100; batches of 32 instead of 64; "
        "optimiser adamw, weight decay 0.01 instead of sgd; schedule cosine instead of polynomial; "
        "feature point pre-relu instead of post-relu; epoch and head chosen on validation instead "
        "of test; audio backbone mobilenet-v2 instead of resnet18; visual pretraining resnet-18 "
        "instead of none."
    ]


def test_vggsound_of_all_classes_is_another_task(
    manifest: Callable[..., Manifest], as_published: Setting
) -> None:
    setting = as_published.replace(
        split="lists of 183,730 train and 15,446 test clips", classes=309, variant="c2kd"
    )
    found = deviations(manifest(directions=WAYS, dataset="vggsound", setting=setting))
    assert found is not None
    assert found.task == (
        "split lists of 183,730 train and 15,446 test clips instead of lists of 25,835 train and "
        "2,500 test clips (assumed)",
        "309 classes instead of 50",
    )


@pytest.mark.parametrize(("labelling", "refused"), [("humanitarian", False), ("damage", True)])
def test_what_the_paper_leaves_unsaid_is_told_as_our_assumption(
    manifest: Callable[..., Manifest], labelling: str, refused: bool
) -> None:
    setting = Setting(
        split="lists of 6,126 train, 998 val and 955 test pictures",
        labelling=labelling,
        variant="c2kd",
        classes=5,
        batch_size=64,
        backbones={"text": "bert-base", "visual": "resnet18"},
        pretraining={"text": "none", "visual": "none"},
    )
    found = deviations(manifest(dataset="crisismmd", setting=setting))
    assert found is not None
    assert (found.refusal is not None) == refused
    if refused:
        assert found.task == ("labelling damage instead of humanitarian (assumed)",)
    text = "\n".join(sentences(found))
    assert "Assumed of the paper, which does not say: split lists of 6,126 train" in text
    assert "labelling humanitarian" in text
    assert "text backbone bert-base; visual backbone resnet18" in text
    assert "text pretraining none instead of bert-base-uncased (assumed)" in text
    assert "Not stated by the paper" not in text


def test_what_nobody_says_of_the_paper_is_named(manifest: Callable[..., Manifest]) -> None:
    setting = Setting(variant="c2kd", backbones={"depth": "resnet18"})
    found = deviations(manifest(dataset="ave", setting=setting))
    assert found is not None
    assert found.unstated == ()
    labelled = deviations(manifest(dataset="ave", setting=setting.replace(labelling="others")))
    assert labelled is not None
    assert "Not stated by the paper: labelling." in list(sentences(labelled))


def test_an_older_sweep_whose_setting_is_unknown_is_no_hit(
    manifest: Callable[..., Manifest],
) -> None:
    found = deviations(manifest(directions=WAYS, dataset="crema-d"))
    assert found is not None
    assert found.refusal is not None
    assert "split unknown" in found.refusal
    assert "audio backbone unknown instead of resnet18" in found.setting


def test_other_data_have_no_setting_of_the_papers(manifest: Callable[..., Manifest]) -> None:
    assert deviations(manifest()) is None


def test_every_score_of_the_paper_has_a_setting() -> None:
    settings = {line["dataset"] for line in read(SETTING)}
    tables = {item.name.removesuffix(".csv") for item in FOLDER.iterdir()} - {SETTING}
    told = {
        line["dataset"]
        for table in tables
        for line in read(table)
        if {line.get("unit"), *line} & set(SCORES)
    }
    assert told == settings == {"crema-d", "ave", "vggsound", "crisismmd", "nyu-depth-v2"}


def test_each_line_is_said_once_and_has_a_source() -> None:
    lines = read(SETTING)
    places = [(line["dataset"], line["modality"], line["field"]) for line in lines]
    assert len(places) == len(set(places))
    assert {line["standing"] for line in lines} == {"stated", "assumed"}
    assert all(line["value"] and line["source"] for line in lines)
