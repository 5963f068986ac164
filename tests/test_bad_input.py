"""Whatever people write, and whatever lies in a storage, ends in a sentence and not in a traceback.

FDSWEEP_EXAMPLES says how many examples each slow test tries (options: a tenth of them).
"""

import contextlib
import json
import os
import string
from pathlib import Path

import pytest
import yaml
from faults import Fault, rows
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from fdsweep.orchestrator.cli import app
from fdsweep.results.records.manifest import FILE, Manifest
from fdsweep.search_spaces.errors import FdsweepError
from fdsweep.search_spaces.fields import Direction, parse_names, parse_pairs, parse_seeds
from fdsweep.search_spaces.records import UnreadableRecord, read_fields
from fdsweep.search_spaces.spaces import Space, load_space
from fdsweep.search_spaces.storage import Storage
from fdsweep.search_spaces.sweep import Row, Sweep, load_sweep

FEW = settings(
    max_examples=3,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    derandomize=True,
    suppress_health_check=[*HealthCheck],
)
MANY = settings(
    max_examples=int(os.environ.get("FDSWEEP_EXAMPLES", "500")),
    deadline=None,
    database=None,
    suppress_health_check=[*HealthCheck],
)
ROWS = "rows: [{name: A, method: none}]\nepochs: 1\n"
KNOWN_FILES = {
    "a seed of 2^63": "seeds: [9223372036854775808]",
    "a seed twice": "seeds: [1, 1]",
    "a weight of 400 digits": "lr: " + "9" * 400,
    "a count of 5000 digits": "batch_size: " + "9" * 5000,
    "nested 3000 deep": "title: " + "[" * 3000 + "]" * 3000,
    "a key twice": "epochs: 2",
    "a key of a row twice": "rows: [{name: A, name: B}]",
    "repeats itself": "title: &a [*a]",
    "repeats without end": "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    + "\n".join(f"{b}: &{b} [{f'*{a}, ' * 10}]" for a, b in ("ab", "bc", "cd", "de")),
    "no date": "title: 2021-13-45",
    "no number": "lr: !!float abc",
    "no truth": "lr: !!bool abc",
    "a program": "title: !!python/object/apply:os.system [false]",
    "NUL": "title: a\0b",
    "NUL, escaped": 'title: "a\\0b"',
    "half a character": 'title: "\\ud800"',
    "two lines": 'title: "a\\nb"',
    "blank": "title: '  '",
    "too large": "#" * 1_000_001,
}  # fmt: skip
KNOWN_WORDS = {
    "seeds without end": ["run", "{file}", "--seeds", "99999999999999999999"],
    "a seed of 2^63": ["run", "{file}", "--seeds", f"0,{2**63}"],
    "a seed of 5000 digits": ["run", "{file}", "--seeds", "1" * 5000],
    "digits of other scripts": ["run", "{file}", "--seeds", "٣"],
    "epochs without end": ["run", "{file}", "--epochs", "9" * 400],
    "tuning seeds": ["search", "--tuning-seeds", "99999999999999999999"],
    "no number of GPUs": ["run", "{file}", "--gpus-per-trial", "nan"],
    "GPUs without end": ["run", "{file}", "--gpus", "9" * 400],
    "no time": ["search", "--timeout", "nan"],
    "trials without end": ["search", "--trials", "999999999"],
    "no bucket": ["status", "--storage", "s3://"],
    "no scheme": ["status", "--storage", "://"],
    "one slash": ["status", "--storage", "s3:/bucket/runs"],
    "NUL": ["status", "--storage", "a\0b"],
    "half a character": ["status", "--storage", "a\udc80"],
    "no storage": ["run", "{file}", "--storage", ""],
    "blanks": ["report", "--storage", "  "],
    "a long name of a space": ["search", "--space", "a" * 5000],
    "a place outside": ["report", "../../x"],
}


def fdsweep(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, with a sweep in it; the storage is `runs`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("FDSWEEP_STORAGE", "runs")
    monkeypatch.setattr("fdsweep.trainers.trials.probe.STEPS", 1)
    Path("mine.yaml").write_text(ROWS)
    return tmp_path


def is_told(result: Result) -> bool:
    """Whether a command ended with one sentence for people."""
    last = result.stderr.splitlines()
    return result.exit_code == 2 and len(last) == 1 and last[0].startswith("fdsweep: ")


@pytest.mark.fault("a sweep file that cannot be", "one sentence, exit 2, nothing is made")
@pytest.mark.parametrize("line", KNOWN_FILES.values(), ids=KNOWN_FILES)
def test_a_sweep_that_cannot_be_is_refused_in_a_sentence(
    here: Path, line: str, fault: Fault
) -> None:
    fault.hits()
    Path("mine.yaml").write_text(ROWS + line + "\n")
    result = fdsweep("run", "mine.yaml", "--dry-run")
    assert is_told(result), result.output
    assert len(result.stderr) < 2500
    assert os.listdir(here) == ["mine.yaml"]
    fault.counts((), rows(here))


@pytest.mark.parametrize("words", KNOWN_WORDS.values(), ids=KNOWN_WORDS)
def test_a_value_that_cannot_be_is_refused_in_a_sentence(here: Path, words: list[str]) -> None:
    trains = words[0] in ("run", "search")
    given = [word.format(file="mine.yaml") for word in words]
    result = fdsweep(*given, *(["--dry-run"] if trains else []))
    assert is_told(result), (result.output, result.exc_info)
    assert len(result.stderr) < 2500
    assert os.listdir(here) == ["mine.yaml"]


LETTERS = string.printable + "äß→Δ٣\0\x1b\x7f\x85\u00a0\u2028\u202e\ud800\ufeff\ufffe\U0001f600"
"""Few, and among them those that are trouble: all of Unicode takes seconds to be listed."""

TEXTS = st.text(LETTERS, max_size=30) | st.sampled_from(
    [
        *("nan", "-inf", "", "0", "1,2", "1e999", "9" * 30, "\0", "\udc80", "../x", "watch"),
        *("a->b", "accelerometer->gyroscope", "none", "kd", "fd-cmkd", "[", "*", "weight*"),
        *("audio=x", "paired", "post-relu"),
    ]
)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats() | st.integers(-2, 9)
VALUES = st.none() | st.booleans() | NUMBERS | TEXTS


def nested(keys: "st.SearchStrategy[str]") -> "st.SearchStrategy[object]":
    return st.recursive(
        VALUES,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(keys | TEXTS, inner, max_size=4)
        ),
        max_leaves=12,
    )


def near(model: type, part: type, name: str) -> "st.SearchStrategy[object]":
    """Documents that have the fields of a `model`, and mostly something wrong in them."""
    keys = st.sampled_from([*model.model_fields, *part.model_fields])
    parts = st.dictionaries(st.sampled_from([*part.model_fields]), nested(keys), max_size=5)
    several = st.lists(parts, max_size=3) | st.dictionaries(TEXTS, parts, max_size=3)
    fields = st.dictionaries(st.sampled_from([*model.model_fields]), nested(keys), max_size=4)
    return st.builds(lambda some, inner: {**some, name: inner}, fields, several | nested(keys))


def spelt(documents: "st.SearchStrategy[object]") -> "st.SearchStrategy[str]":
    def dump(document: object) -> str:
        try:
            return yaml.safe_dump(document, allow_unicode=True)
        except (yaml.YAMLError, UnicodeError):
            return repr(document)

    signs = st.text("[]{}:,-?&*!|>'\"%@#\n <=0123456789.eE_ab~", max_size=60)
    return documents.map(dump) | documents.map(repr) | signs | st.text(LETTERS, max_size=60)


PARAMETER = type(
    "P", (), {"model_fields": dict.fromkeys(["low", "high", "log", "choices", "when", "otherwise"])}
)
SWEEPS = spelt(near(Sweep, Row, "rows"))
SPACES = spelt(near(Space, PARAMETER, "parameters"))
PLACES = st.one_of(
    TEXTS,
    st.builds("{}:{}".format, st.text(string.ascii_letters, max_size=5), TEXTS),
    st.builds("file://{}".format, TEXTS),
    st.builds("s3://{}?region=x&{}".format, TEXTS, TEXTS),
)
LINES = st.text(alphabet='{}[]",:0123456789eE.-+nultrfasd \\', max_size=80) | st.text(
    LETTERS, max_size=40
)
RECORDS = (
    st.builds(
        lambda fields, inner: json.dumps({"schema": FILE.schema, **fields, "rows": inner}),
        st.dictionaries(st.sampled_from([*Manifest.model_fields]), nested(TEXTS), max_size=9),
        nested(TEXTS),
    )
    | LINES
)
OPTIONS = st.sampled_from(
    [
        *("--dataset", "--seeds", "--epochs", "--direction", "--gpus", "--gpus-per-trial"),
        *("--workers-per-trial", "--seeds-per-trial", "--loading", "--memory-gb", "--features"),
        *("--protocol", "--hang-timeout"),
    ]
)


def reads_files(text: str) -> None:
    path = Path("any.yaml")
    path.write_bytes(text.encode(errors="surrogatepass"))
    for load in (load_sweep, lambda path: load_space(str(path))):
        with contextlib.suppress(FdsweepError):
            load(path)
    path.unlink()
    assert os.listdir() == ["mine.yaml"]


def reads_words(text: str) -> None:
    for parse in (
        parse_seeds,
        Direction.parse,
        lambda text: parse_names(text, "--methods"),
        lambda text: parse_pairs([text], "--pretrained"),
        load_space,
    ):
        with contextlib.suppress(FdsweepError):
            parse(text)


def reads_places(text: str) -> None:
    with contextlib.suppress(FdsweepError):
        assert Storage(text).inside("results").endswith("results")
    assert os.listdir() == ["mine.yaml"]


def reads_records(text: str) -> None:
    with contextlib.suppress(UnreadableRecord):
        _, fields = read_fields(text.encode(errors="surrogatepass"), FILE.schema)
        Manifest.from_fields(fields)


def acts(words: tuple[str, str]) -> None:
    result = fdsweep("run", "mine.yaml", *words, "--dry-run")
    assert result.exit_code in (0, 2), result.exc_info
    assert isinstance(result.exception, SystemExit | None), result.exc_info
    assert set(os.listdir()) <= {"mine.yaml", "runs"}


TRIED = {
    "sweeps": (SWEEPS, reads_files),
    "spaces": (SPACES, reads_files),
    "words": (TEXTS, reads_words),
    "places": (PLACES, reads_places),
    "records": (RECORDS, reads_records),
    "options": (st.tuples(OPTIONS, TEXTS | NUMBERS.map(str)), acts),
}


@pytest.mark.parametrize("name", TRIED)
def test_a_few_of_all_inputs_are_read_or_refused(here: Path, name: str) -> None:
    strategy, read = TRIED[name]
    FEW(given(strategy)(read))()


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_many_of_all_inputs_are_read_or_refused(here: Path, name: str) -> None:
    strategy, read = TRIED[name]
    fewer = settings(MANY, max_examples=max(1, MANY.max_examples // 10))  # each plans a study
    (fewer if read is acts else MANY)(given(strategy)(read))()


def test_a_record_nested_without_end_is_refused() -> None:
    with pytest.raises(UnreadableRecord, match="no JSON"):
        read_fields("[" * 200_000, FILE.schema)


def test_an_error_is_one_line_that_can_be_printed_and_not_too_long() -> None:
    told = str(FdsweepError("a\nb\x1b[31m\udc80" + "x" * 9999, "c\0d"))
    assert told.startswith("c\\x00d: a\\nb\\x1b[31m\\udc80x")
    assert len(told.splitlines()) == 1
    assert len(told) < 1100
