"""The command line without Ray: what it refuses, what it plans, what it offers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from fdsweep.orchestrator.cli import app

VOICE = {"--quiet", "--verbose", "--no-color"}
COMMON = {
    "--dataset",
    "--seeds",
    "--epochs",
    "--direction",
    "--storage",
    "--gpus",
    "--gpus-per-trial",
    "--workers-per-trial",
    "--spread",
    "--seeds-per-trial",
    "--budget-hours",
    "--hang-timeout",
    "--cache-dir",
    "--cache-gb",
    "--loading",
    "--memory-gb",
    "--keep",
    "--backbone",
    "--freeze",
    "--adapters",
    "--gradient-checkpointing",
    "--accumulate",
    "--pretrained",
    "--teacher",
    "--teacher-weight",
    "--features",
    "--protocol",
    "--class-weights",
    "--sampling",
    "--address",
    "--dry-run",
    "--json",
}
SURFACE = {
    "ablation": COMMON | {"--study", "--full", "--cutoff", "--option", "--aa"},
    "compare": COMMON | {"--methods", "--pairing", "--paper", "--align", "--option", "--aa"},
    "run": COMMON | {"file", "--aa"},
    "search": COMMON
    | {
        "--space",
        "--method",
        "--methods",
        "--trials",
        "--timeout",
        "--sampler",
        "--prune",
        "--pruner",
    }
    | {"--objective", "--tuning-seeds", "--cutoff", "--aa"},
    "methods": {"--json"},
    "prepare": {"dataset", "raw", "--split-dir", "--task", "--tokenizer", "--shard-mb"}
    | {"--variant", "--frame-side", "--allow-skips", "--storage", "--address", "--json"},
    "init": set(),
    "init data": {"table", "--out", "--label", "--json"},
    "init study": {"file", "--dataset", "--methods", "--storage", "--json"},
    "datasets": {"--storage", "--json"},
    "datasets show": {"name", "--out", "--storage"},
    "models": {"--storage", "--json"},
    "export-model": {"model", "folder", "--storage", "--json"},
    "predict": {"model", "files", "--masks", "--device", "--storage", "--json"},
    "analyze": COMMON | {"--cutoff"},
    "diff": {"first", "second", "--storage", "--json"},
    "report": {"sweeps", "--format", "--check", "--storage", "--json"},
    "status": {"sweep", "--watch", "--storage", "--address", "--json"},
    "submit": {"command", "--address", "--package", "--env", "--detach", "--again"},
    "logs": {"name", "--address"},
    "stop": {"name", "--address"},
    "ui": {"sweep", "--storage", "--host", "--port"},
    "sync": {"--storage", "--tracking-uri", "--json"},
    "doctor": {"--storage", "--address", "--json"},
    "config": {"command", "--origin", "--json"},
    "schema": {"name"},
    "export": {"sweep", "--out", "--storage", "--json"},
    "import": {"archive", "--storage", "--json"},
    "gc": {"--dry-run", "--yes", "--storage", "--json"},
}


@pytest.fixture
def fdsweep(tmp_path, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("FDSWEEP_STORAGE", str(tmp_path / "runs"))
    monkeypatch.setattr("fdsweep.trainers.trials.probe.STEPS", 1)  # an estimate, but a quick one
    return lambda *words: CliRunner().invoke(app, [str(word) for word in words])


def test_the_surface_is_this_and_nothing_else():
    """Changing a command or an option is a visible line here."""

    def surface(command, name=""):
        options = {
            next((o for o in option.opts if o.startswith("--")), option.name)
            for option in command.params
        }
        inner = getattr(command, "commands", {})
        if not inner:
            assert options >= VOICE, name
        found = {name: options - VOICE} if name else {}
        for word, one in inner.items():
            found |= surface(one, f"{name} {word}".strip())
        return found

    assert surface(get_command(app)) == SURFACE


@pytest.mark.parametrize(
    ("words", "needles"),
    [
        (["ablation", "--dataset", "cremad"], ["'cremad'", "Did you mean 'crema-d'?"]),
        (["ablation", "-o", "weigth_low=1"], ["'weigth_low'", "Did you mean 'weight_low'?"]),
        (["compare", "-o", "kd.weight"], ["'kd.weight' cannot be read", "weight_low=100"]),
        (["compare", "--paper", "-o", "weight=1"], ["--paper", "and -o"]),
        (["schema", "sweeps"], ["'sweeps'", "Did you mean 'sweep'?"]),
        (["config", "ablate"], ["unknown command 'ablate'", "ablation"]),
        (["init", "study", "x.yaml", "--methods", "kdd"], ["'kdd'", "Did you mean 'kd'?"]),
        (["init", "study", "/nowhere/x.yaml"], ["/nowhere/x.yaml", "cannot be written"]),
        (["export"], ["storage", "fdsweep ablation"]),
        (["import", "nowhere.zip"], ["nowhere.zip", "no such file"]),
        (["gc"], ["storage", "fdsweep ablation"]),
        (["ablation", "--study", "component"], ["'component'", "components", "controls"]),
        (["ablation", "--seeds", "0"], ["0 seeds", "1 or more"]),
        (["ablation", "--seeds", "few"], ["'few'", "0,3,7"]),
        (["ablation", "--epochs", "0"], ["epochs", "0"]),
        (["ablation", "--direction", "a->b"], ["'a->b'", "accelerometer->gyroscope"]),
        (["ablation", "--gpus", "8"], ["8 GPUs asked for, this machine has 0"]),
        (["ablation", "--gpus", "-1"], ["-1 GPUs"]),
        (["ablation", "--workers-per-trial", "0"], ["0 workers"]),
        (["ablation", "--workers-per-trial", "65"], ["64", "65 workers"]),
        (["ablation", "--protocol", "theirs"], ["'theirs'", "'published'"]),
        (["ablation", "--features", "relu"], ["'relu'", "'pre-relu'"]),
        (["search", "--protocol", "published"], ["--protocol", "chooses on validation"]),
        (["ablation", "--gpus-per-trial", "half"], ["'half' is no number of GPUs", "or auto"]),
        (["ablation", "--seeds-per-trial", "0"], ["0 seeds per trial"]),
        (["ablation", "--hang-timeout", "nan"], ["nan minutes", "--hang-timeout"]),
        (["ablation", "--loading", "fast"], ["'fast'", "resident, streaming"]),
        (["ablation", "--memory-gb", "0"], ["0.0 GB"]),
        (["ablation", "--cache-gb", "-1"], ["--cache-gb", "-1 GB"]),
        (
            ["ablation", "--storage", "s3://k:v@b/runs", "--address", "h:6379"],
            ["--storage: holds keys"],
        ),
        (["ablation", "--dataset", "crema-d"], ["crema-d is not prepared", "fdsweep prepare"]),
        (["ablation", "--pretrained", "visual"], ["'visual' cannot be read", "visual=NAME"]),
        (["ablation", "--pretrained", "a=./nowhere"], ["./nowhere", "no such folder"]),
        (["prepare", "cremad", "."], ["'cremad'", "crema-d"]),
        (["prepare", "watch", "."], ["watch: needs no preparation"]),
        (["prepare", "crema-d"], ["folder is not given. Type: fdsweep prepare crema-d RAW_DIR"]),
        (["prepare", "no.yaml"], ["no.yaml: cannot be read"]),
        (["prepare", "no.yaml", "--variant", "x"], ["--variant: is not for a table"]),
        (["init", "data", "no.csv"], ["no.csv: cannot be read as a table"]),
        (["datasets", "show", "ave"], ["ave is not prepared", "fdsweep prepare ave"]),
        (["datasets", "show", "watch", "--out", "/nowhere/x.png"], ["/nowhere/x.png", "cannot be"]),
        (["analyze", "--cutoff", "1.5"], ["1.5", "cutoff"]),
        (["analyze", "--direction", "a->b"], ["'a->b'"]),
        (["compare", "--methods", "kdd"], ["'kdd'", "fd-cmkd"]),
        (["compare", "--methods", "kd,kd"], ["'kd' stands twice"]),
        (["compare", "--pairing", "loose"], ["'loose'", "'same-class'"]),
        (["compare", "--paper"], ["watch is not in the paper's Tables 1 and 3", "crema-d", "nyu"]),
        (["compare", "--align"], ["--align: is for data sets whose pixels", "Leave it out"]),
        (["compare", "--paper", "--methods", "kd"], ["--paper", "without --methods"]),
        (
            ["compare", "--paper", "--dataset", "ave"],
            ["ave@c2kd is not prepared", "fdsweep prepare ave RAW_DIR --variant c2kd"],
        ),
        (["prepare", "crema-d", ".", "--variant", "c2kd"], ["'c2kd'", "Choose from: own"]),
        (["prepare", "crema-d", ".", "--frame-side", "0"], ["--frame-side", "1 or more"]),
        (["ablation", "--study", "cutoffs", "--cutoff", "0.3"], ["no row of cutoffs"]),
        (["ablation", "--cutoff", "lern"], ["'lern'", "cutoff"]),
        (["search", "--space", "weights"], ["'weights'", "loss-weights", "YAML file"]),
        (["search", "--method", "kdd"], ["'kdd'", "fd-cmkd"]),
        (["search", "--method", "kd", "--methods", "feat"], ["--method, --methods: both"]),
        (["search", "--method", "none"], ["none has nothing to search", "loss-weights"]),
        (["search", "--space", "cutoffs", "--method", "kd"], ["kd has nothing", "cutoffs"]),
        (["search", "--methods", "kd,kd"], ["'kd' stands twice"]),
        (["search", "--trials", "0"], ["0 trials"]),
        (["search", "--timeout", "0"], ["0.0 minutes"]),
        (["search", "--sampler", "grid"], ["'grid'", "tpe"]),
        (["search", "--objective", "test"], ["'test'", "accuracy,cost"]),
        (["search", "--tuning-seeds", "none"], ["--tuning-seeds", "'none'"]),
        (["search", "--seeds", "1,5"], ["seed 1 is used for tuning"]),
        (["search", "--method", "kd", "--cutoff", "learn"], ["--cutoff"]),
        (["search", "--cutoff", "lern"], ["'lern'", "cutoff"]),
        (["ablation", "--teacher", "gyroscope"], ["'gyroscope' cannot be read", "visual=NAME"]),
        (["ablation", "--teacher", "gyroscope=./nowhere"], ["nowhere", "holds no student"]),
        (["search", "--teacher", "gyroscope=x"], ["--teacher", "Leave it out"]),
        (["analyze", "--teacher", "gyroscope=x"], ["--teacher", "Leave it out"]),
        (["analyze", "--teacher-weight", "gyroscope=1"], ["--teacher-weight", "Leave it out"]),
        (["ablation", "--teacher-weight", "gyroscope=x"], ["teacher_weights.gyroscope", "'x'"]),
        (["run", "nowhere.yaml"], ["nowhere.yaml", "cannot be read"]),
        (["report"], ["storage", "fdsweep ablation"]),
        (["report", "--format", "pdf"], ["'pdf'", "csv, html, json, latex, markdown"]),
        (["status"], ["runs"]),
        (["ablation", "--keep", "worst"], ["'worst'", "all, best, none"]),
        (["models"], ["runs"]),
        (["export-model", "x", "y"], ["runs"]),
        (["predict", "x", "y"], ["runs"]),
        (["predict", "x", "y", "--device", "gpu"], ["--device gpu", "cannot be used"]),
        (["ui"], ["no MLflow runs yet"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(fdsweep, words, needles):
    result = fdsweep(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("fdsweep: ")
    for needle in needles:
        assert needle in result.stderr


@pytest.mark.parametrize(
    ("row", "needles"),
    [
        ("{name: x, method: fdcmkd}", ["'fdcmkd'", "fd-cmkd, feat"]),
        ("{name: x, optoins: {}}", ["'optoins'", "Did you mean 'options'?"]),
        ("{name: x, pairing: unpared}", ["'unpared'", "Did you mean 'unpaired'?"]),
        ("{name: x, options: {cutoff: 0}}", ["0", "cutoff"]),
        ("{name: x, options: {cutoff: 1.0}}", ["1.0", "cutoff"]),
        ("{name: x, pairing: none}", ["'none'", "'paired'"]),
    ],
)
def test_a_bad_sweep_file_is_one_sentence(fdsweep, tmp_path, row, needles):
    path = tmp_path / "mine.yaml"
    path.write_text(f"rows: [{row}]")
    result = fdsweep("run", path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for needle in needles:
        assert needle in result.stderr


@pytest.mark.parametrize(
    ("field", "needles"),
    [
        ("optimizer: adam", ["'adam'", "adamw, sgd"]),
        ("schedule: linear", ["'linear'", "cosine, polynomial, polynomial-per-step"]),
        ("warmup_epochs: 5", ["5 of 5 epochs", "less than 5"]),
        ("weight_decay: -1e-4", ["weight_decay", "-0.0001"]),
        ("lr: 1e-5", ["0.0001", "lower final_lr"]),
    ],
)
def test_an_optimisation_that_cannot_be_is_one_sentence(fdsweep, tmp_path, field, needles):
    path = tmp_path / "mine.yaml"
    path.write_text(f"rows: [{{name: x, method: feat}}]\n{field}\n")
    result = fdsweep("run", path)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    for needle in needles:
        assert needle in result.stderr


@pytest.mark.parametrize("place", ["file/runs", "/proc/fdsweep-runs"])
def test_unwritable_storage_is_one_sentence(fdsweep, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    result = fdsweep("ablation", "--storage", tmp_path / place)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert str(tmp_path / place) in result.stderr


def test_a_dry_run_prints_the_plan_and_trains_nothing(fdsweep, tmp_path):
    result = fdsweep("ablation", "--seeds", "5", "--gpus-per-trial", "auto", "--dry-run")
    assert result.exit_code == 0
    assert "16 cells x 5 seeds = 80 replicates; 0 done, 80 left in 16 trials" in result.stdout
    assert "10 teachers in 2" in result.stdout
    assert "training time about" in result.stdout
    assert "--gpus-per-trial auto: " in result.stdout
    assert "5 seeds can detect an effect of 1.68 SD" in result.stdout
    assert not list((tmp_path / "runs").rglob("*.parquet"))


def test_a_dry_run_as_json_is_one_document(fdsweep):
    result = fdsweep("ablation", "--seeds", "1", "--direction", "gyroscope->accelerometer",
                     "--dry-run", "--json")  # fmt: skip
    plan = json.loads(result.stdout)
    assert plan["schema"] == "fdsweep.plan/1"
    assert plan["replicates"] == {"total": 8, "done": 0}
    assert [trial["kind"] for trial in plan["trials"]] == ["teacher"] + ["student"] * 8
    assert plan["estimate"]["training_seconds"] > 0
    assert plan["estimate"]["detectable_effect_sd"] is None
    assert plan["devices"] == {"gpus_per_trial": None, "why": ""}


def test_a_dry_run_of_a_search_plans_equal_budgets(fdsweep, tmp_path):
    words = ["search", "--methods", "fd-cmkd,kd", "--trials", "7", "--seeds", "4", "--dry-run"]
    result = fdsweep(*words)
    assert result.exit_code == 0
    assert "4 searches of 7 trials" in result.stdout
    assert "kd, gyroscope->accelerometer: weight" in result.stdout
    assert "fresh seeds 100-103" in result.stdout
    assert "4 seeds can detect" in result.stdout
    assert not (tmp_path / "runs" / "optuna.db").exists()
    plan = json.loads(fdsweep(*words, "--json", "--objective", "directions").stdout)
    assert [search["method"] for search in plan["searches"]] == ["fd-cmkd", "kd"]
    assert {len(search["directions"]) for search in plan["searches"]} == {2}
    assert plan["seeds"] == [100, 101, 102, 103]


def test_one_process_has_a_search_at_a_time(fdsweep, tmp_path):
    from filelock import FileLock

    words = ["search", "--direction", "gyroscope->accelerometer"]
    plan = json.loads(fdsweep(*words, "--dry-run", "--json").stdout)
    (tmp_path / "runs" / "locks").mkdir()
    with FileLock(tmp_path / "runs" / "locks" / f"{plan['searches'][0]['name']}.lock"):
        result = fdsweep(*words)
    assert result.exit_code == 2
    assert "another process is running the search" in result.stderr


def test_methods_as_json_is_one_document(fdsweep):
    document = json.loads(fdsweep("methods", "--json").stdout)
    assert document["schema"] == "fdsweep.methods/1"
    none = next(one for one in document["methods"] if one["method"] == "none")
    assert none["group"] == "Uni"
    assert not none["needs_teacher"]


QUICK = """
import os, shutil, sys
from fdsweep.orchestrator.cli import app
SLOW = {"torch", "mlflow", "ray", "av", "PIL.Image", "filelock", "matplotlib", "scipy", "pandas"}
SLOW |= {"fdsweep.trainers.datasets.table.importer"}  # of tables, and there are none
ALL = "methods", "datasets", "status", "models", "report", "report last"
for words in ([], *map(str.split, ALL)):
    try:
        app([*words, *(["--storage", sys.argv[1]] if words[:1] != ["methods"] and words else [])])
    except SystemExit:
        pass
    print(words, sorted(SLOW & set(sys.modules)), file=sys.stderr)
    if words == ["report"]:  # what was computed
        shutil.rmtree(os.path.join(sys.argv[1], "cache"))
    if words == ["datasets"]:  # a shell asks what goes on
        unfinished = {"COMP_WORDS": "fdsweep ablation --direction gyr", "COMP_CWORD": "3"}
        os.environ |= {"_FDSWEEP_COMPLETE": "complete_bash", **unfinished}
        try:
            app(prog_name="fdsweep")
        except SystemExit:
            del os.environ["_FDSWEEP_COMPLETE"]
"""


def test_what_reads_alone_imports_neither_torch_nor_mlflow_nor_ray(fdsweep, tmp_path):
    """In one process, from what needs least to what needs most: a report that was not asked for."""
    stored = tmp_path / "rooms"
    rooms = Path(__file__).parents[3] / "docs" / "studies" / "rooms"
    shutil.copytree(rooms, stored, ignore=shutil.ignore_patterns("cache"))
    fdsweep("report", "--storage", str(stored))
    output = subprocess.run(
        [sys.executable, "-c", QUICK, str(stored)], capture_output=True, text=True, check=True
    )
    assert output.stderr.splitlines() == [
        "[] []",
        "['methods'] []",
        "['datasets'] []",
        "['status'] []",
        "['models'] []",
        "['report'] []",
        "['report', 'last'] ['pandas', 'scipy']",
    ]
    for needle in ("fd-cmkd", "seglearn", r"gyroscope-\>accelerometer", "compare-rooms-", "| Row "):
        assert needle in output.stdout
