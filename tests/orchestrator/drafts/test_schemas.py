"""Schemas take what the models take and refuse what they refuse."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from fdsweep.orchestrator.drafts import words
from fdsweep.orchestrator.drafts.schemas import SCHEMAS, schema
from fdsweep.orchestrator.drafts.study import write_study
from fdsweep.search_spaces.documents import read_yaml
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.presets import PRESETS
from fdsweep.search_spaces.spaces import Space
from fdsweep.search_spaces.spaces.space import SPACES, Parameter
from fdsweep.search_spaces.sweep import Row, Sweep, load_sweep
from fdsweep.trainers.datasets.table.columns import KINDS
from fdsweep.trainers.datasets.table.description import Description, Training

VALIDATORS = {name: Draft202012Validator(schema(name)) for name in SCHEMAS}
TABLE = """
table: t.csv
modalities:
  clip: {kind: video, %s}
  said: {kind: text}
"""


def faults(name, content):
    return [error.message for error in VALIDATORS[name].iter_errors(content)]


def test_what_comes_with_fdsweep_is_taken():
    for name, folder in (("sweep", PRESETS), ("space", SPACES)):
        for path in sorted(Path(folder).glob("*.yaml")):
            assert faults(name, read_yaml(path)) == [], path


@pytest.mark.slow
def test_the_schemas_are_of_the_dialect_that_they_name():
    for validator in VALIDATORS.values():
        validator.check_schema(validator.schema)


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("sweep", "rows: [{name: x}]\ndataset: mine\nlr: 1.0e-3", None),
        ("sweep", "rows: [{name: x, method: kd+feat, options: {kd.weight: 1}}]", None),
        ("sweep", "rows: [{name: x, directions: [a+b->c]}]", None),
        ("sweep", "title: x", "'rows' is a required property"),
        ("sweep", "rows: [{name: x}]\nseds: [1]", "'seds' was unexpected"),
        ("sweep", "rows: [{name: x, method: kdd}]", "'kdd' is not valid"),
        ("sweep", "rows: [{name: x, options: {cutof: 1}}]", "'cutof' was unexpected"),
        ("sweep", "rows: [{name: x, method: kd, options: {cutoff: 1}}]", "'cutoff' was unexpected"),
        ("sweep", "rows: [{name: x, directions: [a]}]", "'a' does not match"),
        ("sweep", "rows: [{name: x, options: {freq: 1}}]", "1 is not of type 'boolean'"),
        ("space", "parameters: {lr: {low: 1, high: 2, when: {freq: true}}}", None),
        ("space", "parameters: {lr: {lo: 1}}", "'lo' was unexpected"),
        ("space", "parameters: {lr: {low: a}}", "'a' is not valid"),
        ("data", TABLE % "column: c", None),
        ("data", TABLE % "colum: c", "'colum' was unexpected"),
        ("data", TABLE.replace("text", "smell") % "", "'smell' is not one of"),
        ("data", "table: t.csv", "'modalities' is a required property"),
    ],
)
def test_a_fault_is_found(name, text, needle):
    found = faults(name, yaml.safe_load(text))
    assert needle in found[0] if needle else found == []


def test_every_field_says_what_it_is():
    said = {
        Sweep: words.SWEEP,
        Row: words.ROW,
        Space: words.SPACE,
        Parameter: words.PARAMETER,
        Description: words.DATA,
        Training: words.TRAINING,
    }
    assert {m.__name__: [*(m.model_fields.keys() - s.keys())] for m, s in said.items()} == {
        model.__name__: [] for model in said
    }
    assert words.TRAINING.keys() == Training.model_fields.keys()
    properties = schema("sweep")["$defs"]["Row"]["properties"]
    assert properties["pairing"]["description"] == words.ROW["pairing"]
    assert properties["pairing"]["enum"] == ["paired", "shuffled", "same-class", "unpaired"]
    kinds = schema("data")["properties"]["modalities"]["additionalProperties"]
    assert kinds["properties"]["kind"]["enum"] == [*KINDS]


def test_a_drafted_study_is_one_and_shows_every_field(tmp_path):
    path = write_study(tmp_path / "my_study.yaml", "runs", "rooms", ["kd", "kd+feat"])
    sweep = load_sweep(path)
    assert (sweep.study, sweep.title, sweep.dataset) == ("my-study", "My study", "rooms")
    assert [row.method for row in sweep.rows] == ["none", "kd", "kd+feat"]
    assert sweep.directions == ("rgb->depth", "depth->rgb")
    assert faults("sweep", read_yaml(path)) == []
    text = path.read_text()
    for name in (*Sweep.model_fields, *Row.model_fields):
        assert f" {name}:" in text.replace("\n", "\n ") or name == "study", name
    opened = text.replace("    # ", "    ").replace("    #   ", "      ")
    with_options = path.with_name("opened.yaml")
    with_options.write_text(opened.partition("    Any row")[0])
    first = load_sweep(with_options).rows[1]
    assert first.options == {"weight": 1.0, "temperature": 4.0}
    with pytest.raises(ConfigError, match="is there already"):
        write_study(path, "runs")
